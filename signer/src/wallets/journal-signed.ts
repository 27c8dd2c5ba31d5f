import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { refuseStopped } from './accept-reviewed.ts';
import { hasSigned, refuseExpired, type Permit } from './reserve-together.ts';
import type { WalletDeps } from './wallet.ts';

/**
 * Journals that the signature of a reserved transaction leaves, and tells the peers; on return it may leave. A halt that
 * came while the peers were asked, or the end of an intent while a key or a session took its time, still stops it.
 * @throws Failure halted, intent-expired, and whatever `assertReady` says.
 */
export async function journalSigned(deps: WalletDeps, permit: Permit): Promise<void> {
  const { journal, signer } = deps;
  const { network, txid } = permit.reviewed;
  journal.assertUsable();
  deps.assertReady();
  refuseStopped(journal, permit.reviewed);
  if (hasSigned(deps, permit)) {
    await journal.flushed();
    return;
  }
  // Between this and the record nothing is awaited.
  refuseExpired(permit.reviewed, journal.nowMs());
  const statement = { version: 1 as const, signer, network, txid, request: permit.request };
  const signature = deps.statement.sign(statementDigest('signed', statement));
  await journal.append({ kind: 'signed', body: { statement, signature } });
  deps.notifySigned({ statement, signature });
}
