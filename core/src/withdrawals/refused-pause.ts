const firstMs = 2_000;
const longestMs = 60_000;

/**
 * How long a withdrawal waits after its `attempts`-th transaction (from 1) was refused. It doubles, so that withdrawals
 * that are refused again and again leave the turns to the others.
 */
export function refusedPauseMs(attempts: number): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(attempts - 1, 10));
}
