import { taprootSighashes } from '@holdfast/core/chains/bitcoin/sighash.ts';
import type { WalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import { firstEpoch } from '@holdfast/core/signing/key-messages.ts';
import type { SignBitcoinRequest, SignerRequest, SignerResponse } from '@holdfast/core/signing/messages.ts';
import type { FrostKey } from '../keys/frost-key.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { SigningSessions } from '../keys/signing-sessions.ts';
import { walletChildren, type WalletChildren } from '../keys/wallet-children.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { bitcoinPolicyOf } from '../review/review-context.ts';
import { bindAddress } from './bind-address.ts';
import { bitcoinRequests, depositBranch, refuseSuperseded, type BitcoinRequests } from './bitcoin-requests.ts';
import type { ShareDesk } from './release-shares.ts';
import type { WalletDeps } from './wallet.ts';

export interface BitcoinWallet {
  readonly address: (request: SignerRequest<'/v1/address'>) => Promise<SignerResponse<'/v1/address'>>;
  readonly commit: (request: SignBitcoinRequest) => Promise<SignerResponse<'/v1/sign/bitcoin/commit'>>;
  readonly judge: BitcoinRequests<WalletAddress>['judge'];
  /** Script (hex) of an index that was handed out, by the keys of its epoch and the policy in force. @throws Failure key-missing. */
  readonly depositScript: (index: number) => string;
}

type WalletKeys = Pick<Keyring, 'active' | 'at'>;

interface Wallet {
  readonly key: FrostKey;
  readonly children: WalletChildren;
}

/** One Bitcoin network: P2TR children of FROST keys, one an epoch, of each of which this signer has one share. */
export function createBitcoinWallet(
  name: string,
  keys: WalletKeys,
  endpoints: readonly SendRpc[],
  sessions: Pick<SigningSessions, 'commit'>,
  shares: Pick<ShareDesk, 'opened'>,
  deps: WalletDeps,
): BitcoinWallet {
  const { journal } = deps;
  const wallet = cachedWallets(name, keys);
  const newestEpoch = (): number => activeKey(name, keys).epoch;
  const scriptsOf = (network: BitcoinNetworkPolicy, epoch?: number) => ({
    derive: wallet(network, epoch).children.address,
  });
  const { accept, judge } = bitcoinRequests(name, { scriptsOf, newestEpoch }, endpoints, deps);
  const inForce = (epoch?: number): Wallet =>
    wallet(bitcoinPolicyOf(deps.policies.current(journal.nowMs()), name), epoch);

  const address: BitcoinWallet['address'] = async (request) => {
    const { index, epoch = firstEpoch } = request;
    const { children } = inForce(epoch);
    const isBound = journal.state.addresses.has(`${name} ${index}`);
    const derived = children.address([depositBranch, index]).address;
    const answer = await bindAddress(deps, request, { address: derived, epoch });
    // What came there before the rotation must be counted, even by a signer that was away when the address was issued. But it
    // vouches for none: customers are not to be sent to keys that were given up, whoever may have them now.
    if (!isBound) refuseSuperseded(name, epoch, newestEpoch());
    return answer;
  };

  const commit: BitcoinWallet['commit'] = async (request) => {
    const { permit, inputs, network } = await accept(request);
    const { key, children } = wallet(network, request.epoch);
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
  const depositScript: BitcoinWallet['depositScript'] = (index) => {
    const epoch = journal.state.addresses.get(`${name} ${index}`)?.epoch;
    return inForce(epoch).children.address([depositBranch, index]).script;
  };
  return { address, commit, judge, depositScript };
}

/** Children depend on the epoch's group key and on the custodians' keys of the policy. */
function cachedWallets(name: string, keys: WalletKeys) {
  const known = new Map<number, { readonly coldKeys: string; readonly wallet: Wallet }>();
  return (network: BitcoinNetworkPolicy, epoch = firstEpoch): Wallet => {
    if (network.wallet) throw new Failure('invalid-request', `the wallet of ${name} is ${network.wallet.kind}`);
    const key = keys.at(epoch);
    const coldKeys = network.cold_keys.join(' ');
    const found = known.get(epoch);
    if (found?.coldKeys === coldKeys) return found.wallet;
    const wallet = { key, children: walletChildren(network, key) };
    known.set(epoch, { coldKeys, wallet });
    return wallet;
  };
}

function activeKey(name: string, keys: WalletKeys): FrostKey {
  const key = keys.active();
  if (!key) throw new Failure('key-missing', `${name} has no key yet`);
  return key;
}
