import { Failure } from '@holdfast/core/failure.ts';
import type { Database, Sql } from './database.ts';

/** Any constant: all servers on one database must take the same lock. */
const lockKey = 4_716_017_012n;
const batchSize = 1_000;
const triggerName = 'transfer_engine_entries';

/**
 * From the next transfer on, every one that changes what a customer has is an entry; earlier ones become entries now. Does
 * nothing where it is so already.
 */
export async function keepEngineEntries(db: Database): Promise<void> {
  if (await keepsEntries(db)) return;
  await db.transaction(
    async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [lockKey]);
      if (await keepsEntries(sql)) return;
      await sql.query('lock table transfer in share row exclusive mode');
      await sql.query(
        `create trigger ${triggerName} after insert on transfer referencing new table as added
         for each statement execute function note_engine_entries()`,
      );
      await sql.query(
        `insert into engine_entry (transfer_id)
         select t.id from transfer t
          where exists (select from account a where a.id in (t.debit, t.credit) and a.code ~ '^(customer|hold|receivable):')
         on conflict do nothing`,
      );
    },
    { slow: true },
  );
}

/** @throws Failure config-invalid when an engine was told of the ledger's entries before: nobody would hear of the next ones. */
export async function refuseForgottenEngine(sql: Sql): Promise<void> {
  if (!(await keepsEntries(sql))) return;
  throw new Failure('config-invalid', 'this database belongs to an engine that owns the balances', {
    fix: 'Set "mode": "custodian" and the engine as before.',
  });
}

async function keepsEntries(sql: Sql): Promise<boolean> {
  const rows = await sql.query('select from pg_trigger where tgname = $1', [triggerName]);
  return rows.length > 0;
}

/** Numbers committed entries without gaps, as events are (jobs/sequence-events.ts). @returns how many. */
export async function sequenceEntries(db: Database): Promise<number> {
  return db.transaction(async (sql) => {
    const [lock] = await sql.query<{ taken: boolean }>('select pg_try_advisory_xact_lock($1) as taken', [lockKey]);
    if (lock?.taken !== true) return 0;
    const rows = await sql.query(
      `with last as (select coalesce(max(seq), 0) as seq from engine_entry),
            batch as (select transfer_id, row_number() over (order by transfer_id) as n
                        from (select transfer_id from engine_entry where seq is null order by transfer_id limit $1) waiting)
       update engine_entry e set seq = last.seq + batch.n from batch, last where e.transfer_id = batch.transfer_id
       returning e.transfer_id`,
      [batchSize],
    );
    return rows.length;
  });
}

export interface EntryRow {
  readonly seq: bigint;
  readonly idem: string;
  readonly debit: string;
  readonly credit: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly created_at_ms: bigint;
}

/** Entries after a seq, in order. */
export async function entriesAfter(sql: Sql, after: bigint, limit: number): Promise<EntryRow[]> {
  return sql.query<EntryRow>(
    `select e.seq, t.idem, d.code as debit, c.code as credit, d.asset, t.amount, t.created_at_ms
       from engine_entry e join transfer t on t.id = e.transfer_id join account d on d.id = t.debit join account c on c.id = t.credit
      where e.seq > $1 order by e.seq limit $2`,
    [after, limit],
  );
}

/** Seq of the last entry, and since when the oldest after `acknowledged` waits (null: none does). */
export async function entriesWaiting(
  sql: Sql,
  acknowledged: bigint,
): Promise<{ latest: bigint; waitsSinceMs: number | null }> {
  const [row] = await sql.query<{ latest: bigint | null; since: bigint | null }>(
    `select (select max(seq) from engine_entry) as latest,
            (select t.created_at_ms from engine_entry e join transfer t on t.id = e.transfer_id
              where e.seq > $1 order by e.seq limit 1) as since`,
    [acknowledged],
  );
  return { latest: row?.latest ?? 0n, waitsSinceMs: row?.since == null ? null : Number(row.since) };
}

/**
 * What the ledger owed customers after an entry, by asset: available and held, less what they owe. One statement and so one
 * moment: what is there now, less the entries that came later.
 */
export async function owedAt(sql: Sql, seq: bigint): Promise<Map<string, bigint>> {
  const rows = await sql.query<{ asset: string; owed: bigint }>(
    `select asset, sum(amount) as owed
       from (select asset, case normal when 'credit' then balance else -balance end as amount
               from account where code ~ '^(customer|hold|receivable):'
             union all
             select d.asset, case when d.code ~ '^(customer|hold|receivable):' then t.amount else 0 end
                           - case when c.code ~ '^(customer|hold|receivable):' then t.amount else 0 end
               from engine_entry e join transfer t on t.id = e.transfer_id join account d on d.id = t.debit join account c on c.id = t.credit
              where e.seq is null or e.seq > $1) parts
      group by asset`,
    [seq],
  );
  return new Map(rows.map(({ asset, owed }) => [asset, owed]));
}
