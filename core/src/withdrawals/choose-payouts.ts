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
 * Where a transaction is void when its first intent ends, those with this much life left do not share one with those that
 * have less: whoever asks with half a minute would make it miss its block, and everybody else in it wait for another.
 */
const lifeStepsMs = [2 * 60_000, 10 * 60_000];

/**
 * Which queued withdrawals the next transaction pays.
 * - Those of refused transactions go first and in small company, halved at each refusal, so that a bad one is found in a
 *   few rounds while the others are paid. When they cannot be paid now, they do not hold up the rest.
 * - Where transactions are void when their first intent ends, those that end soon are kept apart; first come first served.
 * - Others wait for company until the oldest has waited `waitMs` or the batch is full.
 * - Expired ones are released: at once when no transaction exists for them, when every signer takes them for expired where
 *   a quorum refused each transaction; those that may have been signed keep their hold.
 */
export function choosePayouts(
  queue: readonly Candidate[],
  rule: { readonly nowMs: number; readonly waitMs: number; readonly sizeMax: number; readonly endsWithFirst: boolean },
): Choice {
  const isExpired = (one: Candidate): boolean => one.expiresAtMs - leadMs <= rule.nowMs;
  const isReleasable = (one: Candidate): boolean =>
    one.attempted ? !one.mayBeSigned && one.expiresAtMs + leadMs <= rule.nowMs : isExpired(one);
  const live = queue.filter((one) => !isExpired(one));
  const apart = (some: readonly Candidate[]): Candidate[][] =>
    rule.endsWithFirst ? byLife(some, rule.nowMs) : [[...some]];
  const retried = apart(live.filter((one) => one.attempted)).map((group) =>
    group.slice(0, Math.min(rule.sizeMax, group[0]?.companyMax ?? rule.sizeMax)),
  );
  const isRipe = (group: readonly Candidate[]): boolean =>
    group.length >= rule.sizeMax || group.some((one) => one.createdAtMs + rule.waitMs <= rule.nowMs);
  const fresh = apart(live.filter((one) => !one.attempted)).map((group) => group.slice(0, rule.sizeMax));
  const ids = (some: readonly Candidate[]): string[] => some.map((one) => one.id);
  return {
    expired: ids(queue.filter(isReleasable)),
    groups: [...retried, ...fresh.filter(isRipe)].map(ids).filter((group) => group.length > 0),
  };
}

/** In groups of like life left; the group of the first in the queue comes first. */
function byLife(queue: readonly Candidate[], nowMs: number): Candidate[][] {
  const groups = new Map<number, Candidate[]>();
  for (const one of queue) {
    const step = lifeStepsMs.filter((life) => one.expiresAtMs - nowMs >= life).length;
    groups.set(step, [...(groups.get(step) ?? []), one]);
  }
  return [...groups.values()];
}
