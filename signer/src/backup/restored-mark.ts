import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Journal } from '../journal/journal.ts';
import Type, { type Static } from 'typebox';
import { syncFolder, writeFileDurably } from '../durable-file.ts';
import { parseValue } from '../parse.ts';

/** Below the data folder: it came out of a backup, and the peers have not all said yet what it lacks. */
export const markName = 'restored.json';

const RestoredMark = Type.Object(
  {
    /** Where the journal of the backup ended. */
    backup_seq: Type.Integer({ minimum: 1 }),
    backup_hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    /** UTC milliseconds. */
    made_at_ms: Type.Integer({ minimum: 0 }),
  },
  { additionalProperties: false },
);
export type RestoredMark = Static<typeof RestoredMark>;

export function writeMark(dataDir: string, mark: RestoredMark): void {
  writeFileDurably(join(dataDir, markName), JSON.stringify(mark));
}

/** @throws Failure journal-behind for a file that says nothing sensible: then nothing is signed. */
export function readMark(dataDir: string): RestoredMark | null {
  const path = join(dataDir, markName);
  if (!existsSync(path)) return null;
  let value: unknown = null;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // Refused below.
  }
  return parseValue(RestoredMark, value, 'journal-behind', path);
}

/** Records for good that this signer was restored; a crash in between records it once more. */
export async function settleMark(dataDir: string, mark: RestoredMark, journal: Pick<Journal, 'append'>): Promise<void> {
  await journal.append({ kind: 'restored', body: mark });
  rmSync(join(dataDir, markName));
  syncFolder(dataDir);
}
