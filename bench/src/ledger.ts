import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import type { Posting } from '@holdfast/core/ledger/posting.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { startPostgres } from '@holdfast/devnet/postgres.ts';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { ensureAccounts } from '@holdfast/server/store/ledger/accounts.ts';
import { differences } from '@holdfast/server/store/ledger/balances.ts';
import { postBatch } from '@holdfast/server/store/ledger/post-batch.ts';
import { createPoster } from '@holdfast/server/store/ledger/poster.ts';
import { migrate } from '@holdfast/server/store/migrate.ts';
import { type BenchResult, median, tableOf } from './result.ts';

/** Posts transfers until the deadline and tells how many were committed. */
type Work = (deadlineMs: number) => Promise<number>;

const customers = 1_000;
const connections = 16;
const rounds = 5;
const sliceMs = 1_500;
const hot = accountCodes.hot('eip155:31337', 'ETH');
const customerCodes = Array.from({ length: customers }, (_, index) => accountCodes.customer(`cus_${index}`, 'ETH'));

let ordinal = 0;
/** Every transfer debits the one hot account and credits the next of 1,000 customers. */
function nextPosting(): Posting {
  ordinal += 1;
  return {
    idem: `bench/${ordinal}`,
    cause: `bench:${Math.floor(ordinal / 100)}`,
    debit: hot,
    credit: customerCodes[ordinal % customers] as string,
    amount: baseUnits(BigInt(ordinal)),
  };
}

/**
 * Transfers a second on one hot account: through the public port, through batches, one statement at a time, and by
 * hand-written SQL that decides nothing, as the physical reference. The cases take turns in one run on one database,
 * so that a noisy machine slows all of them; medians are reported, with the best slice in the note.
 */
export async function run(): Promise<BenchResult[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-bench-ledger-'));
  const postgres = await startPostgres({ dataDir: folder, diesWithCaller: true });
  const db = openDatabase(postgres.url, { connectionsMax: connections });
  try {
    await migrate(db);
    return await measure(db);
  } finally {
    await db.close();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(db: Database): Promise<BenchResult[]> {
  const ids = await ensureAccounts(db, [hot, ...customerCodes]);
  const cases: readonly (readonly [string, Work])[] = [
    ['createPoster, 4,000 callers', (deadline) => throughPoster(db, 4_000, deadline)],
    ['postBatch of 1,000, one after the other', (deadline) => inBatches(db, 1_000, deadline)],
    ['postBatch of 100, one after the other', (deadline) => inBatches(db, 100, deadline)],
    ['postBatch of 1, 16 connections', (deadline) => onConnections(deadline, () => postOne(db))],
    ['one statement at a time, 16 connections', (deadline) => onConnections(deadline, () => byStatements(db, ids))],
    ['hand-written SQL, 1,000 a statement, no decisions', (deadline) => byHand(db, ids, 1_000, deadline)],
  ];
  const rates = cases.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, [, work]] of cases.entries()) {
      const startMs = performance.now();
      const count = await work(startMs + sliceMs);
      rates[index]?.push((count / (performance.now() - startMs)) * 1_000);
    }
  }
  const lone = await loneLatencyMs(db);
  invariant((await differences(db)).length === 0, 'the ledger differs from its transfers after the benchmark');

  const results = cases.map(([name], index): BenchResult => {
    const slices = rates[index] ?? [];
    return {
      name,
      value: median(slices),
      unit: 'transfers/s',
      ...(index === 0 && { target: { min: 5_000 } }),
      note: `best ${Math.round(Math.max(...slices))}`,
    };
  });
  const rate = (index: number): number => results[index]?.value ?? Number.NaN;
  return [
    ...results,
    { name: 'createPoster / one statement at a time', value: rate(0) / rate(4), unit: 'x', target: { min: 15 } },
    {
      name: 'createPoster / hand-written SQL',
      value: rate(0) / rate(5),
      unit: 'x',
      target: { min: 0.6 },
      note: 'the physical reference',
    },
    { name: 'a lone posting through createPoster', value: lone, unit: 'ms', note: 'median of 200' },
  ];
}

async function throughPoster(db: Database, callers: number, deadlineMs: number): Promise<number> {
  const poster = createPoster(db, Date.now);
  let count = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < deadlineMs) {
      const status = await poster.post(nextPosting());
      invariant(status === 'posted', `benchmark posting ${status}`);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return count;
}

async function inBatches(db: Database, size: number, deadlineMs: number): Promise<number> {
  let count = 0;
  while (performance.now() < deadlineMs) {
    await postBatch(db, Array.from({ length: size }, nextPosting), Date.now());
    count += size;
  }
  return count;
}

async function onConnections(deadlineMs: number, one: () => Promise<void>): Promise<number> {
  let count = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < deadlineMs) {
      await one();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, caller));
  return count;
}

async function postOne(db: Database): Promise<void> {
  await postBatch(db, [nextPosting()], Date.now());
}

/** What a service without the batch function does: a transaction of three statements a transfer, same rows. */
async function byStatements(db: Database, ids: ReadonlyMap<string, bigint>): Promise<void> {
  const posting = nextPosting();
  const update = 'update account set balance = balance + $2, seq = seq + 1 where id = $1 returning balance, seq';
  await db.transaction(async (sql) => {
    const debit = ids.get(posting.debit) as bigint;
    const credit = ids.get(posting.credit) as bigint;
    const [d] = await sql.query<{ balance: bigint; seq: bigint }>(update, [debit, posting.amount]);
    const [c] = await sql.query<{ balance: bigint; seq: bigint }>(update, [credit, posting.amount]);
    invariant(d && c, 'accounts exist');
    await sql.query(
      `insert into transfer (idem, cause, debit, credit, amount, debit_seq, credit_seq, debit_balance, credit_balance, created_at_ms)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [posting.idem, posting.cause, debit, credit, posting.amount, d.seq, c.seq, d.balance, c.balance, Date.now()],
    );
  });
}

/** The rows of a batch by one set-based statement that looks nothing up and checks nothing. */
async function byHand(
  db: Database,
  ids: ReadonlyMap<string, bigint>,
  size: number,
  deadlineMs: number,
): Promise<number> {
  const statement = `
    with item as (
      select * from unnest($1::text[], $2::text[], $3::bigint[], $4::numeric[]) with ordinality as i (idem, cause, credit, amount, n)
    ), inserted as (
      insert into transfer (idem, cause, debit, credit, amount, debit_seq, credit_seq, debit_balance, credit_balance, created_at_ms)
        select i.idem, i.cause, h.id, i.credit, i.amount, h.seq + i.n, c.seq + row_number() over per_customer,
               h.balance + sum(i.amount) over (order by i.n), c.balance + sum(i.amount) over per_customer, $6
          from item i join account c on c.id = i.credit, (select * from account where id = $5) h
        window per_customer as (partition by i.credit order by i.n)
    ), delta as (
      select credit as id, sum(amount) as amount, count(*) as entries from item group by credit
      union all select $5, sum(amount), count(*) from item
    )
    update account a set balance = a.balance + d.amount, seq = a.seq + d.entries from delta d where a.id = d.id`;
  let count = 0;
  while (performance.now() < deadlineMs) {
    const postings = Array.from({ length: size }, nextPosting);
    await db.query(statement, [
      postings.map((posting) => posting.idem),
      postings.map((posting) => posting.cause),
      postings.map((posting) => ids.get(posting.credit) as bigint),
      postings.map((posting) => posting.amount),
      ids.get(hot) as bigint,
      Date.now(),
    ]);
    count += size;
  }
  return count;
}

async function loneLatencyMs(db: Database): Promise<number> {
  const poster = createPoster(db, Date.now);
  const times: number[] = [];
  for (let index = 0; index < 200; index += 1) {
    const startMs = performance.now();
    await poster.post(nextPosting());
    times.push(performance.now() - startMs);
  }
  return median(times);
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
