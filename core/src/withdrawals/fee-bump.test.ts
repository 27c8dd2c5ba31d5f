import { describe, expect, it, test } from 'vitest';
import { type BumpRule, bumpedRateSatVb, isBumpDue } from './fee-bump.ts';

const rule: BumpRule = { afterBlocks: 2, afterMs: 1_000, triesMax: 5, percent: 25 };

describe('isBumpDue', () => {
  const cases = [
    ['blocks and time have passed', { blocks: 2, ms: 1_000, tries: 0 }, true],
    ['a block too few', { blocks: 1, ms: 60_000, tries: 0 }, false],
    ['a moment too early', { blocks: 9, ms: 999, tries: 0 }, false],
    ['twice as long for the second', { blocks: 4, ms: 2_000, tries: 1 }, true],
    ['not before', { blocks: 3, ms: 2_000, tries: 1 }, false],
    ['eight times as long at the most', { blocks: 16, ms: 8_000, tries: 4 }, true],
    ['all bumps were made', { blocks: 900, ms: 9e9, tries: 5 }, false],
  ] as const;
  it.each(cases)('%s', (_, waited, due) => {
    expect(isBumpDue({ ...waited, feeRefused: false }, rule)).toBe(due);
  });

  it('waits for no block when nodes refuse the fee, but backs off', () => {
    expect(isBumpDue({ blocks: 0, ms: 0, tries: 0, feeRefused: true }, rule)).toBe(true);
    expect(isBumpDue({ blocks: 0, ms: 1_999, tries: 1, feeRefused: true }, rule)).toBe(false);
    expect(isBumpDue({ blocks: 0, ms: 2_000, tries: 1, feeRefused: true }, rule)).toBe(true);
    expect(isBumpDue({ blocks: 0, ms: 9e9, tries: 5, feeRefused: true }, rule)).toBe(false);
  });
});

test.each([
  ['the estimate when it is above', 1_000n, 200, 40, 40],
  ['a quarter more when it is not', 2_000n, 200, 3, 13],
  ['at least one sat/vB more', 200n, 200, 1, 2],
  ['above a broken rate by a whole one', 1_001n, 200, 1, 7],
  ['the ceiling', 16_000n, 200, 500, 100],
  ['the ceiling when it is just enough', 19_800n, 200, 1, 100],
])('the next rate is %s', (_, feeSats, vsize, estimate, expected) => {
  const rate = bumpedRateSatVb({ feeSats, vsize }, estimate, 100, 25);
  expect(rate).toBe(expected);
  // BIP-125, rules 3 and 4.
  expect(BigInt(expected * vsize)).toBeGreaterThanOrEqual(feeSats + BigInt(vsize));
});

test('there is no next rate where the ceiling leaves no room', () => {
  expect(bumpedRateSatVb({ feeSats: 19_801n, vsize: 200 }, 50, 100, 25)).toBeNull();
});
