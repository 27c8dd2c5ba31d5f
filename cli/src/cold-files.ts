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
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Writes a file that is not there yet, whole or not at all. @throws Failure invalid-request when it is, or cannot be. */
export function writeNew(file: string, content: string | Uint8Array): void {
  const temporary = writeTemporary(file, content);
  try {
    linkOrWrite(temporary, file, content);
    syncFolder(dirname(file));
  } catch (cause) {
    throw cannotWrite(file, cause);
  } finally {
    rmSync(temporary);
  }
}

/** Writes a file, so that after a crash it has either its old or its new content in full. @throws Failure invalid-request */
export function replaceFile(file: string, content: string): void {
  const temporary = writeTemporary(file, content);
  try {
    renameSync(temporary, file);
    syncFolder(dirname(file));
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw cannotWrite(file, cause);
  }
}

export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** Makes and writes a file that nobody else has made, or leaves none. @throws Error of the system, EEXIST among them. */
export function writeExclusive(file: string, content: string | Uint8Array): void {
  const descriptor = openSync(file, 'wx', 0o600);
  try {
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
  } catch (error) {
    rmSync(file);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** `ENOSPC`, `EEXIST`, ...; undefined for what is no error of the system. */
export function systemCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** What file systems of memory sticks say, which have no hard links. */
const noLinks: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP']);

/** Unlike a rename, a link fails when the name is taken. */
function linkOrWrite(temporary: string, file: string, content: string | Uint8Array): void {
  try {
    linkSync(temporary, file);
  } catch (error) {
    if (!noLinks.has(systemCode(error))) throw error;
    writeExclusive(file, content);
  }
}

function writeTemporary(file: string, content: string | Uint8Array): string {
  const temporary = `${file}.${process.pid}.tmp`;
  // Of a process that crashed under the same number.
  rmSync(temporary, { force: true });
  try {
    writeExclusive(temporary, content);
  } catch (cause) {
    throw cannotWrite(file, cause);
  }
  return temporary;
}

function cannotWrite(file: string, cause: unknown): Failure {
  const code = systemCode(cause);
  if (code === 'EEXIST')
    return new Failure('invalid-request', `${file} is there already`, { cause, fix: 'Name another file.' });
  if (code === 'ENOSPC')
    return new Failure('invalid-request', `${file} cannot be written: no room is left`, {
      cause,
      fix: 'Make room, then run this again. Nothing of the file was left.',
    });
  return new Failure('invalid-request', `${file} cannot be written${code === undefined ? '' : `: ${code}`}`, {
    cause,
    fix: 'Name a file in a folder of yours.',
  });
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
