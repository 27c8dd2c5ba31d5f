import { readdirSync, readFileSync } from 'node:fs';

/** One living process as proc(5) shows it. Zombies count as dead: somebody still has to reap them, but they run nothing. */
export interface ProcessRow {
  readonly pid: number;
  readonly parentId: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** Clock ticks from boot to the process's start. A reused pid has another value. */
  readonly startTicks: number;
}

/** The living process with this pid, or undefined. */
export function processRow(pid: number): ProcessRow | undefined {
  const stat = readProc(`${pid}/stat`);
  if (stat === undefined) return undefined;
  // proc(5): the second field is the command in parentheses and may hold blanks and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  if (state === 'Z' || state === 'X') return undefined;
  return {
    pid,
    parentId: Number(fields[1]),
    groupId: Number(fields[2]),
    sessionId: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

/** Every living process that this user may see. */
export function allProcesses(): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const row = processRow(Number(entry));
    if (row) rows.push(row);
  }
  return rows;
}

/** Pids of the living processes that a process started. */
export function childrenOf(pid: number): number[] {
  return allProcesses()
    .filter((row) => row.parentId === pid)
    .map((row) => row.pid);
}

/** Names this boot of the machine: pids and start ticks of another boot mean nothing. */
export function bootId(): string {
  return readProc('sys/kernel/random/boot_id')?.trim() ?? 'unknown';
}

/** Living processes whose initial environment has a variable `name` with a value that starts with `valuePrefix`. */
export function processesWithEnvironment(name: string, valuePrefix: string): ProcessRow[] {
  const wanted = `\0${name}=${valuePrefix}`;
  return allProcesses().filter((row) => `\0${readProc(`${row.pid}/environ`) ?? ''}`.includes(wanted));
}

/** Resident memory of a process in bytes (VmRSS), or undefined when it is gone. */
export function rssBytes(pid: number): number | undefined {
  const match = /^VmRSS:\s+([0-9]+) kB$/m.exec(readProc(`${pid}/status`) ?? '');
  return match ? Number(match[1]) * 1024 : undefined;
}

/** Resident memory of a whole process group in bytes. Pages that its members share count once for each. */
export function groupRssBytes(groupId: number): number {
  return allProcesses()
    .filter((row) => row.groupId === groupId)
    .reduce((sum, row) => sum + (rssBytes(row.pid) ?? 0), 0);
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'latin1');
  } catch {
    // The process ended between two reads, or belongs to somebody else.
    return undefined;
  }
}
