import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startPostgres } from '@holdfast/devnet/postgres.ts';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { migrate } from '@holdfast/server/store/migrate.ts';

export interface TestDatabase {
  readonly url: string;
  /** A pool on it, closed by close(). */
  readonly db: Database;
  /** Closes the pool and removes the database, with its server when this call started one. */
  close(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** False leaves the database empty. */
  readonly migrated?: boolean;
}

/**
 * A fresh database with every migration applied: a PostgreSQL of its own in a temporary folder, or a new database on
 * the server that DATABASE_URL names. Call it in beforeAll and close it in afterAll. The server ends with the test
 * process, however that ends.
 */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const server =
    process.env['DATABASE_URL'] === undefined ? await ownServer() : await borrowedServer(process.env['DATABASE_URL']);
  const db = openDatabase(server.url);
  const close = async (): Promise<void> => {
    await db.close();
    await server.remove();
  };
  try {
    if (options.migrated !== false) await migrate(db);
  } catch (error) {
    await close();
    throw error;
  }
  return { url: server.url, db, close };
}

interface Server {
  readonly url: string;
  remove(): Promise<void>;
}

async function ownServer(): Promise<Server> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-test-database-'));
  const postgres = await startPostgres({ dataDir: folder, diesWithCaller: true });
  return {
    url: postgres.url,
    remove: async () => {
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function borrowedServer(url: string): Promise<Server> {
  const name = `holdfast_test_${randomBytes(8).toString('hex')}`;
  const admin = openDatabase(url, { connectionsMax: 1 });
  await admin.query(`create database ${name}`);
  const fresh = new URL(url);
  fresh.pathname = `/${name}`;
  return {
    url: fresh.href,
    remove: async () => {
      await admin.query(`drop database ${name} with (force)`);
      await admin.close();
    },
  };
}
