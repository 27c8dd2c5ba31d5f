import { closeSync, existsSync, fsyncSync, openSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { syncFolder } from '../durable-file.ts';

/**
 * Below the data folder: every authorisation of this signer's emergency key, a line each. Not in the journal, which one
 * process alone writes: the command must work beside the signer, and when the signer is down or its journal full. Nothing is
 * decided by it; it tells people what was signed, and keeps what was made for whoever has to relay it by hand.
 */
export const emergencyName = 'emergency.jsonl';

/**
 * On return the line is on the disk. Both processes append, each line in one write.
 * @param cause what it was made for: `command`, or the digest of a halt.
 */
export function recordEmergency(
  dataDir: string,
  entry: { readonly at_ms: number; readonly cause: string; readonly authorisation: EmergencyAuthorisation },
): void {
  const path = join(dataDir, emergencyName);
  const isNew = !existsSync(path);
  const file = openSync(path, 'a', 0o600);
  try {
    // The newline comes first: a line that a crash cut short does not spoil the next one.
    writeFileSync(file, `\n${canonicalJson(entry)}`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  if (isNew) syncFolder(dirname(path));
}
