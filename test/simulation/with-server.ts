import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@holdfast/devnet/postgres.ts';
import { makeMigrated } from '../support/prepare-tier.ts';
import { serverVariable } from '../support/lent-database.ts';

/** Runs with the tier's PostgreSQL, or with one of its own that ends with it. */
export async function withServer<T>(run: (server: string) => Promise<T>): Promise<T> {
  const given = process.env[serverVariable];
  if (given !== undefined) return run(given);
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-simulation-'));
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), diesWithCaller: true });
  try {
    await makeMigrated(postgres.url);
    return await run(postgres.url);
  } finally {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
