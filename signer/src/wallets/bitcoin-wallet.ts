import { taprootSighashes } from '@holdfast/core/chains/bitcoin/sighash.ts';
import type { WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { SignBitcoinRequest, SignerRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import type { FrostKey } from '../keys/frost-key.ts';
import type { SigningSessions } from '../keys/signing-sessions.ts';
import { walletChildren, type WalletChildren } from '../keys/wallet-children.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { bitcoinPolicyOf } from '../review/review-context.ts';
import { bindAddress } from './bind-address.ts';
import { bitcoinRequests, depositBranch, type BitcoinRequests } from './bitcoin-requests.ts';
import type { ShareDesk } from './release-shares.ts';
import type { WalletDeps } from './wallet.ts';

export interface BitcoinWallet {
  readonly address: (request: SignerRequest<'/v1/address'>) => Promise<SignerResponse<'/v1/address'>>;
  readonly commit: (request: SignBitcoinRequest) => Promise<SignerResponse<'/v1/sign/bitcoin/commit'>>;
  readonly judge: BitcoinRequests<WalletAddress>['judge'];
  /** Script (hex) of a deposit address, by the policy in force. @throws Failure key-missing. */
  readonly depositScript: (index: number) => string;
}

interface Wallet {
  readonly key: FrostKey;
  readonly children: WalletChildren;
}

/** One Bitcoin network: P2TR children of a FROST key of which this signer has one share. */
export function createBitcoinWallet(
  name: string,
  confirmedKey: () => FrostKey | null,
  endpoints: readonly SendRpc[],
  sessions: Pick<SigningSessions, 'commit'>,
  shares: Pick<ShareDesk, 'opened'>,
  deps: WalletDeps,
): BitcoinWallet {
  const { journal } = deps;
  const wallet = cachedWallet(name, confirmedKey);
  const scriptsOf = (network: BitcoinNetworkPolicy) => ({ derive: wallet(network).children.address });
  const { accept, judge } = bitcoinRequests(name, scriptsOf, endpoints, deps);
  const inForce = (): Wallet => wallet(bitcoinPolicyOf(deps.policies.current(journal.nowMs()), name));

  const address: BitcoinWallet['address'] = async (request) => {
    const { key, children } = inForce();
    const derived = children.address([depositBranch, request.index]).address;
    return bindAddress(deps, request, { address: derived, epoch: key.epoch });
  };

  const commit: BitcoinWallet['commit'] = async (request) => {
    const { permit, inputs, network } = await accept(request);
    const { key, children } = wallet(network);
    const sighashes = taprootSighashes(
      request.raw_tx,
      inputs.map(({ coin }) => coin),
    );
    const opened = sessions.commit(
      key,
      inputs.map((input, at) => ({
        sighash: sighashes[at] as Uint8Array,
        tweak: input.address.tweak,
        public: children.signingPackage(input.address),
      })),
    );
    shares.opened(opened.session, permit);
    return opened;
  };
  const depositScript = (index: number): string => inForce().children.address([depositBranch, index]).script;
  return { address, commit, judge, depositScript };
}

/** Children depend on the group key and on the custodians' keys of the policy. */
function cachedWallet(name: string, confirmedKey: () => FrostKey | null) {
  let known: { readonly coldKeys: string; readonly wallet: Wallet } | null = null;
  return (network: BitcoinNetworkPolicy): Wallet => {
    if (network.wallet) throw new Failure('invalid-request', `the wallet of ${name} is ${network.wallet.kind}`);
    const key = confirmedKey();
    if (!key) throw new Failure('key-missing', `${name} has no key yet`);
    const coldKeys = network.cold_keys.join(' ');
    if (known?.coldKeys !== coldKeys) known = { coldKeys, wallet: { key, children: walletChildren(network, key) } };
    return known.wallet;
  };
}
