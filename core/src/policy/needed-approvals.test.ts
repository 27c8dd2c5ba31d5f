import { expect, test } from 'vitest';
import { neededApprovals } from './needed-approvals.ts';

const tiers = [
  { above: '10', approvals: 1, offline: 0 },
  { above: '50', approvals: 3, offline: 1 },
];
const needed = (approval_tiers: typeof tiers, amount: bigint) =>
  Object.values(neededApprovals({ approval_tiers }, amount));

test.each([
  [10n, [0, 0]],
  [11n, [1, 0]],
  [50n, [1, 0]],
  [51n, [3, 1]],
  [10n ** 70n, [3, 1]],
])('asks for %s base units what the tiers say', (amount, expected) => {
  expect(needed(tiers, amount)).toEqual(expected);
});

test('asks for the most of all tiers that apply, whatever their order', () => {
  expect(needed(tiers.toReversed(), 51n)).toEqual([3, 1]);
  expect(needed([...tiers, { above: '60', approvals: 1, offline: 0 }], 61n)).toEqual([3, 1]);
});

test('asks for nothing without tiers', () => {
  expect(needed([], 10n ** 70n)).toEqual([0, 0]);
});
