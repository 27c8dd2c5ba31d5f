import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '@holdfast/core/failure.ts';

export const pollMs = 20;
const stopMsMax = 30_000;

interface PidFile {
  readonly pid: number;
  readonly port: number;
  readonly status: string;
}

/** postmaster.pid: process id, data folder, start time, port, socket folder, listen address, shared memory, status. */
export async function readPidFile(data: string): Promise<PidFile | undefined> {
  const lines = (await readFile(path.join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  return Number.isSafeInteger(pid) && pid > 0
    ? { pid, port: Number(lines[3]), status: (lines[7] ?? '').trim() }
    : undefined;
}

/** The process that serves this cluster. Removes the file of one that is gone and whose number another process has. */
export async function findRunning(data: string): Promise<number | undefined> {
  const found = await readPidFile(data);
  if (!found || !(await isAlive(found.pid))) return undefined;
  const words = (await readFile(`/proc/${found.pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  if (words.some((word) => word.endsWith('postgres')) && words.includes(data)) return found.pid;
  await rm(path.join(data, 'postmaster.pid'), { force: true });
  return undefined;
}

/** False for a zombie too: in a container nobody may collect it. */
export async function isAlive(pid: number): Promise<boolean> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const state = line.slice(line.lastIndexOf(')') + 2, line.lastIndexOf(')') + 3);
  return state !== '' && state !== 'Z' && state !== 'X';
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** SIGINT: fast shutdown. SIGQUIT: stop at once, recover at the next start. SIGKILL only when neither helped. */
export async function stopProcess(pid: number): Promise<void> {
  for (const name of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    signal(pid, name);
    for (const deadline = Date.now() + stopMsMax; Date.now() < deadline; await sleep(pollMs)) {
      if (!(await isAlive(pid))) return;
    }
  }
  throw new Failure('node-unavailable', `PostgreSQL, process ${pid}, did not end`);
}
