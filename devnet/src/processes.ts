import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { bootId, processRow, rssBytes } from './process-table.ts';
import {
  livingMembers,
  readRunRecord,
  readRunRecords,
  removeRunRecord,
  stopMarked,
  stopRecorded,
  supervisedBy,
  writeRunRecord,
  type RunRecord,
} from './run-records.ts';

export interface ChildSpec {
  /** Kebab-case and unique among the running children: names the record. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the supervisor's own environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `env` is all that the child gets, besides the supervisor's mark. */
  readonly bareEnv?: boolean;
  readonly cwd?: string;
  /** Receives standard output and error, appended. Written by the child itself, so it is whole even after a kill -9 of the supervisor. */
  readonly logFile: string;
  /** Called for each line of the log until it returns true. Without it the child counts as ready once it runs. */
  readonly ready?: (line: string) => boolean;
  readonly readyTimeoutMs?: number;
  /** What asks the child to end; PostgreSQL's fast shutdown is SIGINT. */
  readonly stopSignal?: 'SIGTERM' | 'SIGINT';
  /** From the stop signal to SIGKILL of the whole group. */
  readonly graceMs?: number;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the child itself ends, however that happens. */
  readonly exited: Promise<ChildExit>;
  running(): boolean;
  /** Resident bytes of the child itself, undefined once it ended. */
  rssBytes(): number | undefined;
  /** Sends a signal to the whole group at once, `SIGKILL` for a crash. */
  kill(signal: NodeJS.Signals): void;
  /** Ends the child and its group; resolves when nobody of it lives. */
  stop(): Promise<void>;
}

export interface Supervisor {
  /** @throws Failure process-failed when the child ends or stays silent before it is ready. */
  spawnChild(spec: ChildSpec): Promise<Child>;
  /** Children that run now, in the order of their start. */
  children(): readonly Child[];
  /** Stops every child, the last started first, and lets the run folder go. No child can be started after it. */
  stopAll(): Promise<void>;
  /**
   * Environment that marks a process as this supervisor's: what is started with it by other means is ended with the
   * children when this process is killed.
   */
  readonly mark: Readonly<Record<string, string>>;
}

export interface SupervisorOptions {
  /** `.holdfast/run`: one record a process. */
  readonly runDir: string;
  /** On SIGINT, SIGTERM, SIGHUP and uncaught exceptions stop everything and end this process. Off for supervisors inside tests. */
  readonly endOnSignals?: boolean;
  /** Called once when a signal or an exception begins the stop. */
  readonly onStopping?: (reason: string) => void;
}

/**
 * Starts a supervisor of child processes. What an earlier run left behind in the folder is stopped first. A second
 * small process (reaper.ts) watches this one and stops the children when this one is killed.
 * @throws Failure already-running when a living supervisor owns the folder.
 */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const runDir = resolve(options.runDir);
  await stopLeftovers(runDir);
  const runId = randomUUID();
  claim(runDir, runId);
  const letGo = startReaper(runDir, runId);

  const children = new Map<string, Child>();
  let stopping: Promise<void> | undefined;

  const stopAll = (): Promise<void> => {
    stopping ??= (async () => {
      for (const child of [...children.values()].toReversed()) await child.stop();
      await stopMarked(`${runDir}#${runId}`);
      rmSync(join(runDir, 'supervisor.json'), { force: true });
      removeHandlers();
      letGo();
    })();
    return stopping;
  };
  const removeHandlers = options.endOnSignals ? endOnSignals(stopAll, options.onStopping) : () => {};

  return {
    async spawnChild(spec) {
      if (stopping) throw new Failure('process-failed', `${spec.name} was not started: everything is stopping`);
      invariant(/^[a-z][a-z0-9-]*$/.test(spec.name) && spec.name !== 'supervisor', `not a process name: ${spec.name}`);
      const before = children.get(spec.name);
      invariant(!before?.running(), `${spec.name} runs already`);
      // A crashed leader may have left members of its group.
      await before?.stop();
      const child = spawnGroup(spec, runDir, runId);
      children.set(spec.name, child.handle);
      try {
        await child.ready;
      } catch (error) {
        await child.handle.stop();
        throw error;
      }
      return child.handle;
    },
    mark: { [supervisedBy]: `${runDir}#${runId}` },
    children: () => [...children.values()].filter((child) => child.running()),
    stopAll,
  };
}

/**
 * Stops what a killed supervisor left behind in a run folder, by record and by mark.
 * @throws Failure already-running when the folder's supervisor lives.
 */
export async function stopLeftovers(runDir: string): Promise<void> {
  const folder = resolve(runDir);
  const owner = readRunRecord(join(folder, 'supervisor.json'));
  if (owner && owner.bootId === bootId() && processRow(owner.pid)?.startTicks === owner.startTicks) {
    throw new Failure('already-running', `process ${owner.pid} supervises ${folder}`);
  }
  await Promise.all(
    readRunRecords(folder)
      .filter((record) => record.name !== 'supervisor')
      .map(async (record) => {
        await stopRecorded(record);
        removeRunRecord(folder, record);
      }),
  );
  await stopMarked(`${folder}#`);
  rmSync(join(folder, 'supervisor.json'), { force: true });
}

/** Writes this process into the folder; the exclusive flag decides between two that start at the same moment. */
function claim(runDir: string, runId: string): void {
  const record = {
    ...identity('supervisor', runId, process.pid),
    stopSignal: 'SIGTERM',
    graceMs: 0,
  } satisfies RunRecord;
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(join(runDir, 'supervisor.json'), `${JSON.stringify(record, null, 2)}\n`, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    throw new Failure('already-running', `another process just began to supervise ${runDir}`, { cause });
  }
}

function identity(name: string, runId: string, pid: number) {
  // A child that ended at once is a zombie until node reaps it and shows no start; -1 matches no process.
  return { name, runId, bootId: bootId(), pid, startTicks: processRow(pid)?.startTicks ?? -1 };
}

/** Starts reaper.ts. The returned function tells it that all is stopped. */
function startReaper(runDir: string, runId: string): () => void {
  const script = fileURLToPath(new URL('./reaper.ts', import.meta.url));
  const reaper = spawn(process.execPath, [script, runDir, runId], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env: {},
  });
  reaper.unref();
  const pipe = reaper.stdin;
  pipe.on('error', () => {});
  // Keeps the pipe open without keeping this process alive.
  (pipe as unknown as { unref(): void }).unref();
  return () => pipe.end();
}

function spawnGroup(spec: ChildSpec, runDir: string, runId: string): { handle: Child; ready: Promise<void> } {
  mkdirSync(dirname(spec.logFile), { recursive: true, mode: 0o700 });
  const log = openSync(spec.logFile, 'a+', 0o600);
  const logStart = fstatSync(log).size;
  const process_ = spawn(spec.command, spec.args, {
    detached: true,
    stdio: ['ignore', log, log],
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
    env: { ...(spec.bareEnv ? {} : process.env), ...spec.env, [supervisedBy]: `${runDir}#${runId}` },
  });
  const pid = process_.pid;
  const exited = exitOf(process_);
  if (pid === undefined) {
    closeSync(log);
    const ready = exited.then(() => {
      throw new Failure('process-failed', `${spec.name} could not be started: ${spec.command}`);
    });
    return { handle: deadHandle(spec, exited), ready };
  }
  const record: RunRecord = {
    ...identity(spec.name, runId, pid),
    stopSignal: spec.stopSignal ?? 'SIGTERM',
    graceMs: spec.graceMs ?? 5_000,
  };
  writeRunRecord(runDir, record);
  const handle: Child = {
    name: spec.name,
    pid,
    logFile: spec.logFile,
    exited,
    running: () => process_.exitCode === null && process_.signalCode === null,
    rssBytes: () => rssBytes(pid),
    kill(signal) {
      for (const row of livingMembers(record)) process.kill(row.pid, signal);
    },
    async stop() {
      await stopRecorded(record);
      await exited;
      removeRunRecord(runDir, record);
    },
  };
  return { handle, ready: untilReady(spec, log, logStart, handle).finally(() => closeSync(log)) };
}

function deadHandle(spec: ChildSpec, exited: Promise<ChildExit>): Child {
  return {
    name: spec.name,
    pid: -1,
    logFile: spec.logFile,
    exited,
    running: () => false,
    rssBytes: () => undefined,
    kill() {},
    async stop() {},
  };
}

function exitOf(child: ChildProcess): Promise<ChildExit> {
  return new Promise((resolveExit) => {
    child.once('exit', (code, signal) => resolveExit({ code, signal }));
    child.once('error', () => resolveExit({ code: null, signal: null }));
  });
}

/** Reads the log as it grows until a line says that the child is ready. */
async function untilReady(spec: ChildSpec, log: number, logStart: number, child: Child): Promise<void> {
  if (!spec.ready) return;
  const timeoutMs = spec.readyTimeoutMs ?? 30_000;
  const deadlineMs = Date.now() + timeoutMs;
  const next = lineReader(log, logStart);
  let ended = false;
  void child.exited.then(() => (ended = true));
  const seen: string[] = [];
  for (;;) {
    // Look at the flag before the log: lines written just before the end are still read.
    const last = ended || Date.now() > deadlineMs;
    for (const line of next()) {
      if (spec.ready(line)) return;
      seen.push(line);
    }
    if (last) {
      const what = ended ? 'ended before it was ready' : `was not ready within ${timeoutMs} ms`;
      throw new Failure('process-failed', `${spec.name} ${what}; log ${spec.logFile}\n${seen.slice(-10).join('\n')}`);
    }
    await Promise.race([child.exited, new Promise((wake) => setTimeout(wake, 15))]);
  }
}

/** Each call of the returned function yields the whole lines that were appended since the last. */
function lineReader(file: number, start: number): () => string[] {
  const buffer = Buffer.alloc(64 * 1024);
  let position = start;
  let rest = '';
  return () => {
    let text = rest;
    for (;;) {
      const count = readSync(file, buffer, 0, buffer.length, position);
      if (count === 0) break;
      position += count;
      text += buffer.toString('latin1', 0, count);
    }
    const lines = text.split('\n');
    rest = lines.pop() ?? '';
    return lines;
  };
}

/** A second signal within this time is the same key press: npm passes on what the terminal sends to both. */
const sameSignalMs = 1_000;

function endOnSignals(stopAll: () => Promise<void>, onStopping: ((reason: string) => void) | undefined): () => void {
  let beganMs: number | undefined;
  const end = (reason: string, exitCode: number): void => {
    if (beganMs !== undefined) {
      // Once this process is gone the reaper stops the rest, all at once.
      if (Date.now() - beganMs > sameSignalMs) process.exit(exitCode);
      return;
    }
    beganMs = Date.now();
    onStopping?.(reason);
    stopAll().then(
      () => process.exit(exitCode),
      () => process.exit(exitCode),
    );
  };
  const handlers = {
    SIGINT: () => end('SIGINT', 130),
    SIGTERM: () => end('SIGTERM', 143),
    SIGHUP: () => end('SIGHUP', 129),
    uncaughtException: (error: unknown) => {
      console.error(error);
      end('uncaught exception', 1);
    },
    unhandledRejection: (error: unknown) => {
      console.error(error);
      end('unhandled rejection', 1);
    },
  };
  for (const [name, handler] of Object.entries(handlers)) process.on(name, handler);
  return () => {
    for (const [name, handler] of Object.entries(handlers)) process.off(name, handler);
  };
}
