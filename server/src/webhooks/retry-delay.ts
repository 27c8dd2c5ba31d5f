const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** What is waited after each failed attempt, 71.8 h in all: 10 s at first, 12 h at last. */
const delaysMs = [
  10_000,
  30_000,
  minuteMs,
  2 * minuteMs,
  5 * minuteMs,
  10 * minuteMs,
  30 * minuteMs,
  hourMs,
  2 * hourMs,
  4 * hourMs,
  8 * hourMs,
  8 * hourMs,
  12 * hourMs,
  12 * hourMs,
  12 * hourMs,
  12 * hourMs,
] as const;

export const attemptsMax = delaysMs.length + 1;

/**
 * Milliseconds until the next attempt after `attempts` failed ones, 10% more or less by `random` in [0, 1), so that
 * what failed together does not come back together. Null when the last one failed.
 */
export function retryDelayMs(attempts: number, random: number): number | null {
  const delayMs = delaysMs[attempts - 1];
  return delayMs === undefined ? null : Math.round(delayMs * (0.9 + 0.2 * random));
}
