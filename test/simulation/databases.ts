import { createDatabase as createOn, migratedName } from '../support/lent-database.ts';
import { openDatabase } from '@holdfast/server/store/database.ts';

/** A copy of the migrated database. @returns its URL. */
export const createDatabase = (server: string): Promise<string> => createOn(server, migratedName);

export async function dropDatabase(server: string, url: string): Promise<void> {
  const admin = openDatabase(server, { connectionsMax: 1 });
  await admin.query(`drop database ${new URL(url).pathname.slice(1)} with (force)`);
  await admin.close();
}
