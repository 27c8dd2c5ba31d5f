import { closeSync, constants, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseCheckpointLine, type CheckpointLine } from '@holdfast/core/audit/checkpoint-line.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import { syncFolder } from '../durable-file.ts';

/** Below the data folder. */
export const checkpointsName = 'checkpoints.jsonl';

/** A line has 16 cosignatures at most. */
const lineBytesMax = 8_192;
const newline = 0x0a;

/**
 * The newest checkpoint of the file; null without one. A last line without its newline never was written as a whole and
 * is cut off.
 * @throws Failure audit-invalid when the last whole line is no checkpoint.
 */
export function lastCheckpoint(path: string): CheckpointLine | null {
  if (!existsSync(path)) return null;
  const file = openSync(path, 'r+');
  try {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, 2 * lineBytesMax));
    readSync(file, tail, 0, tail.length, size - tail.length);
    const end = tail.lastIndexOf(newline) + 1;
    if (end < tail.length) {
      ftruncateSync(file, size - (tail.length - end));
      fsyncSync(file);
    }
    if (end === 0) return null;
    const from = end < 2 ? 0 : tail.lastIndexOf(newline, end - 2) + 1;
    return parseCheckpointLine(tail.toString('utf8', from, end - 1));
  } finally {
    closeSync(file);
  }
}

/** On return the checkpoint is on the disk. */
export async function appendCheckpoint(path: string, line: CheckpointLine): Promise<void> {
  const isNew = !existsSync(path);
  const file = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600);
  try {
    await file.appendFile(`${canonicalJson(line)}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
  if (isNew) syncFolder(dirname(path));
}
