export interface Candidate {
  readonly id: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** It was in a transaction that was not paid. */
  readonly attempted: boolean;
  /** A quorum may have signed one of these: the withdrawal may be paid without our doing. */
  readonly mayBeSigned: boolean;
  /** Payouts that may share its next transaction, itself included; null for any number. */
  readonly companyMax: number | null;
}

export interface Choice {
  /** To be released. */
  readonly expired: string[];
  /** What the next transaction may pay: the first group that can be paid now; each in queue order. */
  readonly groups: string[][];
}

/** Signing takes a while; what expires within this time is not begun. Signers' clocks may differ from ours by less. */
const leadMs = 10_000;

/**
 * Which queued withdrawals the next transaction pays.
 * - Those of refused transactions go first and in small company, halved at each refusal, so that a bad one is found in a
 *   few rounds while the others are paid. When they cannot be paid now, they do not hold up the rest.
 * - Others wait for company until the oldest has waited `waitMs` or the batch is full.
 * - Expired ones are released: at once when no transaction exists for them, when every signer takes them for expired where
 *   a quorum refused each transaction; those that may have been signed keep their hold.
 */
export function choosePayouts(
  queue: readonly Candidate[],
  rule: { readonly nowMs: number; readonly waitMs: number; readonly sizeMax: number },
): Choice {
  const isExpired = (one: Candidate): boolean => one.expiresAtMs - leadMs <= rule.nowMs;
  const isReleasable = (one: Candidate): boolean =>
    one.attempted ? !one.mayBeSigned && one.expiresAtMs + leadMs <= rule.nowMs : isExpired(one);
  const live = queue.filter((one) => !isExpired(one));
  const retried = live.filter((one) => one.attempted);
  const company = Math.min(rule.sizeMax, ...retried.slice(0, 1).map((one) => one.companyMax ?? rule.sizeMax));
  const fresh = live.filter((one) => !one.attempted).slice(0, rule.sizeMax);
  const ripe = fresh.length >= rule.sizeMax || fresh.some((one) => one.createdAtMs + rule.waitMs <= rule.nowMs);
  const ids = (some: readonly Candidate[]): string[] => some.map((one) => one.id);
  return {
    expired: ids(queue.filter(isReleasable)),
    groups: [ids(retried.slice(0, company)), ids(ripe ? fresh : [])].filter((group) => group.length > 0),
  };
}
