import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Database, Sql } from './database.ts';

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly text: string;
  readonly sha256: string;
}

interface Recorded {
  readonly number: number;
  readonly name: string;
  readonly sha256: string;
}

const folder = new URL('./migrations/', import.meta.url);
/** Any constant: all servers on one database must take the same lock. */
const lockKey = 4_716_017_001n;

/**
 * Brings the database to the newest migration of this release: files `NNNN-name.sql`, one transaction each, recorded
 * with their SHA-256. Servers that start together take turns.
 * @returns the names applied by this call.
 * @throws Failure database-newer when the database holds a migration that this release lacks,
 *         migration-changed when a recorded file was edited or one was added below a recorded one.
 */
export async function migrate(db: Database, from: URL = folder): Promise<string[]> {
  const files = await readMigrations(from);
  const applied: string[] = [];
  // One file a round, so the rounds are bounded by the files; the last round finds nothing to do.
  for (let round = 0; round <= files.length; round += 1) {
    const name = await db.transaction((sql) => applyNext(sql, files));
    if (name === undefined) return applied;
    applied.push(name);
  }
  invariant(false, 'more migrations applied than there are files');
}

async function readMigrations(from: URL): Promise<Migration[]> {
  const names = (await readdir(from)).filter((name) => name.endsWith('.sql')).sort();
  const migrations: Migration[] = [];
  for (const file of names) {
    const match = /^([0-9]{4})-([a-z0-9-]+)\.sql$/.exec(file);
    invariant(match?.[1] !== undefined, `not a migration's name: ${file}`);
    const number = Number(match[1]);
    invariant(migrations.at(-1)?.number !== number, `two migrations have the number ${match[1]}`);
    const text = await readFile(new URL(file, from), 'utf8');
    migrations.push({ number, name: file, text, sha256: createHash('sha256').update(text).digest('hex') });
  }
  invariant(migrations.length > 0, `no migrations in ${from.pathname}`);
  return migrations;
}

/** Applies the first file that is not recorded; undefined when all are. */
async function applyNext(sql: Sql, files: readonly Migration[]): Promise<string | undefined> {
  // Waiting for another server's migration, or a long one of our own, is no reason to give up.
  await sql.query('set local statement_timeout = 0; set local lock_timeout = 0');
  await sql.query('select pg_advisory_xact_lock($1)', [lockKey]);
  await sql.query(
    'create table if not exists migration (number int primary key, name text not null, sha256 text not null, applied_at_ms bigint not null)',
  );
  const recorded = await sql.query<Recorded>('select number, name, sha256 from migration order by number');
  compare(files, recorded);
  const next = files[recorded.length];
  if (next === undefined) return undefined;
  await sql.query(next.text);
  await sql.query('insert into migration values ($1, $2, $3, (extract(epoch from clock_timestamp()) * 1000)::bigint)', [
    next.number,
    next.name,
    next.sha256,
  ]);
  return next.name;
}

/** The recorded migrations must be the first of the files, unchanged. */
function compare(files: readonly Migration[], recorded: readonly Recorded[]): void {
  const known = new Set(files.map((file) => file.number));
  const unknown = recorded.find((row) => !known.has(row.number));
  if (unknown) {
    throw new Failure('database-newer', `the database holds migration ${unknown.name}, which this release lacks`);
  }
  recorded.forEach((row, index) => {
    const file = files[index];
    if (file?.number !== row.number) {
      throw new Failure('migration-changed', `migration ${file?.name} was added below ${row.name}, which is applied`);
    }
    if (file.sha256 !== row.sha256) {
      throw new Failure(
        'migration-changed',
        `migration ${file.name} is not the file that was applied to this database`,
      );
    }
  });
}
