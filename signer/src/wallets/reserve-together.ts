import { Failure } from '@holdfast/core/failure.ts';
import { decideDegraded } from '@holdfast/core/signing/decide-degraded.ts';
import { acceptReviewed, type Acceptance } from './accept-reviewed.ts';
import type { WalletDeps } from './wallet.ts';

/** What a signature of an accepted transaction needs to be journalled. */
export interface Permit {
  readonly reviewed: Acceptance['reviewed'];
  /** Hash of the request that the journal names. */
  readonly request: string;
}

/**
 * Accepts a reviewed transaction for this signer and binds it at all peers before anything of its signature leaves. Any
 * two quorums then share an honest signer. Peers that cannot be asked are tolerated while a quorum has reserved, but what
 * leaves without them draws on the degraded budget.
 * @throws Failure with the reason of the refusal, this signer's or a peer's.
 */
export async function reserveTogether(deps: WalletDeps, acceptance: Omit<Acceptance, 'by'>): Promise<Permit> {
  const { reviewed, network } = acceptance;
  const { journal, signer, quorum } = deps;
  const request = await acceptReviewed(deps, { ...acceptance, by: signer });
  const permit: Permit = { reviewed, request };
  // Once its signature may be out, asking again would only make repeating it depend on the peers.
  if (hasSigned(deps, permit)) return permit;
  refuseExpired(reviewed, journal.nowMs());
  const { reserved, unreachable } = await deps.reserve(acceptance.request, reviewed.txid);
  if (1 + reserved.length < quorum) {
    throw new Failure('signers-unavailable', `${unreachable.join(', ')} cannot be asked for a reservation`);
  }
  if (unreachable.length === 0) return permit;
  journal.assertUsable();
  const nowMs = journal.nowMs();
  const signers = 1 + reserved.length + unreachable.length;
  const entry = decideDegraded(journal.state, reviewed, { network, nowMs, signers, quorum });
  await (entry ? journal.append(entry, nowMs) : journal.flushed());
  return permit;
}

/** What was only accepted, for a peer or before a crash, is no licence to sign later than the customer agreed to. */
export function refuseExpired({ intents, evacuation }: Permit['reviewed'], nowMs: number): void {
  const expired = evacuation ? undefined : intents.find(({ expiresAtMs }) => !(nowMs < expiresAtMs));
  if (expired) throw new Failure('intent-expired', `intent ${expired.digest} has expired before this signer signed it`);
}

/** Whether this signer's own signature of the transaction is journalled. */
export function hasSigned({ journal, signer }: Pick<WalletDeps, 'journal' | 'signer'>, { reviewed }: Permit): boolean {
  const signed = journal.state.signed.get(`${reviewed.network} ${reviewed.txid}`) ?? [];
  return signed.some(({ statement }) => statement.signer === signer);
}
