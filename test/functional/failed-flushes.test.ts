import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { type Postgres, startPostgres } from '@holdfast/devnet/postgres.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { ensureStrace } from '@holdfast/devnet/strace/setup.ts';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { differences } from '@holdfast/server/store/ledger/balances.ts';
import { mustPost } from '@holdfast/server/store/ledger/post-batch.ts';
import { migrate } from '@holdfast/server/store/migrate.ts';
import { createJournalFile } from '@holdfast/signer/journal/journal.ts';

/** The kernel says EIO to a flush of real processes: strace answers in its place. */
const run = promisify(execFile);
const failing = (nth: number): string[] => ['-e', 'trace=fdatasync', '-e', `inject=fdatasync:error=EIO:when=${nth}`];

let folder: string;
let strace: Awaited<ReturnType<typeof ensureStrace>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-flushes-'));
  strace = await ensureStrace();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a signer’s journal', () => {
  const program = fileURLToPath(new URL('../support/append-records.ts', import.meta.url));

  /** With the nth flush failing; each append is one, after the one of the start. */
  async function append(path: string, nth: number): Promise<string[]> {
    // One thread makes all flushes, so that they can be counted.
    const env = { ...process.env, ...strace.env, UV_THREADPOOL_SIZE: '1' };
    const args = ['-f', '-o', '/dev/null', ...failing(nth), process.execPath, program, path];
    const { stdout } = await run(strace.command, args, { env });
    const lines = stdout.trim().split('\n');
    // What the signer logs is told from what the program says.
    expect(lines.some((line) => line.includes('"alarm":"journal-broken"'))).toBe(
      lines.some((line) => line.includes('refused 1 ')),
    );
    return lines.filter((line) => !line.startsWith('{'));
  }

  it('releases nothing after a flush that failed, though the next ones would succeed', async () => {
    const path = join(folder, 'journal.jsonl');
    createJournalFile(path, 'signer-1', Date.now());
    expect(await append(path, 3)).toEqual([
      'released 0',
      ...[1, 2, 3].map((index) => `refused ${index} journal-broken`),
    ]);
    // The next start writes the end again before it relies on it.
    expect(await append(path, 1)).toEqual(['refused journal-broken']);
    expect(await append(path, 999)).toEqual([0, 1, 2, 3].map((index) => `released ${index}`));
  });
});

describe('PostgreSQL', () => {
  let postgres: Postgres;
  let db: Database;
  let tracer: ChildProcess | undefined;
  const acknowledged = new Set<string>();
  const goes = { on: true };
  let problem: unknown;
  const logged = (): string => readFileSync(join(folder, 'postgres', 'postgres.log'), 'utf8');

  beforeAll(async () => {
    postgres = await startPostgres({ dataDir: join(folder, 'postgres'), diesWithCaller: true });
    db = openDatabase(postgres.url, { connectionsMax: 4 });
    await migrate(db);
  });
  afterAll(async () => {
    goes.on = false;
    tracer?.kill('SIGKILL');
    await db?.close();
    await postgres?.stop();
  });

  /** Posts one after the other; what fails is posted again under the same name. */
  async function post(worker: number): Promise<void> {
    for (let i = 0; goes.on; i += 1) {
      const idem = `flush/${worker}/${i}`;
      const posting = {
        idem,
        cause: idem,
        debit: 'hot:eip155:31337:ETH',
        credit: 'capital:ETH',
        amount: baseUnits(1n),
      };
      for (let done = false; goes.on && !done;) {
        done = await db
          .transaction(async (sql) => mustPost(sql, [posting], 0))
          .then(
            () => true,
            async (error: unknown) => {
              problem = error;
              return sleep(10, false);
            },
          );
        if (done) acknowledged.add(idem);
      }
    }
  }

  it('dies of a log that cannot be flushed, comes back, and has every posting that was acknowledged once', async () => {
    const workers = [1, 2, 3].map(post);
    await awaitCondition('postings', async () => {
      if (acknowledged.size <= 20 && problem !== undefined) throw new Error('a posting fails', { cause: problem });
      return acknowledged.size > 20;
    });
    const backends = await db.query<{ pid: number }>(
      `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
    );
    const processes = backends.flatMap(({ pid }) => ['-p', String(pid)]);
    tracer = spawn(strace.command, ['-o', '/dev/null', ...failing(1), ...processes], {
      env: { ...process.env, ...strace.env },
      stdio: 'ignore',
    });
    await awaitCondition('a panic', async () => logged().includes('PANIC:  could not fdatasync file'));
    const before = acknowledged.size;
    await awaitCondition('postings after it', async () => acknowledged.size > before + 20, 30_000);
    goes.on = false;
    await Promise.all(workers);
    const rows = await db.query<{ idem: string }>('select idem from transfer');
    const posted = new Set(rows.map(({ idem }) => idem));
    expect([...acknowledged].filter((idem) => !posted.has(idem))).toEqual([]);
    expect(await differences(db)).toEqual([]);
  });
});
