import type { EngineStatement } from '@holdfast/core/signing/engine.ts';
import type { Sql } from './database.ts';

export interface StatementRow {
  readonly sequence: bigint;
  readonly totals: EngineStatement['totals'];
  readonly received_at_ms: bigint;
}

/** The engine's newest statement; null before the first. */
export async function newestStatement(sql: Sql, engine: string): Promise<StatementRow | null> {
  const [row] = await sql.query<StatementRow>(
    'select sequence, totals, received_at_ms from engine_statement where engine = $1 order by sequence desc limit 1',
    [engine],
  );
  return row ?? null;
}

/** Keeps a statement; the caller holds the engine's lock afterwards, until its transaction ends. */
export async function lockStatements(sql: Sql, engine: string): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended('engine:' || $1, 0))`, [engine]);
}

/** The word on an entry may be given again, corrected: the last one counts. */
export async function keepStatement(
  sql: Sql,
  { engine, sequence, totals }: EngineStatement,
  signature: string,
  nowMs: number,
): Promise<void> {
  await sql.query(
    `insert into engine_statement (engine, sequence, totals, signature, received_at_ms) values ($1, $2, $3::jsonb, $4, $5)
     on conflict (engine, sequence) do update
       set totals = excluded.totals, signature = excluded.signature, received_at_ms = excluded.received_at_ms`,
    [engine, sequence, JSON.stringify(totals), signature, nowMs],
  );
}
