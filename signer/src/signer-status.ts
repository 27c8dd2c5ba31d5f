import { Failure } from '@holdfast/core/failure.ts';
import { governanceMax } from '@holdfast/core/signing/emergency.ts';
import type { MeshHello, SignerStatus } from '@holdfast/core/signing/messages.ts';
import { isUsedUp } from '@holdfast/core/signing/rolling-charges.ts';
import type { PauseDesk } from './emergency/pause-desk.ts';
import type { HaltDesk } from './halts/halt-desk.ts';
import type { Keyring } from './keys/keyring.ts';
import type { DigestSigner } from './keys/digest-signer.ts';
import type { StatementKey } from './keys/statement-key.ts';
import type { PeerWatch } from './peer-watch.ts';
import type { PolicyStore } from './policy/policy-store.ts';
import type { GovernanceWatch } from './watcher/watch-governance.ts';
import { beginSigning, type WalletDeps } from './wallets/wallet.ts';

/** What the server may know of this signer. */
export function signerStatus(input: {
  readonly hello: MeshHello;
  readonly secrets: {
    readonly owner: Pick<DigestSigner, 'address'>;
    readonly statement: Pick<StatementKey, 'publicKey'>;
  };
  readonly policies: Pick<PolicyStore, 'pending'>;
  readonly halts: Pick<HaltDesk, 'open'>;
  readonly keyrings: ReadonlyMap<string, Pick<Keyring, 'report'>>;
  readonly watch: Pick<PeerWatch, 'reachable'>;
  readonly pauses: Pick<PauseDesk, 'offers'>;
  readonly governance: readonly Pick<GovernanceWatch, 'pending'>[];
  readonly deps: WalletDeps;
}): SignerStatus {
  const { hello, secrets, deps } = input;
  const offers = input.pauses.offers();
  const scheduled = input.governance.flatMap((one) => one.pending()).slice(0, governanceMax);
  const { signer, boot_id, build, head, ceremony, policy } = hello;
  return {
    signer,
    boot_id,
    build,
    journal: head,
    ceremony,
    policy,
    owner_address: secrets.owner.address,
    statement_key: secrets.statement.publicKey,
    frost_wallets: [...input.keyrings.values()].flatMap((keyring) => keyring.report()),
    peers_reachable: input.watch.reachable(),
    policy_pending: input.policies.pending(deps.journal.nowMs()),
    halts: input.halts.open(),
    ...(offers.length > 0 && { emergency: offers }),
    ...(scheduled.length > 0 && { governance: scheduled }),
    problem: problemOf(deps),
  };
}

const usedUp = 'limit-exceeded: this signer was restored, and its limits count as used up for 24 hours';

/** Why nothing would be signed, halts aside. */
function problemOf(deps: WalletDeps): string | null {
  try {
    const { nowMs } = beginSigning(deps);
    return isUsedUp(deps.journal.state, nowMs) ? usedUp : null;
  } catch (error) {
    return error instanceof Failure ? `${error.code}: ${error.message}` : 'internal';
  }
}
