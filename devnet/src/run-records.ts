import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { allProcesses, bootId, processRow, processesWithEnvironment, type ProcessRow } from './process-table.ts';

/** Set in every supervised process and what it starts: `<run folder>#<run id>`. */
export const supervisedBy = 'HOLDFAST_SUPERVISED_BY';

/** What `.holdfast/run/<name>.json` holds: enough to stop the process later and never another one that got its pid. */
export interface RunRecord {
  readonly name: string;
  /** The supervisor's run that started it. */
  readonly runId: string;
  readonly bootId: string;
  /** Leader of its own process group and session, so also the group's id. */
  readonly pid: number;
  readonly startTicks: number;
  /** Sent to the leader alone; PostgreSQL's backends must not get their postmaster's signal. */
  readonly stopSignal: 'SIGTERM' | 'SIGINT';
  readonly graceMs: number;
}

/** Writes a record whole or not at all. Synchronous, so that nothing runs between a start and its record. */
export function writeRunRecord(runDir: string, record: RunRecord): void {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const path = join(runDir, `${record.name}.json`);
  writeFileSync(`${path}.tmp`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

/** Forgets a process. A record that another run wrote in the meantime stays. */
export function removeRunRecord(runDir: string, record: RunRecord): void {
  const current = readRunRecord(join(runDir, `${record.name}.json`));
  if (current?.runId === record.runId && current.pid === record.pid)
    rmSync(join(runDir, `${record.name}.json`), { force: true });
}

/** All readable records of a run folder; a folder that does not exist has none. */
export function readRunRecords(runDir: string): RunRecord[] {
  let entries: string[];
  try {
    entries = readdirSync(runDir);
  } catch {
    return [];
  }
  const records: RunRecord[] = [];
  for (const entry of entries.toSorted()) {
    const record = entry.endsWith('.json') ? readRunRecord(join(runDir, entry)) : undefined;
    if (record) records.push(record);
  }
  return records;
}

/** One record, or undefined when the file is gone or is not one of ours. */
export function readRunRecord(path: string): RunRecord | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<RunRecord>;
    const whole =
      typeof value.name === 'string' && Number.isSafeInteger(value.pid) && Number.isSafeInteger(value.startTicks);
    return whole ? (value as RunRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** The living processes of a record's group. Empty when its pid now belongs to somebody else. */
export function livingMembers(record: RunRecord): ProcessRow[] {
  if (record.bootId !== bootId()) return [];
  const leader = processRow(record.pid);
  if (leader && leader.startTicks !== record.startTicks) return [];
  return allProcesses().filter(
    // A group outlives its leader; its members still share the leader's session and are not older than it.
    (row) => row.groupId === record.pid && row.sessionId === record.pid && row.startTicks >= record.startTicks,
  );
}

/**
 * Stops a recorded process group: the stop signal to its leader, after the leader's end SIGTERM to what is left,
 * and SIGKILL to everything after `graceMs`. Resolves when nobody lives.
 */
export async function stopRecorded(record: RunRecord): Promise<void> {
  const deadlineMs = Date.now() + record.graceMs;
  signal(
    livingMembers(record).filter((row) => row.pid === record.pid),
    record.stopSignal,
  );
  const leaderEnded = (): boolean => livingMembers(record).every((row) => row.pid !== record.pid);
  await until(leaderEnded, deadlineMs);
  signal(livingMembers(record), 'SIGTERM');
  await killAfter(() => livingMembers(record), deadlineMs);
}

/**
 * Kills what carries a supervisor's mark without being recorded: a process started in the instant before its parent
 * was killed, or one that left its group.
 * @param mark `<run folder>#<run id>`, or `<run folder>#` for every run of the folder.
 */
export async function stopMarked(mark: string): Promise<void> {
  const marked = (): ProcessRow[] =>
    processesWithEnvironment(supervisedBy, mark).filter((row) => row.pid !== process.pid);
  await killAfter(marked, Date.now());
}

async function killAfter(living: () => ProcessRow[], deadlineMs: number): Promise<void> {
  await until(() => living().length === 0, deadlineMs);
  // One round kills a group; more are for members that were forked between reading the table and the signal.
  for (let round = 0; round < 50 && living().length > 0; round += 1) {
    signal(living(), 'SIGKILL');
    await until(() => living().length === 0, Date.now() + 200);
  }
}

function signal(rows: readonly ProcessRow[], name: NodeJS.Signals): void {
  for (const row of rows) {
    try {
      process.kill(row.pid, name);
    } catch {
      // It ended by itself.
    }
  }
}

/** Waits for a condition of the process table, which has no events, or for the deadline. */
async function until(condition: () => boolean, deadlineMs: number): Promise<void> {
  while (!condition() && Date.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 20));
}
