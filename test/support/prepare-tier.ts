import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@holdfast/devnet/postgres.ts';
import { bundleSigner } from '@holdfast/devnet/signer-program.ts';
import { migratedName, serverVariable } from './lent-database.ts';
import { programVariable } from './signer-program.ts';
import { openDatabase } from '@holdfast/server/store/database.ts';
import { migrate } from '@holdfast/server/store/migrate.ts';

/** Before a tier that starts systems: one bundle of the signer, and one PostgreSQL, for all its test files. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tier-'));
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), diesWithCaller: true });
  const stop = async (): Promise<void> => {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    // What Node compiles of the server it compiles once; a signer's environment does not have this.
    process.env['NODE_COMPILE_CACHE'] = join(folder, 'compiled');
    await makeMigrated(postgres.url);
    process.env[serverVariable] = postgres.url;
    process.env[programVariable] = JSON.stringify(await bundleSigner(folder));
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The database that the others are copies of. */
export async function makeMigrated(server: string): Promise<void> {
  const admin = openDatabase(server, { connectionsMax: 1 });
  await admin.query(`create database ${migratedName}`);
  await admin.close();
  const url = new URL(server);
  url.pathname = `/${migratedName}`;
  const db = openDatabase(url.href, { connectionsMax: 1 });
  await migrate(db);
  // Nobody may be connected to what is copied.
  await db.close();
}
