/**
 * Stops what a supervisor started when the supervisor dies without doing so itself (kill -9, a crash). Its standard
 * input is a pipe whose other end only the supervisor holds, so the end of the input is the supervisor's end, however
 * it came. Usage: node reaper.ts <run folder> <run id>
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readRunRecord, readRunRecords, removeRunRecord, stopMarked, stopRecorded } from './run-records.ts';

const [runDir, runId] = process.argv.slice(2);
if (runDir === undefined || runId === undefined) throw new Error('usage: reaper.ts <run folder> <run id>');

// Only the end of the pipe counts; a signal meant for the supervisor must not leave the rest unwatched.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {});

process.stdin.on('error', () => void reap());
process.stdin.on('end', () => void reap());
process.stdin.resume();

let reaping = false;
async function reap(): Promise<void> {
  if (reaping) return;
  reaping = true;
  const ours = readRunRecords(runDir!).filter((record) => record.runId === runId && record.name !== 'supervisor');
  await Promise.all(
    ours.map(async (record) => {
      await stopRecorded(record);
      removeRunRecord(runDir!, record);
    }),
  );
  await stopMarked(`${runDir}#${runId}`);
  if (readRunRecord(join(runDir!, 'supervisor.json'))?.runId === runId)
    rmSync(join(runDir!, 'supervisor.json'), { force: true });
  process.exit(0);
}
