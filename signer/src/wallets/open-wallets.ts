import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { familyOf } from '@holdfast/core/money/network.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { DigestSigner } from '../keys/digest-signer.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { SigningSessions } from '../keys/signing-sessions.ts';
import type { JudgeRequest } from '../mesh/reservation-desk.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { bitcoinPolicyOf } from '../review/review-context.ts';
import { createBitcoinWallet, type BitcoinWallet } from './bitcoin-wallet.ts';
import { createEvmWallet, type EvmWallet } from './evm-wallet.ts';
import { createMultisigWallet, type MultisigWallet } from './multisig-wallet.ts';
import { createShareDesk, type ShareDesk } from './release-shares.ts';
import type { WalletDeps } from './wallet.ts';

export interface Wallets {
  readonly evm: ReadonlyMap<string, EvmWallet>;
  readonly bitcoin: ReadonlyMap<string, BitcoinWallets>;
  readonly share: ShareDesk['share'];
  /** The review of a request by the wallet of its network. */
  readonly judge: JudgeRequest;
}

/** Both kinds of one Bitcoin network; each refuses while the policy in force names the other. */
export interface BitcoinWallets {
  readonly frost: BitcoinWallet;
  readonly multisig: MultisigWallet;
  /** The one that a policy names. @throws Failure unknown-network. */
  readonly of: (policy: Policy) => BitcoinWallet | MultisigWallet;
  /** The one that the policy in force names. @throws Failure policy-missing, unknown-network. */
  readonly inForce: () => BitcoinWallet | MultisigWallet;
}

/** The wallets of each network that this signer has nodes of. */
export function openWallets(
  endpointsOf: ReadonlyMap<string, readonly SendRpc[]>,
  keys: {
    readonly owner: DigestSigner;
    /** Accounts of all signers' owner keys, as the ceremony fixed them. */
    readonly owners: readonly string[];
    /** Of the Bitcoin family's networks. */
    readonly keyrings: ReadonlyMap<string, Keyring>;
    readonly sessions: SigningSessions;
  },
  deps: WalletDeps,
): Wallets {
  const evm = new Map<string, EvmWallet>();
  const bitcoin = new Map<string, BitcoinWallets>();
  const shares = createShareDesk(keys.sessions, deps);
  for (const [name, endpoints] of endpointsOf) {
    if (familyOf(name) === 'evm') {
      evm.set(name, createEvmWallet(name, keys.owner, endpoints, deps));
      continue;
    }
    const keyring = keys.keyrings.get(name);
    invariant(keyring, `${name} has a keyring`);
    const frost = createBitcoinWallet(name, keyring, endpoints, keys.sessions, shares, deps);
    const multisig = createMultisigWallet(name, keys.owner, keys.owners, endpoints, deps);
    const of: BitcoinWallets['of'] = (policy) => (bitcoinPolicyOf(policy, name).wallet ? multisig : frost);
    bitcoin.set(name, { frost, multisig, of, inForce: () => of(deps.policies.current(deps.journal.nowMs())) });
  }
  const judge: JudgeRequest = async (request, by) => {
    const { network } = request.body;
    const judged =
      request.family === 'evm'
        ? evm.get(network)?.judge(request.body, by)
        : bitcoin.get(network)?.of(by.policy).judge(request.body, by);
    if (!judged) throw new Failure('unknown-network', `this signer has no such wallet: ${network}`);
    return judged;
  };
  return { evm, bitcoin, share: shares.share, judge };
}
