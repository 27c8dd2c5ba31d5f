import { randomBytes } from 'node:crypto';
import { type FingerprintTable, fingerprintTable } from '@holdfast/core/deposits/fingerprint-table.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Database, Sql } from './database.ts';

/** Where a scan's keys are from, each with the key that a block shows. */
const keyOf = {
  deposit_address: 'watch_key',
  change_address: 'script',
  coin: `txid || ':' || vout`,
} as const;
export type WatchSource = keyof typeof keyOf;

/** Which keys of a block may be ours, in memory; the database confirms each. */
export interface WatchIndex {
  /** Reads what the database has beyond what is known; the first call reads all. */
  catchUp(): Promise<void>;
  /**
   * Those of the keys that may be watched: every one that was committed before this call, whichever server committed it, and
   * hardly any other. An address is told to its customer after its commit, so a block that was fetched before this call pays
   * none that is missing here.
   */
  among(keys: readonly string[]): Promise<string[]>;
  readonly size: number;
}

export interface WatchIndexOptions {
  readonly log?: ((event: string, fields: Record<string, unknown>) => void) | undefined;
  /** Rows read by one statement. */
  readonly pageRows?: number;
}

/** How far a source was read: the last row. */
interface Cursor {
  readonly source: WatchSource;
  seq: bigint;
  key: string | null;
}

interface Page {
  source: number;
  first_seq: bigint | null;
  last_seq: bigint | null;
  count: number;
  keys: string | null;
}

const keyBytes = 16;
const defaultPageRows = 20_000;
/** Rows between two lines of progress. */
const progressRows = 1_000_000;

/** The index of a network over these sources; nothing is read yet. */
export function watchIndex(
  db: Database,
  network: string,
  sources: readonly WatchSource[],
  options: WatchIndexOptions = {},
): WatchIndex {
  const { log = () => undefined, pageRows = defaultPageRows } = options;
  let known: { table: FingerprintTable; cursors: Cursor[] } | null = null;
  let reading: Promise<void> = Promise.resolve();

  async function build(): Promise<NonNullable<typeof known>> {
    const rows = await countRows(db, network, sources);
    const table = fingerprintTable(randomBytes(keyBytes), rows);
    const cursors = sources.map((source): Cursor => ({ source, seq: 0n, key: null }));
    let read = 0;
    for (let said = progressRows; ;) {
      const count = await readPages(db, network, { table, cursors }, pageRows);
      invariant(count !== null, 'a first reading has nothing to compare with');
      read += count;
      if (read >= said) log('watch-index-reading', { network, read, rows });
      while (said <= read) said += progressRows;
      if (count === 0) break;
    }
    log('watch-index-ready', { network, read, bytes: table.bytes });
    return { table, cursors };
  }

  async function readOn(): Promise<void> {
    known ??= await build();
    for (;;) {
      const count = await readPages(db, network, known, pageRows);
      if (count === 0) return;
      // The last row read is gone or another: a database restored from a backup. What is known of it is void.
      if (count === null) {
        log('watch-index-void', { network });
        known = await build();
      }
    }
  }

  const catchUp = (): Promise<void> => {
    const next = reading.then(readOn);
    // The next call tries again what failed.
    reading = next.catch(() => undefined);
    return next;
  };

  return {
    catchUp,
    async among(keys) {
      await catchUp();
      const { table } = known!;
      return keys.filter((key) => table.mayHold(key));
    },
    get size() {
      return known?.table.size ?? 0;
    },
  };
}

/** At a hundred million rows this takes longer than other statements may. */
async function countRows(db: Database, network: string, sources: readonly WatchSource[]): Promise<number> {
  return db.transaction(
    async (sql) => {
      const counts = sources.map((source) => `(select count(*) from ${source} where network = $1)`);
      const [row] = await sql.query<{ count: bigint }>(`select ${counts.join(' + ')} as count`, [network]);
      return Number(row!.count);
    },
    { slow: true },
  );
}

/**
 * Adds the next page of each source; a page begins with the last row of the one before.
 * @returns how many rows were new; null when such a last row is not there any more.
 */
async function readPages(
  sql: Sql,
  network: string,
  into: { table: FingerprintTable; cursors: readonly Cursor[] },
  pageRows: number,
): Promise<number | null> {
  // One text a page: the driver would take longer over a row a key than the table takes.
  const pages = into.cursors.map(
    ({ source }, i) => `
      select ${i} as source, min(watch_seq) as first_seq, max(watch_seq) as last_seq, count(*)::int as count,
             string_agg(key, ',' order by watch_seq) as keys
        from (select watch_seq, ${keyOf[source]} as key from ${source}
               where network = $1 and watch_seq >= $${i + 3} order by watch_seq limit $2) page`,
  );
  const rows = await sql.query<Page>(pages.join(' union all '), [
    network,
    pageRows + 1,
    ...into.cursors.map(({ seq }) => seq),
  ]);
  let added = 0;
  for (const page of rows) {
    const cursor = into.cursors[page.source]!;
    const keys = page.keys ?? '';
    if (cursor.key !== null && (page.first_seq !== cursor.seq || firstOf(keys) !== cursor.key)) return null;
    if (page.last_seq === null) continue;
    addAll(into.table, keys);
    added += page.count - (cursor.key === null ? 0 : 1);
    cursor.seq = page.last_seq;
    cursor.key = keys.slice(keys.lastIndexOf(',') + 1);
  }
  return added;
}

function firstOf(keys: string): string {
  const end = keys.indexOf(',');
  return end < 0 ? keys : keys.slice(0, end);
}

function addAll(table: FingerprintTable, keys: string): void {
  for (let from = 0; from < keys.length;) {
    const comma = keys.indexOf(',', from);
    const end = comma < 0 ? keys.length : comma;
    table.add(keys, from, end);
    from = end + 1;
  }
}
