import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { familyOf } from '@holdfast/core/money/network.ts';
import type { DigestSigner } from '../keys/digest-signer.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { SigningSessions } from '../keys/signing-sessions.ts';
import type { JudgeRequest } from '../mesh/reservation-desk.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { createBitcoinWallet, type BitcoinWallet } from './bitcoin-wallet.ts';
import { createEvmWallet, type EvmWallet } from './evm-wallet.ts';
import { createShareDesk, type ShareDesk } from './release-shares.ts';
import type { WalletDeps } from './wallet.ts';

export interface Wallets {
  readonly evm: ReadonlyMap<string, EvmWallet>;
  readonly bitcoin: ReadonlyMap<string, BitcoinWallet>;
  readonly share: ShareDesk['share'];
  /** The review of a request by the wallet of its network. */
  readonly judge: JudgeRequest;
}

/** One wallet for each network that this signer has nodes of. */
export function openWallets(
  endpointsOf: ReadonlyMap<string, readonly SendRpc[]>,
  keys: {
    readonly owner: DigestSigner;
    /** Of the Bitcoin family's networks. */
    readonly keyrings: ReadonlyMap<string, Keyring>;
    readonly sessions: SigningSessions;
  },
  deps: WalletDeps,
): Wallets {
  const evm = new Map<string, EvmWallet>();
  const bitcoin = new Map<string, BitcoinWallet>();
  const shares = createShareDesk(keys.sessions, deps);
  for (const [name, endpoints] of endpointsOf) {
    if (familyOf(name) === 'evm') {
      evm.set(name, createEvmWallet(name, keys.owner, endpoints, deps));
      continue;
    }
    const keyring = keys.keyrings.get(name);
    invariant(keyring, `${name} has a keyring`);
    bitcoin.set(name, createBitcoinWallet(name, keyring, endpoints, keys.sessions, shares, deps));
  }
  const judge: JudgeRequest = async (request, by) => {
    const { network } = request.body;
    const judged =
      request.family === 'evm'
        ? evm.get(network)?.judge(request.body, by)
        : bitcoin.get(network)?.judge(request.body, by);
    if (!judged) throw new Failure('unknown-network', `this signer has no such wallet: ${network}`);
    return judged;
  };
  return { evm, bitcoin, share: shares.share, judge };
}
