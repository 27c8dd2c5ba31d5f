import type {
  CreateEngineStatementBody,
  EngineEntryResource,
  EngineReconciliationResource,
} from '@holdfast/core/contract/engine-resources.ts';
import { formatId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { ReconciliationResource } from '@holdfast/core/contract/resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { type BookDifference, compareBooks } from '@holdfast/core/ledger/compare-books.ts';
import { describeEntry } from '@holdfast/core/ledger/describe-entry.ts';
import type { Context } from '../context.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import type { Sql } from '../store/database.ts';
import { entriesAfter, entriesWaiting, owedAt } from '../store/engine-entries.ts';
import { keepStatement, lockStatements, newestStatement, type StatementRow } from '../store/engine-statements.ts';
import { reservationsOf } from '../store/reservations.ts';
import { engineOf, verifyEngine } from './engine-key.ts';

/** Ledger against chain, as operations/reconcile.ts gives it. */
export type Reconcile = () => Promise<ReconciliationResource>;

/** Entries after a seq, in order. @throws Failure engine-missing, invalid-request. */
export async function listEngineEntries(ctx: Context, query: PageQuery): Promise<Page<EngineEntryResource>> {
  engineOf(ctx);
  const after = query.after ?? '0';
  if (!/^(0|[1-9][0-9]{0,15})$/.test(after)) {
    throw new Failure('invalid-request', 'not a next_cursor of this list', { pointer: '/query/cursor' });
  }
  const rows = await entriesAfter(ctx.db, BigInt(after), query.limit + 1);
  const described = rows.map((row) => ({ row, entry: describeEntry(row) }));
  const withdrawals = described.flatMap(({ entry }) => (entry.withdrawal === null ? [] : [entry.withdrawal]));
  const reservations = await reservationsOf(ctx.db, withdrawals);
  return pageOf(
    described,
    query.limit,
    ({ row }) => String(row.seq),
    ({ row, entry }) => ({
      object: 'engine_entry',
      seq: Number(row.seq),
      kind: entry.kind,
      asset: row.asset,
      changes: entry.changes.map(({ amount, ...change }) => ({ ...change, amount: amount.toString() })),
      deposit: entry.deposit === null ? null : formatId('dep', entry.deposit),
      withdrawal: entry.withdrawal === null ? null : formatId('wd', entry.withdrawal),
      reservation: entry.withdrawal === null ? null : (reservations.get(entry.withdrawal) ?? null),
      occurred_at: formatTime(row.created_at_ms),
    }),
  );
}

/**
 * Keeps the engine's word on what it owes and compares it with the ledger at the very entry that it names; an asset that
 * differs opens an alarm in the same transaction, one that agrees closes it.
 * @throws Failure engine-missing, authorization-invalid, statement-invalid.
 */
export async function createEngineStatement(
  ctx: Context,
  reconcile: Reconcile,
  body: CreateEngineStatementBody,
): Promise<EngineReconciliationResource> {
  verifyEngine(ctx, body, '/authorization');
  const { record, authorization } = body;
  await ctx.db.transaction(async (sql) => {
    await lockStatements(sql, record.engine);
    const [newest, { latest }] = [await newestStatement(sql, record.engine), await entriesWaiting(sql, 0n)];
    const pointer = { pointer: '/record/sequence' };
    if (record.sequence > latest) {
      throw new Failure('statement-invalid', `entry ${record.sequence} is ahead of the last, ${latest}`, pointer);
    }
    if (newest && record.sequence < newest.sequence) {
      throw new Failure(
        'statement-invalid',
        `entry ${record.sequence} is before ${newest.sequence} of the last statement`,
        pointer,
      );
    }
    const rows = compareBooks(record.totals, await owedAt(sql, BigInt(record.sequence)));
    await keepStatement(sql, record, authorization.signature, ctx.now());
    await tellDifferences(ctx, sql, rows, record.sequence);
  });
  return reconcileEngine(ctx, reconcile);
}

async function tellDifferences(
  ctx: Context,
  sql: Sql,
  rows: readonly BookDifference[],
  sequence: number,
): Promise<void> {
  for (const { asset, engine, ledger, difference } of rows) {
    const subject = `engine ${asset}`;
    if (difference === 0n) {
      await closeAlarms(sql, subject, ctx.now());
      continue;
    }
    const message = `after entry ${sequence} the engine owes customers ${engine} base units of ${asset}, the ledger ${ledger}: ${difference} of difference`;
    await raiseAlarm(sql, { id: ctx.newId(), code: 'engine-differs', subject, message }, ctx.now());
  }
}

/** Engine, ledger and chain as they stand. @throws Failure engine-missing, node-unavailable, node-disagreement. */
export async function reconcileEngine(ctx: Context, reconcile: Reconcile): Promise<EngineReconciliationResource> {
  const engine = engineOf(ctx);
  const statement = await newestStatement(ctx.db, engine);
  const { latest } = await entriesWaiting(ctx.db, 0n);
  const books = await booksAt(ctx, statement);
  const report = await reconcile();
  const assets = [...new Set([...ctx.config.assets.map(({ code }) => code), ...books.map(({ asset }) => asset)])];
  const rows = assets.map((asset) => {
    const book = books.find((one) => one.asset === asset) ?? { engine: 0n, ledger: 0n, difference: 0n };
    const own = report.rows.filter((row) => row.asset === asset);
    const sum = (of: 'ledger' | 'chain'): bigint => own.reduce((total, row) => total + BigInt(row[of]), 0n);
    return {
      asset,
      engine_owes: book.engine.toString(),
      ledger_owes: book.ledger.toString(),
      engine_difference: book.difference.toString(),
      ledger_holds: sum('ledger').toString(),
      chain_holds: sum('chain').toString(),
      chain_difference: (sum('ledger') - sum('chain')).toString(),
    };
  });
  return {
    object: 'engine_reconciliation',
    balanced: report.balanced && statement !== null && rows.every((row) => row.engine_difference === '0'),
    engine,
    sequence: statement === null ? null : Number(statement.sequence),
    latest: Number(latest),
    received_at: statement === null ? null : formatTime(statement.received_at_ms),
    rows,
  };
}

/** Without a statement nothing is compared. */
async function booksAt(ctx: Context, statement: StatementRow | null): Promise<BookDifference[]> {
  return statement === null ? [] : compareBooks(statement.totals, await owedAt(ctx.db, statement.sequence));
}
