import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import type { Posting, PostingStatus } from '@holdfast/core/ledger/posting.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { balances, differences, lockBalances } from '@holdfast/server/store/ledger/balances.ts';
import { mustPost, postBatch } from '@holdfast/server/store/ledger/post-batch.ts';
import { createPoster } from '@holdfast/server/store/ledger/poster.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  db = database.db;
});
afterAll(async () => {
  try {
    expect(await differences(db)).toEqual([]);
  } finally {
    await database.close();
  }
});

const nowMs = 1_700_000_000_000;
const capital = accountCodes.capital('ETH');
const customer = (name: string): string => accountCodes.customer(`cus_${name}`, 'ETH');
const hold = (name: string): string => accountCodes.hold(`cus_${name}`, 'ETH');
const posting = (idem: string, debit: string, credit: string, amount: bigint): Posting => ({
  idem,
  cause: 'race:1',
  debit,
  credit,
  amount: baseUnits(amount),
});

async function fund(name: string, amount: bigint): Promise<void> {
  await mustPost(db, [posting(`fund/${name}`, capital, customer(name), amount)], nowMs);
}

/** Resolves when some connection waits for a lock that another holds. */
async function untilBlocked(): Promise<void> {
  for (let turn = 0; turn < 500; turn += 1) {
    const rows = await db.query(
      `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    );
    if (rows.length > 0) return;
  }
  throw new Error('nothing waits for a lock');
}

describe('two connections', () => {
  test('race for one balance: one wins, none goes negative', async () => {
    for (let round = 0; round < 50; round += 1) {
      const name = `race${round}`;
      await fund(name, 10n);
      const take = (idem: string): Promise<PostingStatus[]> =>
        db.transaction((sql) => postBatch(sql, [posting(`${name}/${idem}`, customer(name), hold(name), 7n)], nowMs));
      const statuses = (await Promise.all([take('a'), take('b')])).flat();
      expect(statuses.sort()).toEqual(['insufficient', 'posted']);
      expect([...(await balances(db, [customer(name), hold(name)])).values()]).toEqual([3n, 7n]);
    }
  });

  test('the second waits for the first and sees what it left', async () => {
    await fund('wait', 10n);
    let second: Promise<PostingStatus[]> | undefined;
    await db.transaction(async (sql) => {
      await postBatch(sql, [posting('wait/a', customer('wait'), hold('wait'), 10n)], nowMs);
      second = postBatch(db, [posting('wait/b', customer('wait'), hold('wait'), 1n)], nowMs);
      await untilBlocked();
    });
    expect(await second).toEqual(['insufficient']);
  });

  test('decide on locked balances one after the other, so that both decisions hold', async () => {
    await fund('decide', 10n);
    const drain = (idem: string, started?: () => Promise<void>): Promise<bigint> =>
      db.transaction(async (sql) => {
        const balance = (await lockBalances(sql, [hold('decide'), customer('decide')])).get(customer('decide')) ?? 0n;
        await started?.();
        if (balance > 0n) {
          await mustPost(sql, [posting(`decide/${idem}`, customer('decide'), hold('decide'), balance)], nowMs);
        }
        return balance;
      });
    let second: Promise<bigint> | undefined;
    const first = await drain('a', async () => {
      second = drain('b');
      await untilBlocked();
    });
    expect([first, await second]).toEqual([10n, 0n]);
  });

  test('send the same posting: it is posted once', async () => {
    await fund('twice', 10n);
    const same = posting('twice/a', customer('twice'), hold('twice'), 4n);
    const statuses = (await Promise.all(Array.from({ length: 8 }, () => postBatch(db, [same], nowMs)))).flat();
    expect(statuses.sort()).toEqual([...Array.from({ length: 7 }, () => 'duplicate'), 'posted']);
    expect([...(await balances(db, [hold('twice')])).values()]).toEqual([4n]);
  });

  test('use one idem for different accounts at the same time: the second is told of the conflict', async () => {
    await fund('left', 10n);
    await fund('right', 10n);
    let second: Promise<PostingStatus[]> | undefined;
    await db.transaction(async (sql) => {
      await postBatch(sql, [posting('shared/a', customer('left'), hold('left'), 1n)], nowMs);
      // No account in common, so only the unique index makes it wait.
      second = postBatch(
        db,
        [
          posting('shared/a', customer('right'), hold('right'), 1n),
          posting('shared/b', customer('right'), hold('right'), 2n),
        ],
        nowMs,
      );
      await untilBlocked();
    });
    expect(await second).toEqual(['conflict', 'posted']);
    expect([...(await balances(db, [hold('left'), hold('right')])).values()]).toEqual([1n, 2n]);
  });

  test('post across the same accounts in opposite orders without a deadlock', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `ring${index}`);
    await Promise.all(names.map((name) => fund(name, 100n)));
    const batches = Array.from({ length: 24 }, (_, batch) => {
      const order = batch % 2 === 0 ? names : names.toReversed();
      return order.map((name, index) =>
        posting(`ring/${batch}/${index}`, customer(name), customer(order[(index + 1) % order.length] as string), 1n),
      );
    });
    const statuses = (await Promise.all(batches.map((postings) => postBatch(db, postings, nowMs)))).flat();
    expect(new Set(statuses)).toEqual(new Set(['posted']));
    expect(new Set((await balances(db, names.map(customer))).values())).toEqual(new Set([100n]));
  });
});

describe('the poster', () => {
  const clock = (): number => nowMs;

  test('takes concurrent postings in order and in few transactions', async () => {
    const poster = createPoster(db, clock);
    await fund('many', 1_000n);
    const answers = await Promise.all(
      Array.from({ length: 1_500 }, (_, index) =>
        poster.post(posting(`many/${index}`, customer('many'), hold('many'), 1n)),
      ),
    );
    // The first thousand calls got the thousand units.
    expect(answers.map((status) => status === 'posted')).toEqual(answers.map((_, index) => index < 1_000));
    const [row] = await db.query<{ transactions: bigint }>(
      `select count(distinct xmin::text) as transactions from transfer where idem like 'many/%'`,
    );
    expect(row?.transactions).toBeLessThanOrEqual(2n);
  });

  test('does not keep a lone posting waiting, and serves the next', async () => {
    const poster = createPoster(db, clock);
    expect(await poster.post(posting('lone/1', capital, customer('lone'), 1n))).toBe('posted');
    expect(await poster.post(posting('lone/1', capital, customer('lone'), 1n))).toBe('duplicate');
  });

  test('fails a malformed posting alone', async () => {
    const poster = createPoster(db, clock);
    const answers = await Promise.allSettled([
      poster.post(posting('mixed/1', capital, customer('mixed'), 1n)),
      poster.post(posting('mixed/2', capital, 'nonsense', 1n)),
      poster.post(posting('mixed/3', capital, customer('mixed'), 0n)),
      poster.post(posting('mixed/4', capital, customer('mixed'), 1n)),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
  });

  test('rejects what waits when the database is gone, without hanging', async () => {
    const gone = openDatabase(database.url);
    const poster = createPoster(gone, clock);
    await poster.post(posting('gone/0', capital, customer('gone'), 1n));
    await gone.close();
    const answers = await Promise.allSettled(
      [1, 2].map((index) => poster.post(posting(`gone/${index}`, capital, customer('gone'), 1n))),
    );
    expect(answers.map((answer) => answer.status)).toEqual(['rejected', 'rejected']);
  });
});
