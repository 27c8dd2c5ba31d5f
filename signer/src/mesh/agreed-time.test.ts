import { expect, test } from 'vitest';
import { agreedTime } from './agreed-time.ts';

const behind = expect.objectContaining({ code: 'clock-behind' });

test.each([
  ['alone, it is its own', [], 1_000_000],
  ['a peer ahead changes nothing', [20_000], 1_000_000],
  ['a peer behind holds it back', [-20_000], 980_000],
  ['one of two peers behind is outvoted', [-20_000, 0], 1_000_000],
  ['one of two peers far ahead is outvoted', [86_400_000, 5], 1_000_000],
  ['two peers behind hold it back to the median', [-20_000, -10_000], 990_000],
  ['30 seconds are tolerated', [-30_000, -30_000], 970_000],
] as const)('%s', (_, offsets, agreed) => {
  expect(agreedTime(1_000_000, offsets)).toBe(agreed);
});

test('refuses when it differs from the median by more than 30 seconds, in either direction', () => {
  expect(() => agreedTime(1_000_000, [-30_001, -30_001])).toThrow(behind);
  expect(() => agreedTime(1_000_000, [30_001, 30_001])).toThrow(behind);
  expect(() => agreedTime(1_000_000, [-30_001])).toThrow(behind);
});
