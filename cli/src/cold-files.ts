import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';

/** Larger than what a request can be. */
const bytesMax = 16_000_000;

/** @throws Failure invalid-request that names the file. */
export function readText(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > bytesMax)
      throw new Failure('invalid-request', `${file} has ${size} bytes; at most ${bytesMax} are read`);
    return readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure('invalid-request', `${file} cannot be read`, { cause, fix: 'Name a file that is there.' });
  }
}

/** Null when there is no such file. */
export function readTextOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Writes a file that is not there yet, whole or not at all. @throws Failure invalid-request when it is. */
export function writeNew(file: string, content: string | Uint8Array): void {
  const temporary = writeTemporary(file, content);
  try {
    // Unlike a rename, a link fails when the name is taken.
    linkSync(temporary, file);
    syncFolder(dirname(file));
  } catch (cause) {
    throw new Failure('invalid-request', `${file} cannot be written anew`, { cause, fix: 'Name another file.' });
  } finally {
    rmSync(temporary);
  }
}

/** Writes a file, so that after a crash it has either its old or its new content in full. */
export function replaceFile(file: string, content: string): void {
  renameSync(writeTemporary(file, content), file);
  syncFolder(dirname(file));
}

export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

function writeTemporary(file: string, content: string | Uint8Array): string {
  const temporary = `${file}.${process.pid}.tmp`;
  let descriptor: number;
  try {
    descriptor = openSync(temporary, 'w', 0o600);
  } catch (cause) {
    throw new Failure('invalid-request', `${file} cannot be written`, {
      cause,
      fix: 'Name a file in a folder of yours.',
    });
  }
  try {
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  return temporary;
}

/** A new or renamed name is durable only once its folder is. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
