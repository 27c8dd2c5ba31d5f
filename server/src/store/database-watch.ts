import type { Sql } from './database.ts';

/** Where a signer's journal is known to be reflected up to. */
export interface JournalPlace {
  readonly seq: number;
  readonly hash: string;
}

/** A moment in a database's life. */
export interface Mark {
  readonly n: bigint;
  /**
   * Another one after each start of PostgreSQL, on each host, and for what was restored: a database may have gone back by less than
   * what has been raised since, by this server or another one.
   */
  readonly incarnation: string;
}

/** Raises the mark. @returns it: its number is larger than all that were returned before, unless the database has gone back. */
export async function raiseMark(sql: Sql): Promise<Mark> {
  const [row] = await sql.query<{ n: bigint; incarnation: string }>(
    `update database_mark set n = n + 1
     returning n, concat_ws('/', pg_postmaster_start_time(), 'database_mark'::regclass::oid,
                            (select oid from pg_database where datname = current_database())) as incarnation`,
  );
  return row!;
}

/** Whether the database has neither gone back nor might have, between two marks. */
export const isLater = (mark: Mark, than: Mark): boolean => mark.n > than.n && mark.incarnation === than.incarnation;

export async function journalPlaces(sql: Sql): Promise<Map<string, JournalPlace>> {
  const rows = await sql.query<{ signer: string; seq: bigint; hash: string }>(
    'select signer, seq, hash from signer_journal',
  );
  return new Map(rows.map(({ signer, seq, hash }) => [signer, { seq: Number(seq), hash }]));
}

export async function saveJournalPlaces(sql: Sql, places: ReadonlyMap<string, JournalPlace>): Promise<void> {
  const rows = [...places];
  await sql.query(
    `insert into signer_journal (signer, seq, hash) select * from unnest($1::text[], $2::bigint[], $3::text[])
     on conflict (signer) do update set seq = excluded.seq, hash = excluded.hash`,
    [rows.map(([signer]) => signer), rows.map(([, { seq }]) => seq), rows.map(([, { hash }]) => hash)],
  );
}

export interface Rebuild {
  readonly id: string;
  readonly lost_from_ms: bigint;
  readonly lost: string;
  readonly rolled_back: boolean;
}

/** The one that is not finished. */
export async function openRebuild(sql: Sql): Promise<Rebuild | null> {
  const [row] = await sql.query<Rebuild>(
    'select id, lost_from_ms, lost, rolled_back from database_rebuild where finished_at_ms is null',
  );
  return row ?? null;
}

/** From here on nothing is decided until it is finished; one that is open stays. */
export async function noteLoss(
  sql: Sql,
  loss: { readonly id: string; readonly lostFromMs: number; readonly lost: string },
  nowMs: number,
): Promise<void> {
  await sql.query(
    `insert into database_rebuild (id, found_at_ms, lost_from_ms, lost) values ($1, $2, $3, $4)
     on conflict ((true)) where finished_at_ms is null do nothing`,
    [loss.id, nowMs, loss.lostFromMs, loss.lost.slice(0, 1000)],
  );
}

export async function noteRolledBack(sql: Sql, id: string): Promise<void> {
  await sql.query('update database_rebuild set rolled_back = true where id = $1', [id]);
}

export async function finishRebuild(sql: Sql, id: string, report: object, nowMs: number): Promise<void> {
  await sql.query('update database_rebuild set finished_at_ms = $2, report = $3::jsonb where id = $1', [
    id,
    nowMs,
    JSON.stringify(report),
  ]);
}

/** Of these places, those whose address is not the one in the database. */
export async function unknownAddresses<
  T extends {
    readonly network: string;
    readonly index: number;
    readonly address: string;
    readonly customer: string;
  },
>(sql: Sql, bound: readonly T[]): Promise<T[]> {
  if (bound.length === 0) return [];
  const rows = await sql.query<{ network: string; index: bigint; address: string; customer: string }>(
    `select a.network, a.derivation_index as index, a.address, 'cus_' || a.customer_id as customer
       from unnest($1::text[], $2::bigint[]) as l (network, index)
       join deposit_address a on a.network = l.network and a.derivation_index = l.index`,
    [bound.map(({ network }) => network), bound.map(({ index }) => index)],
  );
  const known = new Set(rows.map((row) => `${row.network} ${row.index} ${row.address} ${row.customer}`));
  return bound.filter((one) => !known.has(`${one.network} ${one.index} ${one.address} ${one.customer}`));
}

/** Of our own transactions by what a block calls them (`tx:...`, `safe:...`), those that are not in the database. */
export async function unknownTransactions<T extends { readonly network: string; readonly ref: string }>(
  sql: Sql,
  own: readonly T[],
): Promise<T[]> {
  const unknown: T[] = [];
  for (const [network, group] of Map.groupBy(own, (one) => one.network)) {
    const refs = group.map(({ ref }) => ref);
    const rows = await sql.query<{ refs: string[] }>(
      'select refs from chain_transaction where network = $1 and refs && $2::text[]',
      [network, refs],
    );
    const known = new Set(rows.flatMap((row) => row.refs));
    unknown.push(...group.filter(({ ref }) => !known.has(ref)));
  }
  return unknown;
}

/** Of these records about customers, those that are not in the database. */
export async function unknownRecords<T extends { readonly digest: string }>(
  sql: Sql,
  records: readonly T[],
): Promise<T[]> {
  if (records.length === 0) return [];
  const rows = await sql.query<{ digest: string }>('select digest from customer_record where digest = any ($1)', [
    records.map(({ digest }) => digest),
  ]);
  const known = new Set(rows.map(({ digest }) => digest));
  return records.filter(({ digest }) => !known.has(digest));
}
