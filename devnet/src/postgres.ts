import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { Failure } from '@holdfast/core/failure.ts';
import { findPostgres } from './postgres-binaries.ts';
import { type Footing, findFooting, type Privileges } from './postgres-privileges.ts';
import { findRunning, isAlive, pollMs, readPidFile, signal, stopProcess } from './postgres-process.ts';

export interface PostgresOptions {
  /** Folder for the cluster, its password, port and log; created when missing. */
  readonly dataDir: string;
  /** Told what happens, a line at a time; PostgreSQL's own log is `postgres.log` in the folder. */
  readonly log?: (line: string) => void;
  /** PostgreSQL also stops when the calling process is killed with SIGKILL; for tests. Otherwise it is adopted at the next start. */
  readonly diesWithCaller?: boolean;
  /** Overrides how root's privileges are dropped. */
  readonly privileges?: Privileges;
}

export interface Postgres {
  /** postgresql://user:password@127.0.0.1:port/holdfast; the database exists and is empty at first. */
  readonly url: string;
  /** The postmaster's process id. */
  readonly pid: number;
  /** True when it was already running. */
  readonly adopted: boolean;
  /** Fast shutdown: ends connections, writes a checkpoint, waits for the process to be gone. */
  stop(): Promise<void>;
}

const user = 'holdfast';
const database = 'holdfast';
const startMsMax = 60_000;
const logBytesMax = 10_000_000;

/**
 * Starts the PostgreSQL 18 that npm installed on a cluster in `dataDir`, which is made at the first start; adopts it
 * when it is still running there. It listens on 127.0.0.1 only, asks for a password (SCRAM), has fsync and data
 * checksums on and no Unix socket.
 * @throws Failure config-invalid when the programs are missing or cannot run here,
 *         node-unavailable when PostgreSQL does not come up (its last log lines are in the message).
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const log = options.log ?? (() => undefined);
  const footing = await findFooting(await findPostgres(), path.resolve(options.dataDir), options.privileges);
  const data = path.join(footing.folder, 'data');
  const password = await readOrMakePassword(footing);
  if (!(await exists(data))) {
    log('creating the database cluster');
    await initialise(footing, data);
  }
  const running = await findRunning(data);
  if (running) {
    log(`adopting PostgreSQL, process ${running}`);
    const port = await waitUntilReady(data, footing, running, () => undefined);
    if (port !== undefined) return handle({ pid: running, port, password, adopted: true });
  }
  // Between finding a port free and PostgreSQL's bind another process may take it.
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const port = await choosePort(footing, attempt > 0);
    const child = await launch(footing, data, port, options.diesWithCaller === true);
    const pid = child.pid as number;
    const ready = await waitUntilReady(data, footing, pid, () => child.exitCode ?? child.signalCode);
    if (ready !== undefined) {
      log(`PostgreSQL listens on 127.0.0.1:${port}, process ${pid}`);
      return handle({ pid, port, password, adopted: false, child });
    }
    if (!/Address already in use/.test(await logTail(footing))) break;
  }
  throw new Failure('node-unavailable', `PostgreSQL did not start:\n${await logTail(footing)}`, {
    fix: `Read ${path.join(footing.folder, 'postgres.log')}.`,
  });
}

async function readOrMakePassword(footing: Footing): Promise<string> {
  const file = path.join(footing.folder, 'password');
  const found = await readFile(file, 'utf8').catch(() => undefined);
  if (found) return found.trim();
  const made = randomBytes(24).toString('base64url');
  await writeFile(file, `${made}\n`, { mode: 0o600 });
  if (footing.user) await chown(file, footing.user.uid, footing.user.gid);
  return made;
}

function commandOf(
  footing: Footing,
  program: string,
  args: readonly string[],
  before: readonly string[] = [],
): [string, string[]] {
  const [command, ...words] = [...footing.prefix, ...before, path.join(footing.binaries, 'bin', program), ...args];
  return [command as string, words];
}

/** Nothing of the caller's PG* variables; C messages, so that the log can be matched. */
const environment = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' });

async function initialise(footing: Footing, data: string): Promise<void> {
  const partial = `${data}.partial`;
  await rm(partial, { recursive: true, force: true });
  const [command, args] = commandOf(footing, 'initdb', [
    `--pgdata=${partial}`,
    `--username=${user}`,
    `--pwfile=${path.join(footing.folder, 'password')}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--data-checksums',
    '--no-instructions',
  ]);
  try {
    await promisify(execFile)(command, args, {
      ...footing.user,
      cwd: footing.folder,
      env: environment(),
      timeout: startMsMax,
    });
  } catch (cause) {
    throw new Failure('node-unavailable', `initdb failed: ${(cause as { stderr?: string }).stderr ?? String(cause)}`, {
      cause,
    });
  }
  // A cluster appears only whole: an initdb that was killed leaves the partial one.
  await rename(partial, data);
}

async function launch(footing: Footing, data: string, port: number, diesWithCaller: boolean): Promise<ChildProcess> {
  const logFile = path.join(footing.folder, 'postgres.log');
  const bytes = await stat(logFile).then(
    (file) => file.size,
    () => 0,
  );
  // A file, not a pipe: PostgreSQL must be able to log after its launcher is gone.
  const logHandle = await open(logFile, bytes > logBytesMax ? 'w' : 'a', 0o600);
  const [command, args] = commandOf(
    footing,
    'postgres',
    [
      '-D',
      data,
      '-p',
      String(port),
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      'unix_socket_directories=',
      '-c',
      'fsync=on',
      '-c',
      'max_connections=200',
    ],
    diesWithCaller ? ['setpriv', '--pdeathsig', 'INT', '--'] : [],
  );
  try {
    // Its own process group: Ctrl-C at the terminal reaches the launcher, which stops PostgreSQL last.
    const child = spawn(command, args, {
      ...footing.user,
      cwd: footing.folder,
      env: environment(),
      detached: true,
      stdio: ['ignore', logHandle.fd, logHandle.fd],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    return child;
  } finally {
    await logHandle.close();
  }
}

/** The port once PostgreSQL accepts connections; undefined when it ended instead. */
async function waitUntilReady(
  data: string,
  footing: Footing,
  pid: number,
  ended: () => number | string | null | undefined,
): Promise<number | undefined> {
  for (const deadline = Date.now() + startMsMax; Date.now() < deadline; await sleep(pollMs)) {
    const found = await readPidFile(data);
    if (found?.pid === pid && found.status === 'ready') return found.port;
    if ((ended() ?? null) !== null || !(await isAlive(pid))) return undefined;
  }
  throw new Failure(
    'node-unavailable',
    `PostgreSQL, process ${pid}, was not ready after ${startMsMax} ms:\n${await logTail(footing)}`,
  );
}

async function logTail(footing: Footing): Promise<string> {
  return (await readFile(path.join(footing.folder, 'postgres.log'), 'utf8').catch(() => ''))
    .split('\n')
    .slice(-12)
    .join('\n');
}

/** The port of the last start while it is free, so that a restart keeps its URL. */
async function choosePort(footing: Footing, another: boolean): Promise<number> {
  const file = path.join(footing.folder, 'port');
  const last = Number(await readFile(file, 'utf8').catch(() => '0'));
  const port = (!another && last > 0 ? await tryPort(last) : undefined) ?? (await tryPort(0));
  if (port === undefined) throw new Failure('node-unavailable', 'no free port on 127.0.0.1');
  await writeFile(file, `${port}\n`);
  return port;
}

async function tryPort(wanted: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    // Whoever waits for PostgreSQL here would take an open connection for it.
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(undefined));
    server.listen({ port: wanted, host: '127.0.0.1' }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : undefined));
    });
  });
}

async function handle(of: {
  pid: number;
  port: number;
  password: string;
  adopted: boolean;
  child?: ChildProcess;
}): Promise<Postgres> {
  const urlOf = (name: string): string => `postgresql://${user}:${of.password}@127.0.0.1:${of.port}/${name}`;
  await ensureDatabase(urlOf('postgres'));
  // An exit without stop() ends PostgreSQL too. A signal that nobody handles does not: the next start adopts it.
  const interrupt = (): void => signal(of.pid, 'SIGINT');
  process.once('exit', interrupt);
  return {
    url: urlOf(database),
    pid: of.pid,
    adopted: of.adopted,
    stop: async () => {
      process.off('exit', interrupt);
      await stopProcess(of.pid);
    },
  };
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: startMsMax });
  await client.connect();
  try {
    const found = await client.query('select from pg_database where datname = $1', [database]);
    if (found.rowCount === 0) await client.query(`create database ${database}`);
  } finally {
    await client.end();
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
