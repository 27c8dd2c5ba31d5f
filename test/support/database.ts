import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startPostgres } from '@holdfast/devnet/postgres.ts';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { migrate } from '@holdfast/server/store/migrate.ts';
import { createDatabase, lendDatabase } from './lent-database.ts';

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
 * A fresh database with every migration applied: on the server that DATABASE_URL names, else on the tier's, else on a
 * PostgreSQL of its own in a temporary folder. Call it in beforeAll and close it in afterAll. The server ends with the test
 * process, however that ends.
 */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const migrated = options.migrated !== false;
  const server = await findServer(process.env['DATABASE_URL'], migrated);
  const db = openDatabase(server.url);
  const close = async (): Promise<void> => {
    await db.close();
    await server.remove();
  };
  try {
    if (migrated) await migrate(db);
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

async function findServer(named: string | undefined, migrated: boolean): Promise<Server> {
  if (named !== undefined) return borrowedServer(named);
  const lent = await lendDatabase(migrated);
  return lent === undefined ? ownServer() : { url: lent, remove: async () => undefined };
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

async function borrowedServer(server: string): Promise<Server> {
  const url = await createDatabase(server, 'template1');
  return {
    url,
    remove: async () => {
      const admin = openDatabase(server, { connectionsMax: 1 });
      await admin.query(`drop database ${new URL(url).pathname.slice(1)} with (force)`);
      await admin.close();
    },
  };
}
