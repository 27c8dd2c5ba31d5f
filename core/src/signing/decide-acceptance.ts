import { Failure } from '../failure.ts';
import type { CheckedIntent } from './check-intents.ts';
import type { EntryOf } from './journal-record.ts';
import { chargedInWindow, chargeIsDue, feeBudget, obstacles, type JournalState } from './journal-state.ts';

/** A reviewed transaction: its bytes are known to pay exactly these intents. */
export interface ReviewedTransaction {
  readonly network: string;
  /** Names the exact bytes: Bitcoin txid or Safe transaction hash, 64 hex digits. */
  readonly txid: string;
  /** Of two transactions of the network that share a key, the chain confirms at most one. */
  readonly conflictKeys: readonly string[];
  /** Tip of this signer's own nodes when it was reviewed. */
  readonly height: number;
  readonly intents: readonly CheckedIntent[];
  /** What the wallet itself pays on top, base units of the network's coin; 0 where a relayer pays. */
  readonly fee: bigint;
}

/** What one signer's own config allows. */
export interface AcceptanceLimits {
  /** By CAIP-19 or `feeBudget`: base units over any 24 hours. */
  readonly perDayMax: ReadonlyMap<string, bigint>;
  /** An intent may expire at most this long after now. */
  readonly expiryAheadMsMax: number;
}

/** Replacements of one payment; a server that asks for more only fills the journal. */
export const acceptancesMax = 64;

/**
 * The rules that depend on time and history: expiry, at most one payment, rolling limits.
 *
 * A second transaction for an intent must conflict with every earlier one that could still confirm, so at most one of them
 * ever does. The very same bytes again are no second payment: they pass without a charge, even when the intent has
 * expired meanwhile.
 * @param nowMs the time that the entry is journalled with.
 * @returns the entry to journal before signing, or null for the same bytes again.
 * @throws Failure intent-expired, already-paid-by, limit-exceeded.
 */
export function decideAcceptance(
  state: JournalState,
  reviewed: ReviewedTransaction,
  limits: AcceptanceLimits,
  nowMs: number,
): EntryOf<'accepted'> | null {
  const { network, txid, height, conflictKeys, intents, fee } = reviewed;
  const digests = intents.map((intent) => intent.digest);
  const same = state.transactions.get(`${network} ${txid}`);
  if (same) {
    if (digests.length === same.digests.size && digests.every((digest) => same.digests.has(digest))) return null;
    throw new Failure('payment-mismatch', `transaction ${txid} was accepted for other intents`);
  }
  for (const intent of intents) checkIntent(state, intent, reviewed, limits.expiryAheadMsMax, nowMs);
  const charges = intents
    .filter((intent) => chargeIsDue(state, intent.digest, nowMs))
    .map((intent) => ({ asset: intent.asset, amount: intent.amount.toString() }));
  if (fee > 0n) charges.push({ asset: feeBudget(network), amount: fee.toString() });
  refuseAboveLimit(state, charges, limits.perDayMax, nowMs);
  return { kind: 'accepted', body: { network, txid, height, conflict_keys: [...conflictKeys], digests, charges } };
}

function checkIntent(
  state: JournalState,
  { digest, expiresAtMs }: CheckedIntent,
  reviewed: ReviewedTransaction,
  expiryAheadMsMax: number,
  nowMs: number,
): void {
  // Written so that an unreadable time (NaN) counts as expired.
  if (!(nowMs < expiresAtMs)) throw new Failure('intent-expired', `intent ${digest} has expired`);
  if (expiresAtMs - nowMs > expiryAheadMsMax) {
    throw new Failure(
      'limit-exceeded',
      `intent ${digest} expires more than ${expiryAheadMsMax / 86_400_000} days ahead`,
    );
  }
  const [earlier] = obstacles(state, [digest], reviewed);
  if (earlier) {
    throw new Failure(
      'already-paid-by',
      `intent ${digest} is paid by ${earlier.txid}, which this transaction does not exclude`,
    );
  }
  if ((state.transactionsOf.get(digest)?.length ?? 0) >= acceptancesMax) {
    throw new Failure('limit-exceeded', `intent ${digest} has ${acceptancesMax} transactions already`);
  }
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
