export interface Candidate {
  readonly id: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** An earlier transaction for it exists and could still pay it. */
  readonly attempted: boolean;
}

/** Signing takes a while; what expires within this time is not begun. */
const leadMs = 10_000;

/**
 * Which queued withdrawals the next transaction pays, in queue order.
 * - One that was in a refused transaction goes alone, so that a bad one is found out and the others go on.
 * - Others wait for company until the oldest has waited `waitMs` or the batch is full.
 * - Expired ones that no transaction exists for are to be released; attempted ones keep their hold.
 */
export function choosePayouts(queue: readonly Candidate[], rule: { nowMs: number; waitMs: number; sizeMax: number }): { expired: string[]; chosen: string[] } {
  const isExpired = (one: Candidate): boolean => one.expiresAtMs - leadMs <= rule.nowMs;
  const expired = queue.filter((one) => isExpired(one) && !one.attempted).map((one) => one.id);
  const live = queue.filter((one) => !isExpired(one));
  const fresh = live.filter((one) => !one.attempted).slice(0, rule.sizeMax);
  const ripe = fresh.length >= rule.sizeMax || fresh.some((one) => one.createdAtMs + rule.waitMs <= rule.nowMs);
  const retried = live.find((one) => one.attempted);
  // An attempted one blocks its Safe nonce or coin; it goes first.
  if (retried) return { expired, chosen: [retried.id] };
  return { expired, chosen: ripe ? fresh.map((one) => one.id) : [] };
}
