import { expect, test } from 'vitest';
import { decideRebalance, type HotPosition, type Rebalance } from './decide-rebalance.ts';

const rule = { floor_bps: 50, target_bps: 100, ceiling_bps: 200, skim_min: '40', skims_per_day_max: 4 };
const at = (change: Partial<HotPosition>): HotPosition => ({
  owed: 10_000n,
  hot: 100n,
  queued: 0n,
  cold: 9_900n,
  ...change,
});

test.each<[string, HotPosition, Rebalance | null]>([
  ['at the target', at({}), null],
  ['at the ceiling', at({ hot: 200n }), null],
  ['one above the ceiling', at({ hot: 201n }), { kind: 'skim', amount: 101n }],
  ['above, but for what the queue takes', at({ hot: 300n, queued: 100n }), null],
  ['above, with a queue', at({ hot: 400n, queued: 100n }), { kind: 'skim', amount: 200n }],
  ['above by less than is worth a skim', at({ owed: 1_000n, hot: 30n }), null],
  ['at the floor', at({ hot: 50n }), null],
  ['one below the floor', at({ hot: 49n }), { kind: 'refill', amount: 51n }],
  ['a queue that hot cannot pay', at({ queued: 300n }), { kind: 'refill', amount: 300n }],
  ['more than cold has', at({ queued: 300n, cold: 120n }), { kind: 'refill', amount: 120n }],
  ['nothing at cold', at({ hot: 0n, cold: 0n }), null],
  ['nobody is owed anything', at({ owed: 0n, hot: 500n }), null],
])('%s', (_, position, expected) => {
  expect(decideRebalance(rule, position)).toEqual(expected);
});

test('with a floor of nothing only a queue asks for a refill', () => {
  const none = { ...rule, floor_bps: 0 };
  expect(decideRebalance(none, at({ hot: 0n }))).toBeNull();
  expect(decideRebalance(none, at({ hot: 0n, queued: 1n }))).toEqual({ kind: 'refill', amount: 101n });
});
