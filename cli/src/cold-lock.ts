import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { readTextOrNull, systemCode, writeExclusive } from './cold-files.ts';

/**
 * Does work on the register of a key folder while no other process does: two that read it at once would each write a register without
 * the other's entry. The work waits for nobody, so a lock is held for moments.
 * @throws Failure invalid-request when another process has the folder, or had it and died.
 */
export function withLock<T>(folder: string, work: () => T): T {
  const file = join(folder, 'lock');
  try {
    writeExclusive(file, String(process.pid));
  } catch (cause) {
    throw refusal(file, cause);
  }
  try {
    return work();
  } finally {
    rmSync(file, { force: true });
  }
}

function refusal(file: string, cause: unknown): Failure {
  if (systemCode(cause) !== 'EEXIST')
    return new Failure('invalid-request', `${file} cannot be written`, { cause, fix: 'Make the key folder writable.' });
  const holder = Number(readTextOrNull(file) ?? '');
  return isAlive(holder)
    ? new Failure('invalid-request', `process ${holder} works with this key folder: ${file}`, {
        fix: 'Let it finish, then run this again.',
      })
    : new Failure('invalid-request', `${file} was left by a process that is gone`, {
        fix: `Make sure that no other holdfast cold runs on this folder, remove ${file}, and run this again.`,
      });
}

function isAlive(processId: number): boolean {
  if (!Number.isSafeInteger(processId) || processId <= 0) return false;
  try {
    return process.kill(processId, 0);
  } catch (error) {
    // EPERM: of another user.
    return systemCode(error) === 'EPERM';
  }
}
