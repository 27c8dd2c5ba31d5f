import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Writes a file, readable by its owner only, so that after a crash it has either its old or its new content in full. */
export function writeFileDurably(path: string, text: string): void {
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    // By its descriptor it writes on after a short write.
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** A new or renamed name is durable only once its folder is. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** More than one flush ever writes. */
const tailBytesMax = 16 << 20;

/**
 * Writes the end of a file of lines once more and flushes it. After a flush that failed the system may have forgotten that
 * these bytes are in memory only: they read as if they were on the disk, and flushing again says so (Rebello and others, "Can
 * Applications Recover from fsync Failures?", USENIX ATC 2020). Same bytes at the same place: a crash on the way changes nothing.
 */
export async function writeTailAgain(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - tailBytesMax);
    const tail = Buffer.alloc(size - from);
    for (let at = 0; at < tail.length;) {
      const { bytesRead } = await file.read(tail, at, tail.length - at, from + at);
      if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
      at += bytesRead;
    }
    for (let at = 0; at < tail.length;) at += (await file.write(tail, at, tail.length - at, from + at)).bytesWritten;
    await file.datasync();
  } finally {
    await file.close();
  }
}
