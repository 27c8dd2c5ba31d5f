import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { restoreSymlinks } from './postgres-binaries.ts';
import { type Postgres, startPostgres } from './postgres.ts';

const timeoutMs = 60_000;
let top: string;
let dataDir: string;
const toStop = new Set<Postgres>();

beforeAll(async () => {
  // As a newcomer might have it: a blank in the name, longer than a Unix socket's 107 bytes, for one user only.
  top = await mkdtemp(path.join(tmpdir(), 'holdfast-test-postgres-'));
  dataDir = path.join(top, 'new comer', 'x'.repeat(90), '.holdfast', 'postgres');
  await chmod(top, 0o700);
});
afterAll(async () => {
  for (const postgres of toStop) await postgres.stop();
  await rm(top, { recursive: true, force: true });
});

async function start(options: Partial<Parameters<typeof startPostgres>[0]> = {}): Promise<Postgres> {
  const postgres = await startPostgres({ dataDir, diesWithCaller: true, ...options });
  toStop.add(postgres);
  return postgres;
}

async function ask(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

async function isGone(pid: number): Promise<boolean> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return line === '' || /\) [ZX]/.test(line);
}

async function untilGone(pid: number): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(20)) if (await isGone(pid)) return;
  throw new Error(`process ${pid} is still there`);
}

/** A process that starts PostgreSQL, prints its pid, and runs `then`. */
async function launchElsewhere(
  diesWithCaller: boolean,
  then: string,
): Promise<{ launcher: ChildProcess; pid: number }> {
  const program = `
    const { startPostgres } = await import(${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)});
    const { pid } = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, diesWithCaller: ${diesWithCaller} });
    console.log(pid);
    ${then}`;
  const launcher = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = await new Promise<number>((resolve, reject) => {
    createInterface(launcher.stdout).once('line', (line) => resolve(Number(line)));
    launcher.once('exit', (code) => reject(new Error(`the launcher ended with ${code} and no PostgreSQL`)));
  });
  return { launcher, pid };
}

describe('startPostgres', () => {
  test(
    'makes a cluster with checksums and fsync that only 127.0.0.1 reaches, with a password',
    { timeout: timeoutMs },
    async () => {
      const postgres = await start();
      const settings = `select current_setting(s) from unnest(array['server_version_num', 'data_checksums', 'fsync',
      'full_page_writes', 'synchronous_commit', 'listen_addresses', 'unix_socket_directories', 'server_encoding']) s`;
      const [version, ...rest] = (await ask(postgres.url, settings)) as string[];
      expect(Number(version)).toBeGreaterThanOrEqual(180_000);
      expect(rest).toEqual(['on', 'on', 'on', 'on', '127.0.0.1', '', 'UTF8']);
      expect((await stat(path.join(dataDir, 'password'))).mode & 0o777).toBe(0o600);
      const wrong = new URL(postgres.url);
      wrong.password = 'guess';
      await expect(ask(wrong.href, 'select 1')).rejects.toThrow(/password authentication failed/);
      await ask(postgres.url, 'create table kept as select 42 as answer');
      await postgres.stop();
      expect(await isGone(postgres.pid)).toBe(true);
    },
  );

  test('keeps data, port and password over a restart', { timeout: timeoutMs }, async () => {
    const first = await start();
    await first.stop();
    const second = await start();
    expect(second.adopted).toBe(false);
    expect(second.url).toBe(first.url);
    expect(await ask(second.url, 'select answer from kept')).toEqual([42]);
    await second.stop();
  });

  test('takes another port when the last one is taken', { timeout: timeoutMs }, async () => {
    const port = Number(await readFile(path.join(dataDir, 'port'), 'utf8'));
    const squatter = await new Promise<Server>((resolve) => {
      const server = createServer().listen(port, '127.0.0.1', () => resolve(server));
    });
    const postgres = await start();
    expect(Number(new URL(postgres.url).port)).not.toBe(port);
    expect(await ask(postgres.url, 'select answer from kept')).toEqual([42]);
    await postgres.stop();
    await new Promise((resolve) => squatter.close(resolve));
  });

  test('is adopted, still running, after its launcher was killed with SIGKILL', { timeout: timeoutMs }, async () => {
    const { launcher, pid } = await launchElsewhere(false, 'setInterval(() => {}, 1000);');
    launcher.kill('SIGKILL');
    await untilGone(launcher.pid as number);
    expect(await isGone(pid)).toBe(false);
    const postgres = await start();
    expect(postgres).toMatchObject({ pid, adopted: true });
    expect(await ask(postgres.url, 'select answer from kept')).toEqual([42]);
    await postgres.stop();
    expect(await isGone(pid)).toBe(true);
  });

  test('ends when its launcher exits, by a call or because nothing is left to do', { timeout: timeoutMs }, async () => {
    for (const then of ['process.exit(3);', '']) {
      const { pid } = await launchElsewhere(false, then);
      await untilGone(pid);
    }
  });

  test('ends with a launcher killed with SIGKILL where that was asked for', { timeout: timeoutMs }, async () => {
    const { launcher, pid } = await launchElsewhere(true, 'setInterval(() => {}, 1000);');
    launcher.kill('SIGKILL');
    await untilGone(pid);
  });

  test('recovers after a SIGKILL of its own, with committed data', { timeout: timeoutMs }, async () => {
    const first = await start();
    await ask(first.url, 'create table committed as select 7 as x');
    process.kill(first.pid, 'SIGKILL');
    await untilGone(first.pid);
    const second = await start();
    expect(await ask(second.url, 'select x from committed')).toEqual([7]);
    await second.stop();
  });

  test(
    'is not fooled by the file of a dead server whose process id another process has',
    { timeout: timeoutMs },
    async () => {
      await writeFile(
        path.join(dataDir, 'data/postmaster.pid'),
        `${process.pid}\n${dataDir}/data\n1\n1\n\n127.0.0.1\n\nready   \n`,
      );
      const postgres = await start();
      expect(postgres.adopted).toBe(false);
      await postgres.stop();
      expect(await isGone(process.pid)).toBe(false);
    },
  );

  test('starts over when it was killed while making the cluster', { timeout: timeoutMs }, async () => {
    const folder = path.join(top, 'half made');
    await mkdir(path.join(folder, 'data.partial'), { recursive: true });
    await writeFile(path.join(folder, 'data.partial/PG_VERSION'), '18\n');
    const postgres = await start({ dataDir: folder });
    expect(await ask(postgres.url, 'select 1')).toEqual([1]);
    await postgres.stop();
  });

  test.runIf(process.getuid?.() === 0)(
    'runs as nobody where root has no user namespaces, also below a folder only root may enter',
    { timeout: timeoutMs },
    async () => {
      const folder = path.join(top, 'as nobody');
      const postgres = await start({ dataDir: folder, privileges: 'nobody' });
      const status = await readFile(`/proc/${postgres.pid}/status`, 'utf8');
      expect(status).toMatch(/^Uid:\t65534\t65534/m);
      expect(status).toMatch(/^Groups:\t\s*$/m);
      const [data] = (await ask(postgres.url, `select current_setting('data_directory')`)) as [string];
      await postgres.stop();
      const again = await start({ dataDir: folder, privileges: 'nobody' });
      expect(again.url).toBe(postgres.url);
      await again.stop();
      expect(data).toMatch(/^\/var\/tmp\/holdfast-postgres-[0-9a-f]{16}\//);
      await rm(data.split('/').slice(0, 4).join('/'), { recursive: true });
    },
  );
});

describe('restoreSymlinks', () => {
  test('makes the missing links, also when two processes do at once', async () => {
    const folder = path.join(top, 'package');
    await mkdir(path.join(folder, 'native/lib/sub'), { recursive: true });
    await writeFile(path.join(folder, 'native/lib/libx.so.1.2'), 'library');
    const links = [
      { source: 'native/lib/libx.so.1.2', target: 'native/lib/libx.so' },
      { source: 'native/lib/libx.so.1.2', target: 'native/lib/sub/libx.so.1' },
    ];
    await writeFile(path.join(folder, 'native/pg-symlinks.json'), JSON.stringify(links));
    await Promise.all([restoreSymlinks(folder), restoreSymlinks(folder), restoreSymlinks(folder)]);
    expect(await readlink(path.join(folder, 'native/lib/libx.so'))).toBe('libx.so.1.2');
    expect(await readFile(path.join(folder, 'native/lib/sub/libx.so.1'), 'utf8')).toBe('library');
    await restoreSymlinks(folder);
  });
});
