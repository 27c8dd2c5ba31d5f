import { describe, expect, test } from 'vitest';
import { applyPostings, emptyLedger } from './apply-postings.ts';
import { type Posting, reverse } from './posting.ts';
import { trialBalance } from './trial-balance.ts';
import { baseUnits } from '../money/base-units.ts';

const hot = 'hot:eip155:1:ETH';
const unconfirmed = 'unconfirmed:eip155:1:ETH';
const customer = 'customer:cus_1:ETH';
const hold = 'hold:cus_1:ETH';
const receivable = 'receivable:cus_1:ETH';
const max = 10n ** 78n - 1n;

const posting = (idem: string, debit: string, credit: string, amount: bigint, cause = 'test:1'): Posting => ({
  idem,
  cause,
  debit,
  credit,
  amount: baseUnits(amount),
});
const deposit = posting('deposit', hot, customer, 10n);

describe('applyPostings', () => {
  test.each<[string, Posting[], string[], Record<string, bigint>]>([
    [
      'a debit raises a debit-normal, a credit a credit-normal account',
      [deposit],
      ['posted'],
      { [hot]: 10n, [customer]: 10n },
    ],
    [
      'a debit lowers a credit-normal account, to zero',
      [deposit, posting('2', customer, hold, 10n)],
      ['posted', 'posted'],
      { [customer]: 0n, [hold]: 10n },
    ],
    [
      'one unit more than there is',
      [deposit, posting('2', customer, hold, 11n)],
      ['posted', 'insufficient'],
      { [customer]: 10n },
    ],
    [
      'a credit lowers a debit-normal account that may not be negative',
      [posting('1', customer, receivable, 1n)],
      ['insufficient'],
      {},
    ],
    [
      'a chain account may pass below zero',
      [deposit, posting('2', customer, hot, 10n), posting('3', unconfirmed, hot, 1n)],
      ['posted', 'posted', 'insufficient'],
      { [hot]: 0n, [customer]: 0n },
    ],
    ['the same again', [deposit, deposit], ['posted', 'duplicate'], { [customer]: 10n }],
    [
      'another amount under the idem',
      [deposit, posting('deposit', hot, customer, 11n)],
      ['posted', 'conflict'],
      { [customer]: 10n },
    ],
    [
      'another cause under the idem',
      [deposit, posting('deposit', hot, customer, 10n, 'test:2')],
      ['posted', 'conflict'],
      { [customer]: 10n },
    ],
    [
      'a refused idem is free again',
      [posting('1', customer, hold, 1n), deposit, posting('1', customer, hold, 1n)],
      ['insufficient', 'posted', 'posted'],
      { [customer]: 9n, [hold]: 1n },
    ],
    ['both sides one account', [posting('1', hot, hot, 1n)], ['same-account'], {}],
    ['two assets', [posting('1', hot, 'customer:cus_1:BTC', 1n)], ['asset-mismatch'], {}],
    [
      'the largest balance and one unit more',
      [posting('1', hot, customer, max), posting('2', hot, unconfirmed, 1n)],
      ['posted', 'overflow'],
      { [hot]: max },
    ],
    [
      'the most negative balance and one unit less',
      [posting('1', 'capital:ETH', 'suspense:eip155:1:ETH', max), posting('2', 'capital:ETH', customer, 1n)],
      ['posted', 'overflow'],
      { 'capital:ETH': -max },
    ],
  ])('%s', (_name, postings, statuses, balances) => {
    const after = applyPostings(emptyLedger, postings);
    expect(after.statuses).toEqual(statuses);
    for (const [code, balance] of Object.entries(balances)) expect(after.state.balances.get(code) ?? 0n).toBe(balance);
    for (const sums of trialBalance(after.state.balances)) expect(sums.balanced).toBe(true);
  });

  test('leaves the state it was given as it was', () => {
    applyPostings(emptyLedger, [deposit]);
    expect(emptyLedger.balances.size + emptyLedger.accepted.size).toBe(0);
  });

  test('a reversal restores the balances', () => {
    const undo = reverse(deposit, { idem: 'reversal:deposit', cause: 'reversal:test:1' });
    const after = applyPostings(emptyLedger, [deposit, undo]);
    expect([...after.state.balances.values()]).toEqual([0n, 0n]);
  });

  test.each([
    ['no amount', { amount: 0n }, 'has no amount'],
    ['a negative amount', { amount: -1n }, 'has no amount'],
    ['79 digits', { amount: max + 1n }, 'amount out of range'],
    ['an empty idem', { idem: '' }, 'idem and cause'],
    ['a blank in the idem', { idem: 'a b' }, 'idem and cause'],
    ['a cause that PostgreSQL cannot store', { cause: 'null\0byte' }, 'idem and cause'],
  ])('refuses as a bug: %s', (_name, change, reason) => {
    expect(() => applyPostings(emptyLedger, [{ ...deposit, ...change } as Posting])).toThrow(reason);
  });
});

describe('trialBalance', () => {
  test('sums each asset apart and shows which does not balance', () => {
    const sums = trialBalance([
      [hot, 10n],
      [customer, 7n],
      [hold, 3n],
      ['hot:eip155:1:BTC', 2n],
      ['customer:cus_1:BTC', 1n],
    ]);
    expect(sums).toEqual([
      { asset: 'BTC', debit: 2n, credit: 1n, balanced: false },
      { asset: 'ETH', debit: 10n, credit: 10n, balanced: true },
    ]);
  });
});
