import { expect, test } from 'vitest';
import type { BitcoinNetworkPolicy } from './policy.ts';
import { samplePolicy } from './sample-policy.test-support.ts';
import { type PaymentClass, type RecordedWithdrawal, simulatePolicy } from './simulate-policy.ts';

const policy = samplePolicy((changed) => {
  const bitcoin = changed.networks[1] as BitcoinNetworkPolicy;
  bitcoin.limits = { per_transaction_max: '60', per_hour_max: '100', per_day_max: '150' };
  bitcoin.integrator_limits = { per_transaction_max: '10', per_hour_max: '15', per_day_max: '15' };
  bitcoin.approval_tiers = [{ above: '40', approvals: 2, offline: 1 }];
});

/** @param at hours and minutes, and the day from the third on. */
const withdrawal = (id: string, amount: number, at: string, over: object = {}): RecordedWithdrawal => ({
  id,
  network: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
  asset: 'BTC',
  amount: String(amount),
  created_at: `2026-01-${at}:00.000Z`,
  ...over,
});
const outcomes = (withdrawals: RecordedWithdrawal[], paymentClass: PaymentClass = 'customer') =>
  simulatePolicy(policy, withdrawals, paymentClass).judged.map(
    (judged) => `${judged.withdrawal.id} ${judged.reason ?? judged.outcome}`,
  );

test('tells what passes, what needs approvals and what is above the limit of one payment', () => {
  const withdrawals = [
    withdrawal('a', 40, '03T00:00'),
    withdrawal('b', 41, '04T02:00'),
    withdrawal('c', 61, '06T00:00'),
  ];
  const { judged } = simulatePolicy(policy, withdrawals, 'customer');
  expect(judged.map(({ outcome, needed }) => [outcome, needed.approvals, needed.offline])).toEqual([
    ['passes', 0, 0],
    ['approvals', 2, 1],
    ['refused', 0, 0],
  ]);
  expect(outcomes(withdrawals, 'integrator')).toEqual(['a', 'b', 'c'].map((id) => `${id} per_transaction_max`));
});

test('adds up what passed within 60 minutes and within 24 hours, in the order of the times', () => {
  expect(
    outcomes([
      withdrawal('d', 40, '03T01:00'),
      withdrawal('b', 40, '03T00:30'),
      withdrawal('c', 30, '03T00:59'),
      withdrawal('a', 40, '03T00:00'),
      withdrawal('e', 40, '03T10:00'),
      withdrawal('f', 30, '03T10:01'),
      withdrawal('g', 40, '04T00:00'),
    ]),
  ).toEqual(['a passes', 'b passes', 'c per_hour_max', 'd passes', 'e per_day_max', 'f passes', 'g passes']);
});

test('holds each class to its own limits', () => {
  const twice = [withdrawal('a', 10, '03T00:00'), withdrawal('b', 10, '03T00:01')];
  expect(outcomes(twice)).toEqual(['a passes', 'b passes']);
  expect(outcomes(twice, 'integrator')).toEqual(['a passes', 'b per_hour_max']);
});

test('refuses what the policy does not have', () => {
  expect(
    outcomes([
      withdrawal('a', 1, '03T00:00', { asset: 'DOGE' }),
      withdrawal('b', 1, '03T00:00', { network: 'eip155:1' }),
    ]),
  ).toEqual(['a not in the policy', 'b not in the policy']);
});

test('gives the totals of each asset with its fullest hour and day', () => {
  const { assets } = simulatePolicy(
    policy,
    [
      withdrawal('a', 50, '03T00:00'),
      withdrawal('b', 30, '03T00:59'),
      withdrawal('c', 60, '03T01:30'),
      withdrawal('d', 61, '03T01:30'),
      withdrawal('e', 60, '05T01:30'),
      withdrawal('f', 7, '05T01:30', { asset: 'DOGE' }),
    ],
    'customer',
  );
  expect(assets).toEqual([
    expect.objectContaining({
      asset: 'BTC',
      passes: 1,
      approvals: 3,
      refused: 1,
      hourMaxBaseUnits: 90n,
      dayMaxBaseUnits: 140n,
      limits: { per_transaction_max: '60', per_hour_max: '100', per_day_max: '150' },
    }),
    expect.objectContaining({ asset: 'DOGE', refused: 1, hourMaxBaseUnits: 0n, limits: null }),
  ]);
});
