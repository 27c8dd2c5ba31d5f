import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../contract/error-codes.ts';
import type { WithdrawalIntent } from '../signing/intent.ts';
import { decideWithdrawal, type WithdrawalFacts } from './decide-withdrawal.ts';

const nowMs = Date.parse('2026-03-01T12:00:00.000Z');
const at = (ms: number): string => new Date(nowMs + ms).toISOString();
const caip19 = 'eip155:1/slip44:60';

const intent: WithdrawalIntent = {
  version: 1,
  kind: 'withdrawal',
  network: 'eip155:1',
  asset: caip19,
  amount: '1000',
  destination: '0x00000000000000000000000000000000000000aa',
  memo: null,
  customer: 'cus_01980000-0000-7000-8000-000000000000',
  fee_max: '7',
  expires_at: at(3_600_000),
  nonce: 'nonce-0001',
};
const rule: WithdrawalFacts['rules'][number] = {
  asset: 'ETH',
  caip19,
  decimals: 18,
  terms: {
    version: 1,
    feeFlat: 5n,
    feePerMille: 2,
    networkSharePerMille: 0,
    networkFeeRateMax: null,
    withdrawalMinimum: 100n,
    depositMinimum: 0n,
    precision: 18,
  },
  networkCost: 0n,
  perWithdrawalMax: 5_000n,
  perCustomerDayMax: 9_000n,
};
const facts: WithdrawalFacts = {
  nowMs,
  rules: [rule],
  withdrawnToday: () => 0n,
  destination: intent.destination,
  destinationIsOurs: false,
  owes: false,
};

describe('decideWithdrawal', () => {
  it('accepts with the fee of the asset and the expiry in milliseconds', () => {
    expect(decideWithdrawal(intent, facts)).toEqual({
      asset: 'ETH',
      amount: 1_000n,
      fee: 7n,
      expiresAtMs: nowMs + 3_600_000,
    });
  });

  const accepted: [string, Partial<WithdrawalIntent>, Partial<WithdrawalFacts>][] = [
    ['the minimum', { amount: '100' }, {}],
    ['the most of one withdrawal', { amount: '5000', fee_max: '15' }, {}],
    ['the last of a day', {}, { withdrawnToday: () => 8_000n }],
    ['the earliest expiry', { expires_at: at(30_000) }, {}],
    ['the latest expiry', { expires_at: at(30 * 86_400_000) }, {}],
    ['a fee_max above the fee', { fee_max: '8' }, {}],
  ];
  it.each(accepted)('accepts %s', (_what, changes, state) => {
    expect(decideWithdrawal({ ...intent, ...changes }, { ...facts, ...state }).asset).toBe('ETH');
  });

  const refused: [string, ErrorCode, Partial<WithdrawalIntent>, Partial<WithdrawalFacts>][] = [
    ['an asset that the network lacks', 'unknown-asset', { asset: 'eip155:1/slip44:0' }, {}],
    ['nothing', 'below-minimum', { amount: '0' }, {}],
    ['what is no amount', 'invalid-amount', { amount: '-1' }, {}],
    ['one below the minimum', 'below-minimum', { amount: '99' }, {}],
    ['one above the most of one withdrawal', 'limit-exceeded', { amount: '5001' }, {}],
    ['one above what is left of the day', 'limit-exceeded', {}, { withdrawnToday: () => 8_001n }],
    ['a fee_max below the fee', 'fee-above-maximum', { fee_max: '6' }, {}],
    ['a fee_max of nothing', 'fee-above-maximum', { fee_max: '0' }, {}],
    ['an expiry that leaves no time to sign', 'intent-expired', { expires_at: at(29_999) }, {}],
    ['an expiry in the past', 'intent-expired', { expires_at: at(-1) }, {}],
    ['an expiry too far ahead', 'invalid-request', { expires_at: at(30 * 86_400_000 + 1) }, {}],
    ['an expiry that is no time', 'invalid-request', { expires_at: '2026-13-41T99:00:00.000Z' }, {}],
    [
      'more decimal places than the terms have',
      'too-precise',
      {},
      { rules: [{ ...rule, terms: { ...rule.terms, precision: 14 } }] },
    ],
    ['a memo', 'invalid-request', { memo: '12' }, {}],
    ['a destination of ours', 'destination-refused', {}, { destinationIsOurs: true }],
    ['a customer who owes', 'withdrawals-blocked', {}, { owes: true }],
  ];
  it.each(refused)('refuses %s', (_what, code, changes, state) => {
    expect(() => decideWithdrawal({ ...intent, ...changes }, { ...facts, ...state })).toThrow(
      expect.objectContaining({ code }) as Error,
    );
  });
});
