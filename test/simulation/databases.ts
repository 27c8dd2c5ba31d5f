import { createDatabase as createOn, migratedName } from '../support/lent-database.ts';
import { openDatabase } from '@holdfast/server/store/database.ts';

/** A copy of the migrated database. @returns its URL. */
export async function createDatabase(server: string): Promise<string> {
  const url = await createOn(server, migratedName);
  const admin = openDatabase(url, { connectionsMax: 1 });
  // By default from the real clock: a new lane would be taken by nobody for as long as simulated time is behind it.
  await admin.query(`alter table lane alter column expires_at set default '-infinity'`);
  await admin.close();
  return url;
}

export async function dropDatabase(server: string, url: string): Promise<void> {
  const admin = openDatabase(server, { connectionsMax: 1 });
  await admin.query(`drop database ${new URL(url).pathname.slice(1)} with (force)`);
  await admin.close();
}
