import { randomBytes } from 'node:crypto';
import { openDatabase } from '@holdfast/server/store/database.ts';

/** Handed from the set-up of a tier to its test files: URL of the PostgreSQL that they share. */
export const serverVariable = 'HOLDFAST_TEST_POSTGRES';
/** On it, with every migration applied. */
export const migratedName = 'migrated';

/**
 * A new database on the tier's PostgreSQL, which goes with the tier.
 * @param migrated false for an empty one.
 * @returns its URL; undefined where nothing was set up (`npm run drills`, benchmarks).
 */
export async function lendDatabase(migrated = true): Promise<string | undefined> {
  const server = process.env[serverVariable];
  return server === undefined ? undefined : createDatabase(server, migrated ? migratedName : 'template1');
}

/** A new database on a server, a copy of a template. @returns its URL. */
export async function createDatabase(server: string, template: string): Promise<string> {
  const name = `holdfast_test_${randomBytes(8).toString('hex')}`;
  const admin = openDatabase(server, { connectionsMax: 1 });
  try {
    await admin.query(`create database ${name} template ${template}`);
  } finally {
    await admin.close();
  }
  const fresh = new URL(server);
  fresh.pathname = `/${name}`;
  return fresh.href;
}
