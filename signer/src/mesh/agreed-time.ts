import { Failure } from '@holdfast/core/failure.ts';

/** Clocks of signers that keep time by NTP differ by milliseconds. */
const skewMsMax = 30_000;

/**
 * The time that delays and maturities are judged by: this signer's own, or the median of all signers' where that is
 * earlier, so that one clock that runs ahead opens nothing before its time.
 * @param offsetsMs how far each peer's clock is ahead of this one's.
 * @throws Failure clock-behind when this clock differs from the median by more than 30 seconds.
 */
export function agreedTime(ownMs: number, offsetsMs: readonly number[]): number {
  const sorted = [0, ...offsetsMs].toSorted((a, b) => a - b);
  // Of an even number the lower one: the later time would open earlier.
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  if (Math.abs(median) > skewMsMax) {
    throw new Failure('clock-behind', `this clock differs from the median of the signers by ${Math.round(median)} ms`, {
      fix: 'Repair the clocks of the signers: all of them should keep time by NTP.',
    });
  }
  return Math.floor(ownMs + Math.min(0, median));
}
