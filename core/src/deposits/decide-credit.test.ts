import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { accountCodes } from '../ledger/account-codes.ts';
import { applyPostings, emptyLedger, type LedgerState } from '../ledger/apply-postings.ts';
import type { Posting } from '../ledger/posting.ts';
import { baseUnits } from '../money/base-units.ts';
import { type CreditedDeposit, decideCredit, decideUncredit } from './decide-credit.ts';

const network = 'eip155:1';
const customer = accountCodes.customer('cus_1', 'ETH');
const receivable = accountCodes.receivable('cus_1', 'ETH');
const unconfirmed = accountCodes.unconfirmed(network, 'ETH');
const hot = accountCodes.hot(network, 'ETH');

const deposit = (id: string, amount: bigint, change: Partial<CreditedDeposit> = {}): CreditedDeposit => ({
  id,
  customerId: 'cus_1',
  asset: 'ETH',
  amount,
  credits: 1,
  ...change,
});
const moves = (postings: readonly Posting[]) => postings.map(({ debit, credit, amount }) => [debit, credit, amount]);

describe('a credit', () => {
  test.each([
    ['nothing owed', 0n, 10n, [[unconfirmed, customer, 10n]]],
    [
      'less owed than came',
      3n,
      10n,
      [
        [unconfirmed, receivable, 3n],
        [unconfirmed, customer, 7n],
      ],
    ],
    ['all of it owed', 10n, 10n, [[unconfirmed, receivable, 10n]]],
    ['more owed than came', 11n, 10n, [[unconfirmed, receivable, 10n]]],
  ])('%s', (_, owed, amount, expected) => {
    expect(moves(decideCredit(network, [deposit('a', amount)], new Map([[receivable, owed]])))).toEqual(expected);
  });

  test('two deposits of one batch pay what is owed once', () => {
    const postings = decideCredit(network, [deposit('a', 4n), deposit('b', 4n)], new Map([[receivable, 6n]]));
    expect(moves(postings)).toEqual([
      [unconfirmed, receivable, 4n],
      [unconfirmed, receivable, 2n],
      [unconfirmed, customer, 2n],
    ]);
  });

  test('what is owed in one asset is not paid by another, nor by another customer', () => {
    const others = [deposit('a', 5n, { asset: 'USDT' }), deposit('b', 5n, { customerId: 'cus_2' })];
    const postings = decideCredit(network, others, new Map([[receivable, 9n]]));
    expect(postings.map(({ credit }) => credit)).toEqual([
      accountCodes.customer('cus_1', 'USDT'),
      accountCodes.customer('cus_2', 'ETH'),
    ]);
  });

  test('a second credit of one deposit has other names than the first, the same one the same', () => {
    const names = (credits: number) =>
      decideCredit(network, [deposit('a', 5n, { credits })], new Map([[receivable, 2n]])).map(({ idem }) => idem);
    expect(names(1)).toEqual(names(1));
    expect(names(1).filter((name) => names(2).includes(name))).toEqual([]);
  });
});

describe('taking a credit back', () => {
  test.each([
    ['not spent', 12n, [[customer, unconfirmed, 10n]]],
    [
      'spent in part',
      4n,
      [
        [customer, unconfirmed, 4n],
        [receivable, unconfirmed, 6n],
      ],
    ],
    ['all spent', 0n, [[receivable, unconfirmed, 10n]]],
  ])('%s', (_, available, expected) => {
    expect(moves(decideUncredit(network, [deposit('a', 10n)], new Map([[customer, available]])))).toEqual(expected);
  });

  test('two deposits of one block take the balance once', () => {
    const postings = decideUncredit(network, [deposit('a', 10n), deposit('b', 10n)], new Map([[customer, 15n]]));
    expect(moves(postings)).toEqual([
      [customer, unconfirmed, 10n],
      [customer, unconfirmed, 5n],
      [receivable, unconfirmed, 5n],
    ]);
  });
});

test('whatever is credited, spent and taken back, the books balance and nobody gains or loses', () => {
  const step = fc.record({ amount: fc.bigInt(1n, 50n), kind: fc.constantFrom('credit', 'uncredit', 'spend') });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let ledger: LedgerState = emptyLedger;
      const post = (postings: readonly Posting[]): void => {
        const after = applyPostings(ledger, postings);
        expect(after.statuses.every((status) => status === 'posted')).toBe(true);
        ledger = after.state;
      };
      const balance = (code: string): bigint => ledger.balances.get(code) ?? 0n;
      const credited: CreditedDeposit[] = [];
      let spent = 0n;
      let made = 0;
      for (const { amount, kind } of steps) {
        const name = `step-${++made}`;
        if (kind === 'credit') {
          const one = deposit(name, amount);
          post([{ idem: name, cause: name, debit: hot, credit: unconfirmed, amount: baseUnits(amount) }]);
          post(decideCredit(network, [one], ledger.balances));
          credited.push(one);
        } else if (kind === 'uncredit') {
          const one = credited.pop();
          if (!one) continue;
          post(decideUncredit(network, [one], ledger.balances));
          post([{ idem: name, cause: name, debit: unconfirmed, credit: hot, amount: baseUnits(one.amount) }]);
        } else if (balance(customer) >= amount) {
          post([{ idem: name, cause: name, debit: customer, credit: hot, amount: baseUnits(amount) }]);
          spent += amount;
        }
        // What came and stayed is what was spent and what is left; a customer who lacks it owes the rest.
        const standing = credited.reduce((sum, one) => sum + one.amount, 0n) - spent;
        expect(balance(customer) - balance(receivable)).toBe(standing);
        expect(balance(unconfirmed)).toBe(0n);
        expect(balance(hot)).toBe(standing);
      }
    }),
  );
});
