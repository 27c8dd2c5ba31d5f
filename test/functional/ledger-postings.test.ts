import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { applyPostings, emptyLedger, type LedgerState } from '@holdfast/core/ledger/apply-postings.ts';
import { type Posting, reverse } from '@holdfast/core/ledger/posting.ts';
import { trialBalance as trialBalanceOf } from '@holdfast/core/ledger/trial-balance.ts';
import type { NetworkId } from '@holdfast/core/money/network.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import type { Database } from '@holdfast/server/store/database.ts';
import { balances, differences, trialBalance } from '@holdfast/server/store/ledger/balances.ts';
import { mustPost, postBatch } from '@holdfast/server/store/ledger/post-batch.ts';
import { transfersOf } from '@holdfast/server/store/ledger/transfers.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  db = database.db;
});
afterAll(async () => database.close());

const nowMs = 1_700_000_000_000;
const network: NetworkId = 'eip155:31337';

/** Accounts of one run, apart from those of every other; the first is hot: most postings touch it. */
function codesOf(run: number): string[] {
  const own = `eip155:${run + 1}` as NetworkId;
  return [
    accountCodes.hot(own, 'ETH'),
    accountCodes.customer(`cus_${run}_a`, 'ETH'),
    accountCodes.customer(`cus_${run}_b`, 'ETH'),
    accountCodes.hold(`cus_${run}_a`, 'ETH'),
    accountCodes.unconfirmed(own, 'ETH'),
    accountCodes.receivable(`cus_${run}_a`, 'ETH'),
    accountCodes.suspense(own, 'ETH'),
    accountCodes.hot(own, 'USDT'),
    accountCodes.customer(`cus_${run}_a`, 'USDT'),
  ];
}

/** A posting as numbers, so that fast-check can shrink it; `name` is drawn from few, so that idems repeat. */
const item = fc.record({
  name: fc.nat(60),
  cause: fc.nat(3),
  debit: fc.oneof({ arbitrary: fc.constant(0), weight: 2 }, { arbitrary: fc.nat(8), weight: 3 }),
  credit: fc.oneof({ arbitrary: fc.constant(0), weight: 1 }, { arbitrary: fc.nat(8), weight: 3 }),
  amount: fc.oneof(
    { arbitrary: fc.bigInt(1n, 50n), weight: 12 },
    { arbitrary: fc.constant(10n ** 78n - 1n), weight: 1 },
    { arbitrary: fc.constant(5n * 10n ** 77n), weight: 1 },
  ),
});
type Item = typeof item extends fc.Arbitrary<infer T> ? T : never;

/** Some batches repeat one of their items unchanged: a duplicate inside the batch. */
const batch = fc
  .tuple(fc.array(item, { maxLength: 60 }), fc.array(fc.nat(59), { maxLength: 6 }))
  .map(([items, again]) => [...items, ...again.flatMap((index) => items[index] ?? [])]);

function postingOf(run: number, codes: readonly string[], of: Item): Posting {
  return {
    idem: `run-${run}/${of.name}`,
    cause: `run-${run}:${of.cause}`,
    debit: codes[of.debit] as string,
    credit: codes[of.credit] as string,
    amount: baseUnits(of.amount),
  };
}

/** Entries whose sequence number or recorded balance is not what the account's earlier entries make it. */
async function brokenEntries(): Promise<unknown[]> {
  const rows = await db.query(
    `select account, seq, row_number() over (partition by account order by seq) as expected,
              balance, sum(delta) over (partition by account order by seq) as running
         from (select a.id as account, t.debit_seq as seq, t.debit_balance as balance,
                      case a.normal when 'debit' then t.amount else -t.amount end as delta
                 from transfer t join account a on a.id = t.debit
               union all
               select a.id, t.credit_seq, t.credit_balance, case a.normal when 'credit' then t.amount else -t.amount end
                 from transfer t join account a on a.id = t.credit) entry`,
  );
  expect(rows.length).toBeGreaterThan(1_000);
  return rows.filter((row) => row['seq'] !== row['expected'] || row['balance'] !== row['running']);
}

describe('post_batch', () => {
  test('decides 300 and more random batches like the sequential model', async () => {
    let run = 0;
    let batches = 0;
    const seen = new Map<string, number>();
    const property = fc.asyncProperty(fc.array(batch, { minLength: 2, maxLength: 6 }), async (all) => {
      run += 1;
      const codes = codesOf(run);
      let model: LedgerState = emptyLedger;
      for (const items of all) {
        const postings = items.map((of) => postingOf(run, codes, of));
        const expected = applyPostings(model, postings);
        expect(await postBatch(db, postings, nowMs)).toEqual(expected.statuses);
        model = expected.state;
        batches += 1;
        for (const status of expected.statuses) seen.set(status, (seen.get(status) ?? 0) + 1);
      }
      const stored = await balances(db, codes);
      expect([...stored]).toEqual(codes.map((code) => [code, model.balances.get(code) ?? 0n]));
      for (const sums of trialBalanceOf(stored)) expect(sums.balanced).toBe(true);
    });
    await fc.assert(property, { numRuns: 120 });
    expect(batches).toBeGreaterThanOrEqual(300);
    // Each answer must have occurred, or the generator proves less than it says.
    expect([...seen.keys()].sort()).toEqual(
      ['asset-mismatch', 'conflict', 'duplicate', 'insufficient', 'overflow', 'posted', 'same-account'].sort(),
    );
    expect(await differences(db)).toEqual([]);
    expect(await brokenEntries()).toEqual([]);
    expect((await trialBalance(db)).every((sums) => sums.balanced)).toBe(true);
  });

  test('posts the rest of a batch when one posting is refused', async () => {
    const of = (idem: string, debit: string, credit: string, amount: bigint): Posting => ({
      idem: `rest/${idem}`,
      cause: 'rest:1',
      debit,
      credit,
      amount: baseUnits(amount),
    });
    const hot = accountCodes.hot(network, 'USDC');
    const customer = accountCodes.customer('cus_rest', 'USDC');
    const hold = accountCodes.hold('cus_rest', 'USDC');
    const batchOf = [
      of('1', hot, customer, 10n),
      of('2', customer, hold, 11n),
      of('3', customer, hold, 10n),
      of('4', customer, hold, 1n),
    ];
    expect(await postBatch(db, batchOf, nowMs)).toEqual(['posted', 'insufficient', 'posted', 'insufficient']);
    expect(await balances(db, [hot, customer, hold])).toEqual(
      new Map([
        [hot, 10n],
        [customer, 0n],
        [hold, 10n],
      ]),
    );
  });

  test('takes thousands of postings on thousands of accounts in one call', async () => {
    const postings = Array.from({ length: 5_000 }, (_, index) => ({
      idem: `wide/${index}`,
      cause: 'wide:1',
      debit: accountCodes.hot(network, 'BTC'),
      credit: accountCodes.customer(`cus_wide_${index}`, 'BTC'),
      amount: baseUnits(BigInt(index + 1)),
    }));
    const statuses = await postBatch(db, postings, nowMs);
    expect(statuses.every((status) => status === 'posted')).toBe(true);
    expect(new Set(await postBatch(db, postings, nowMs))).toEqual(new Set(['duplicate']));
  });

  test('reversing what a cause posted restores every balance', async () => {
    const hot = accountCodes.hot(network, 'ETH');
    const unconfirmed = accountCodes.unconfirmed(network, 'ETH');
    const quarantine = accountCodes.quarantine(network, 'ETH');
    await mustPost(
      db,
      [
        { idem: 'reversal/1', cause: 'block:1', debit: hot, credit: unconfirmed, amount: baseUnits(7n) },
        { idem: 'reversal/2', cause: 'block:1', debit: unconfirmed, credit: quarantine, amount: baseUnits(7n) },
      ],
      nowMs,
    );
    const posted = await transfersOf(db, 'block:1');
    expect(posted.map((transfer) => transfer.idem)).toEqual(['reversal/1', 'reversal/2']);
    // Last first: unconfirmed may not pass below zero on the way.
    const undo = posted
      .toReversed()
      .map((transfer) => reverse(transfer, { idem: `undo/${transfer.idem}`, cause: 'reversal:block:1' }));
    await mustPost(db, undo, nowMs);
    expect([...(await balances(db, [hot, unconfirmed, quarantine])).values()]).toEqual([0n, 0n, 0n]);
  });

  test('a refused posting that must hold rolls its transaction back', async () => {
    const customer = accountCodes.customer('cus_must', 'ETH');
    const hold = accountCodes.hold('cus_must', 'ETH');
    const capital = accountCodes.capital('ETH');
    const work = db.transaction((sql) =>
      mustPost(
        sql,
        [
          { idem: 'must/1', cause: 'must:1', debit: capital, credit: customer, amount: baseUnits(1n) },
          { idem: 'must/2', cause: 'must:1', debit: customer, credit: hold, amount: baseUnits(2n) },
        ],
        nowMs,
      ),
    );
    await expect(work).rejects.toThrow('posting must/2 refused: insufficient');
    expect(await transfersOf(db, 'must:1')).toEqual([]);
  });
});

describe('the tables themselves', () => {
  test.each([
    ['update transfer set amount = 1', /append-only: UPDATE on transfer/],
    ['delete from transfer', /append-only: DELETE on transfer/],
    ['truncate transfer', /append-only: TRUNCATE on transfer/],
    ['delete from account', /append-only: DELETE on account/],
    [`update account set balance = -1 where code = 'customer:cus_rest:USDC'`, /account_balance_not_negative/],
    [`select post_batch('{x}', '{x}', '{-1}', '{-2}', '{1}', 0)`, /no account with id/],
  ])('refuse: %s', async (statement, reason) => {
    await expect(db.query(statement)).rejects.toThrow(reason);
  });
});
