import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { startPostgres } from '@holdfast/devnet/postgres.ts';
import { sequenceEvents } from '@holdfast/server/jobs/sequence-events.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import {
  hasOpenWithdrawalTransaction,
  holdsConflictKey,
  markLapsed,
} from '@holdfast/server/store/chain-transactions.ts';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { listDeposits } from '@holdfast/server/store/deposit-resources.ts';
import { lockCreditable, markCredited, sweptDeposits, upsertSeenDeposits } from '@holdfast/server/store/deposits.ts';
import { insertEvents } from '@holdfast/server/store/events.ts';
import { readGauges } from '@holdfast/server/store/gauges.ts';
import { trialBalance } from '@holdfast/server/store/ledger/balances.ts';
import { postBatch } from '@holdfast/server/store/ledger/post-batch.ts';
import { migrate } from '@holdfast/server/store/migrate.ts';
import { watchIndex } from '@holdfast/server/store/watch-index.ts';
import { earlierRequests, requestFacts } from '@holdfast/server/store/withdrawal-requests.ts';
import { markPaidBy, queuedWithdrawals } from '@holdfast/server/store/withdrawals.ts';
import { type BenchResult, median, tableOf } from './result.ts';

const network = 'eip155:31337';
const customersAtOne = 10_000;
const depositsEach = 10;
/** 100 takes some 20 GB and an hour: HOLDFAST_BENCH_SCALES=1,10,100. */
const scales = (process.env['HOLDFAST_BENCH_SCALES'] ?? '1,10').split(',').map(Number);
const rounds = 9;
/** A hot path that grows as the tenth root of the data is a tree that grew a level. */
const hotMax = 0.3;
const linearMax = 1.1;

/** What the server does at every block, request or poll, at several sizes of what it has kept; the exponent of its growth. */
export async function run(): Promise<BenchResult[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-bench-growth-'));
  const postgres = await startPostgres({ dataDir: folder, diesWithCaller: true });
  const db = openDatabase(postgres.url, { connectionsMax: 4, statementTimeoutMs: 0 });
  try {
    await migrate(db);
    const measured = new Map<string, number[]>();
    for (const scale of scales) {
      await populate(db, scale);
      for (const [name, step] of steps(db)) {
        const times: number[] = [];
        for (let round = 0; round < rounds; round++) {
          const startMs = performance.now();
          await step();
          times.push(performance.now() - startMs);
        }
        measured.set(name, [...(measured.get(name) ?? []), median(times)]);
      }
    }
    return [...measured].map(([name, times]) => resultOf(name, times));
  } finally {
    await db.close();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function resultOf(name: string, times: readonly number[]): BenchResult {
  const growth = Math.log((times.at(-1) ?? 0) / (times[0] ?? 0)) / Math.log(scales.at(-1)! / scales[0]!);
  const max = name.startsWith('all:') ? linearMax : hotMax;
  const note = scales.map((scale, i) => `${scale}x ${times[i]!.toFixed(2)} ms`).join(', ');
  return { name, value: growth, unit: 'exponent', target: { max }, note };
}

/** Fills up to a scale by plain SQL: no trigger, no order of events, no work of the server. */
async function populate(db: Database, scale: number): Promise<void> {
  const customers = customersAtOne * scale;
  await db.transaction(async (sql) => {
    await sql.query('set local session_replication_role = replica');
    const [last] = await sql.query<{ n: bigint }>('select count(*) as n from customer');
    const range = `generate_series(${last!.n + 1n}, ${customers})`;
    const id = (kind: string, n = 'n'): string => `('${kind}' || lpad(to_hex(${n}), 12, '0'))::uuid`;
    const [customer, address] = [id('00000000-0000-7000-8000-'), id('00000001-0000-7000-8000-')];
    const deposit = id('00000002-0000-7000-8000-', `n * ${depositsEach} + d`);
    const [withdrawal, payment] = [id('00000003-0000-7000-8000-'), id('00000004-0000-7000-8000-', 'n / 100')];
    const each = `${range} n cross join generate_series(0, ${depositsEach - 1}) d`;
    await sql.query(`
      insert into block (network, height, hash, parent_hash, time_ms, applied_at_ms, state)
        select '${network}', n / 100, 'h' || n / 100, 'p', n, n, 'applied' from ${range} n where n % 100 = 0;
      insert into customer select ${customer}, 'c' || n, 0 from ${range} n;
      insert into account (code, asset, normal, allow_negative)
        select kind || ':cus_' || ${customer} || ':ETH', 'ETH', 'credit', false from ${range} n, unnest(array['customer', 'hold']) kind;
      insert into deposit_address (id, customer_id, network, derivation_index, address, watch_key, state, epoch, created_at_ms, watch_seq)
        select ${address}, ${customer}, '${network}', n, 'a' || n, '0x' || lpad(to_hex(n), 40, '0'), 'active', 1, 0, nextval('watch_seq') from ${range} n;
      insert into deposit (id, network, txid, idx, asset, address_id, customer_id, amount, state, block_id, height, confirmations_required, credits, sweep_id, seen_at_ms, credited_at_ms)
        select ${deposit}, '${network}', 't' || n || '-' || d, 'vout:0', 'ETH', ${address}, ${customer}, 1000, 'credited', 1 + n / 100, n / 100, 2, 1, ${payment}, n, n from ${each};
      insert into event (id, seq, type, resource, resource_id, occurred_at_ms)
        select gen_random_uuid(), (select coalesce(max(seq), 0) from event) + row_number() over (), 'deposit.credited', 'deposit', 'x', n from ${each};
      insert into transfer (idem, cause, debit, credit, amount, debit_seq, credit_seq, debit_balance, credit_balance, created_at_ms)
        select 'g/' || n || '/' || d, 'block:' || n / 100, -n - 10, -n - 11, 1, d, d, 1, 1, 0 from ${each};
      insert into chain_transaction (id, network, kind, state, unsigned, conflict_keys, refs, txid, created_at_ms, next_attempt_at_ms, first_version)
        select ${payment}, '${network}', 'withdrawal', 'final', '{}', array['safe:0xaa:' || n / 100], array['tx:p' || n / 100], 'p' || n / 100, n, n, ${payment} from ${range} n where n % 100 = 0;
      insert into withdrawal (id, customer_id, client_reference, network, asset, amount, fee, destination, intent, digest, expires_at_ms, state, transaction_id, not_before_ms, created_at_ms, updated_at_ms, "authorization")
        select ${withdrawal}, ${customer}, 'w' || n, '${network}', 'ETH', 10, 1, 'x', '{}', 'g' || n, n, 'settled', ${payment}, n, n, n, '{}' from ${range} n;
      insert into withdrawal_attempt select ${withdrawal}, ${payment} from ${range} n;`);
  });
  await db.query('vacuum analyze');
}

const traits = { decimalsOf: () => 18, nativeAssetOf: () => 'ETH' };
const customerAt = (n: number): string => `00000000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
const paymentAt = (n: number): string => `00000004-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
let made = 0;

/** Each as its job does it, in a transaction of its own. */
function steps(db: Database): [string, () => Promise<unknown>][] {
  const newId = (): string => uuidV7(Date.now());
  const watch = watchIndex(db, network, ['deposit_address']);
  const block = Array.from({ length: 5_000 }, (_, n) => `0x${'f'.repeat(32)}${n.toString(16).padStart(8, '0')}`);
  const page = { limit: 50, after: null };
  const customer = customerAt(77);
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
  const seen = () =>
    hundred.map((n) => ({
      txid: `new-${(made += 1)}`,
      index: 'vout:0',
      asset: 'ETH',
      addressId: `00000001-0000-7000-8000-${n.toString(16).padStart(12, '0')}`,
      customerId: customerAt(n),
      amount: baseUnits(5n),
      state: 'seen' as const,
      doubt: null,
      confirmationsRequired: 1,
    }));
  const postings = () =>
    hundred.map((n) => ({
      idem: `growth/${(made += 1)}`,
      cause: 'growth',
      debit: 'capital:ETH',
      credit: `customer:cus_${customerAt(n)}:ETH`,
      amount: baseUnits(5n),
    }));
  return [
    ['block: 5,000 outputs, none ours', () => watch.among(block)],
    [
      'block: 100 deposits seen',
      () => db.transaction((sql) => upsertSeenDeposits(sql, network, { id: 1n, height: 1 }, seen(), newId, 1)),
    ],
    [
      'credit: 100 deposits',
      () =>
        db.transaction(async (sql) => {
          const due = await lockCreditable(sql, network, 10, 100, {
            kept: [],
            final: { height: 10, lastTiers: new Map() },
          });
          await markCredited(
            sql,
            due.map(({ id }) => id),
            Date.now(),
          );
          await insertEvents(
            sql,
            due.map(({ id }) => ({ id: newId(), type: 'x', resource: 'deposit', resourceId: id })),
            1,
          );
          await postBatch(sql, postings(), 1);
        }),
    ],
    ['events: numbered', () => sequenceEvents({ db })],
    ['sweep: its deposits found', () => sweptDeposits(db, paymentAt(50))],
    ['payment: withdrawals of a block’s transaction', () => db.transaction((sql) => markPaidBy(sql, paymentAt(9), 1))],
    ['payment: conflicts', () => holdsConflictKey(db, network, ['safe:0xaa:none'])],
    [
      'payment: open and lapsed',
      async () => [await hasOpenWithdrawalTransaction(db, network), await markLapsed(db, network, 1n, 1)],
    ],
    ['withdrawals: queue', () => queuedWithdrawals(db, network, 1, 100, [])],
    [
      'request: repetition, limit, receivables, destination',
      async () => [
        await earlierRequests(db, 'new', 'new'),
        await requestFacts(db, { customerId: customer, network, asset: 'ETH', sinceMs: 0, destinationKey: '0xnew' }),
      ],
    ],
    ['list: deposits of a customer', () => listDeposits(db, traits, { customer: `cus_${customer}` }, page)],
    ['list: newest deposits', () => listDeposits(db, traits, {}, page)],
    ['list: deposits set aside', () => listDeposits(db, traits, { state: 'quarantined' }, page)],
    ['metrics: gauges', () => readGauges(db, Date.now())],
    ['all: trial balance', () => trialBalance(db)],
  ];
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
