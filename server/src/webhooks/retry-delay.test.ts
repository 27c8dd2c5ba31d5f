import { expect, test } from 'vitest';
import { attemptsMax, retryDelayMs } from './retry-delay.ts';

test('retries wait 10 s at first, 12 h at last, three days in all', () => {
  const delaysMs = Array.from({ length: attemptsMax - 1 }, (_, index) => retryDelayMs(index + 1, 0.5)!);
  expect(delaysMs[0]).toBe(10_000);
  expect(delaysMs.at(-1)).toBe(12 * 3_600_000);
  expect(delaysMs).toEqual(delaysMs.toSorted((a, b) => a - b));
  const hours = delaysMs.reduce((sum, delay) => sum + delay, 0) / 3_600_000;
  expect(hours).toBeGreaterThan(71);
  expect(hours).toBeLessThan(73);
  expect(retryDelayMs(attemptsMax, 0.5)).toBeNull();
});

test('jitter spreads a delay by a tenth to either side', () => {
  expect([retryDelayMs(1, 0), retryDelayMs(1, 1)]).toEqual([9_000, 11_000]);
});
