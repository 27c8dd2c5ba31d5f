import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { migrate } from '@holdfast/server/store/migrate.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase({ migrated: false });
  db = database.db;
});
afterAll(async () => database.close());
beforeEach(async () => {
  await db.query('drop schema public cascade; create schema public');
});

describe('database', () => {
  test('int8 and numeric arrive as bigint, alone and in arrays, and go back without loss', async () => {
    const large = 10n ** 78n - 1n;
    const rows = await db.query(
      'select $1::numeric(78, 0) as n, $2::int8 as i, $3::numeric[] as ns, $4::int8[] as empty, array[1, null]::int8[] as holes, count(*) as c',
      [large, -9_007_199_254_740_993n, [large, 1n], []],
    );
    expect(rows).toEqual([
      { n: large, i: -9_007_199_254_740_993n, ns: [large, 1n], empty: [], holes: [1n, null], c: 1n },
    ]);
  });

  test('a transaction that throws leaves nothing and its connection is usable again', async () => {
    await db.query('create table t (x int)');
    const failed = db.transaction(async (sql) => {
      await sql.query('insert into t values (1)');
      throw new Error('changed my mind');
    });
    await expect(failed).rejects.toThrow('changed my mind');
    await db.transaction((sql) => sql.query('insert into t values (2)'));
    expect(await db.query('select x from t')).toEqual([{ x: 2 }]);
  });

  test('a statement that outlives its transaction is refused instead of running outside it', async () => {
    let late: (() => Promise<unknown>) | undefined;
    await db.transaction(async (sql) => {
      late = () => sql.query('select 1');
    });
    await expect(late?.()).rejects.toThrow(/after the end of its transaction/);
  });

  test('a connection killed inside a transaction rejects it and the pool goes on', async () => {
    const killed = db.transaction(async (sql) => {
      const [row] = await sql.query<{ pid: number }>('select pg_backend_pid() as pid');
      await db.query('select pg_terminate_backend($1)', [row?.pid ?? 0]);
      await sql.query('select 1');
    });
    await expect(killed).rejects.toMatchObject({ code: 'database-unavailable' });
    expect(await db.query('select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('a statement over its time limit is cancelled', async () => {
    const hasty = openDatabase(database.url, { statementTimeoutMs: 50 });
    await expect(hasty.query('select pg_sleep(10)')).rejects.toMatchObject({ code: '57014' });
    const slow = hasty.transaction((sql) => sql.query('select pg_sleep(0.2), 1 as one'), { slow: true });
    await expect(slow).resolves.toMatchObject([{ one: 1 }]);
    await hasty.close();
  });
});

describe('migrations', () => {
  let folder: string;
  const at = (): URL => pathToFileURL(`${folder}/`);
  const add = (name: string, text: string): Promise<void> => writeFile(path.join(folder, name), text);

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'holdfast-test-migrations-'));
    await add('0001-one.sql', 'create table one (x int); insert into one values (1);');
    return async () => rm(folder, { recursive: true });
  });

  test('run once each, in order, also when later files are added', async () => {
    expect(await migrate(db, at())).toEqual(['0001-one.sql']);
    await add('0002-two.sql', 'insert into one select x + 1 from one;');
    expect(await migrate(db, at())).toEqual(['0002-two.sql']);
    expect(await migrate(db, at())).toEqual([]);
    expect(await db.query('select x from one order by x')).toEqual([{ x: 1 }, { x: 2 }]);
  });

  test('five servers that start together apply each file once', async () => {
    await add('0002-two.sql', 'select pg_sleep(0.05); insert into one values (2);');
    const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(db, at())));
    expect(applied.flat().sort()).toEqual(['0001-one.sql', '0002-two.sql']);
    expect(await db.query('select count(*) as c from one')).toEqual([{ c: 2n }]);
  });

  test('one that fails leaves nothing of itself and keeps those before it', async () => {
    await add('0002-two.sql', 'create table two (x int); select 1 / 0;');
    await expect(migrate(db, at())).rejects.toMatchObject({ code: '22012' });
    expect(
      await db.query(`select to_regclass('one') is not null as one, to_regclass('two') is null as no_two`),
    ).toEqual([{ one: true, no_two: true }]);
    expect(await db.query('select name from migration')).toEqual([{ name: '0001-one.sql' }]);
  });

  test('a database that a newer release migrated is refused and untouched', async () => {
    await add('0002-two.sql', 'create table two (x int);');
    await migrate(db, at());
    await rm(path.join(folder, '0002-two.sql'));
    await expect(migrate(db, at())).rejects.toMatchObject({ name: 'Failure', code: 'database-newer' });
  });

  test('an edited file and one slipped in below an applied one are refused', async () => {
    await add('0003-three.sql', 'create table three (x int);');
    await migrate(db, at());
    await add('0002-two.sql', 'create table two (x int);');
    await expect(migrate(db, at())).rejects.toMatchObject({ code: 'migration-changed' });
    await rm(path.join(folder, '0002-two.sql'));
    await add('0001-one.sql', 'create table one (x int);');
    await expect(migrate(db, at())).rejects.toMatchObject({ code: 'migration-changed' });
  });

  test('those of this release apply to an empty database', async () => {
    const applied = await migrate(db);
    expect(applied[0]).toBe('0001-ledger.sql');
  });
});
