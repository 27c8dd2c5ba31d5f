import { Failure } from '../failure.ts';
import type { CheckedIntent } from './check-intents.ts';
import type { EntryOf } from './journal-record.ts';
import { chargedInWindow, obstacles, type JournalState } from './journal-state.ts';

/** A reviewed transaction: its bytes are known to pay exactly these intents. */
export interface ReviewedTransaction {
  readonly network: string;
  /** Names the exact bytes: Bitcoin txid or Safe transaction hash, 64 hex digits. */
  readonly txid: string;
  /** Of two transactions that share a key, the chain confirms at most one. */
  readonly conflictKeys: readonly string[];
  /** Tip of this signer's own nodes when it was reviewed. */
  readonly height: number;
  readonly intents: readonly CheckedIntent[];
}

/**
 * The rules that depend on time and history: expiry, at most one payment, rolling limits.
 *
 * A second transaction for an intent must conflict with every earlier one that could still confirm, so at most one of them
 * ever does. The very
 * same bytes again are no second payment: they pass without a charge, even when the intent has expired meanwhile.
 * @param perDayMax by CAIP-19, base units over any 24 hours.
 * @returns the entry to journal before signing, or null for the same bytes again.
 * @throws Failure intent-expired, already-paid-by, limit-exceeded.
 */
export function decideAcceptance(
  state: JournalState,
  reviewed: ReviewedTransaction,
  perDayMax: ReadonlyMap<string, bigint>,
  nowMs: number,
): EntryOf<'accepted'> | null {
  const digests = reviewed.intents.map((intent) => intent.digest);
  const same = state.transactions.get(`${reviewed.network} ${reviewed.txid}`);
  if (same) {
    if (digests.length === same.digests.size && digests.every((digest) => same.digests.has(digest))) return null;
    throw new Failure('payment-mismatch', `transaction ${reviewed.txid} was accepted for other intents`);
  }
  for (const intent of reviewed.intents) {
    // Written so that an unreadable time (NaN) counts as expired.
    if (!(nowMs < intent.expiresAtMs)) throw new Failure('intent-expired', `intent ${intent.digest} has expired`);
    const [earlier] = obstacles(state, [intent.digest], reviewed.conflictKeys);
    if (earlier) {
      throw new Failure(
        'already-paid-by',
        `intent ${intent.digest} is paid by ${earlier.txid}, which this transaction does not exclude`,
      );
    }
  }
  const charges = reviewed.intents
    .filter((intent) => !state.transactionsOf.has(intent.digest))
    .map((intent) => ({ asset: intent.asset, amount: intent.amount.toString() }));
  refuseAboveLimit(state, charges, perDayMax, nowMs);
  const { network, txid, height } = reviewed;
  return { kind: 'accepted', body: { network, txid, height, conflict_keys: [...reviewed.conflictKeys], digests, charges } };
}

function refuseAboveLimit(
  state: JournalState,
  charges: readonly { readonly asset: string; readonly amount: string }[],
  perDayMax: ReadonlyMap<string, bigint>,
  nowMs: number,
): void {
  for (const asset of new Set(charges.map((charge) => charge.asset))) {
    const wanted = charges.reduce((sum, charge) => (charge.asset === asset ? sum + BigInt(charge.amount) : sum), 0n);
    const charged = chargedInWindow(state, asset, nowMs);
    const max = perDayMax.get(asset) ?? 0n;
    if (charged + wanted > max) {
      throw new Failure('limit-exceeded', `${wanted} of ${asset} on top of ${charged} in 24 hours is over ${max}`);
    }
  }
}
