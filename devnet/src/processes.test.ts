import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { groupRssBytes, processesWithEnvironment, processRow } from './process-table.ts';
import { startSupervisor, stopLeftovers, type Supervisor } from './processes.ts';
import { stopMarked, supervisedBy } from './run-records.ts';

const node = process.execPath;
const forever = 'setInterval(() => {}, 1000);';
const stubborn = `process.on('SIGTERM', () => {}); ${forever} console.log('up');`;

let folder: string;
let runDir: string;
const supervisors: Supervisor[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-processes-'));
  runDir = join(folder, 'run');
});

afterEach(async () => {
  await Promise.all(supervisors.splice(0).map((supervisor) => supervisor.stopAll()));
  await stopMarked(`${runDir}#`);
  rmSync(folder, { recursive: true, force: true });
});

async function supervisor(): Promise<Supervisor> {
  const started = await startSupervisor({ runDir });
  supervisors.push(started);
  return started;
}

const spec = (name: string, code: string) => ({
  name,
  command: node,
  args: ['-e', code],
  logFile: join(folder, `${name}.log`),
});
const isUp = (line: string): boolean => line === 'up';

/** Waits until the condition holds; fails after ten seconds. */
async function eventually(what: string, condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a supervised child', () => {
  test('is ready when its log says so, is recorded while it runs and leaves nothing after the stop', async () => {
    const { spawnChild, children } = await supervisor();
    const child = await spawnChild({ ...spec('echo', `console.log('up'); ${forever}`), ready: isUp });
    expect(child.running()).toBe(true);
    expect(children().map(({ name }) => name)).toEqual(['echo']);
    expect(JSON.parse(readFileSync(join(runDir, 'echo.json'), 'utf8'))).toMatchObject({
      pid: child.pid,
      startTicks: processRow(child.pid)?.startTicks,
    });
    expect(child.rssBytes()).toBeGreaterThan(1_000_000);
    expect(groupRssBytes(child.pid)).toBeGreaterThanOrEqual(1_000_000);
    await child.stop();
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(processRow(child.pid)).toBeUndefined();
    expect(readdirSync(runDir)).toEqual(['supervisor.json']);
  });

  test('that ends before it is ready is a failure with the end of its log', async () => {
    const { spawnChild } = await supervisor();
    const started = spawnChild({ ...spec('broken', `console.log('no disk'); process.exit(3);`), ready: isUp });
    await expect(started).rejects.toMatchObject({
      code: 'process-failed',
      message: expect.stringContaining('no disk'),
    });
  });

  test('that stays silent is stopped when its time is over', async () => {
    const { spawnChild, children } = await supervisor();
    const started = spawnChild({ ...spec('silent', forever), ready: isUp, readyTimeoutMs: 300 });
    await expect(started).rejects.toMatchObject({ code: 'process-failed' });
    expect(children()).toEqual([]);
  });

  test('whose command does not exist is a failure', async () => {
    const { spawnChild } = await supervisor();
    const started = spawnChild({ ...spec('absent', ''), command: join(folder, 'absent') });
    await expect(started).rejects.toMatchObject({ code: 'process-failed' });
  });

  test('can be killed and started again under its name, the log going on', async () => {
    const { spawnChild } = await supervisor();
    const first = await spawnChild({ ...spec('again', `console.log('up'); ${forever}`), ready: isUp });
    first.kill('SIGKILL');
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });
    const second = await spawnChild({ ...spec('again', `console.log('up'); ${forever}`), ready: isUp });
    expect(second.pid).not.toBe(first.pid);
    expect(readFileSync(second.logFile, 'utf8')).toBe('up\nup\n');
  });

  test('that ignores the stop signal is killed with its own children after the grace time', async () => {
    const { spawnChild } = await supervisor();
    const withChild = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(stubborn)}], { stdio: 'inherit' }); process.on('SIGTERM', () => {}); ${forever}`;
    const child = await spawnChild({ ...spec('stubborn', withChild), ready: isUp, graceMs: 200 });
    expect(processesWithEnvironment(supervisedBy, `${runDir}#`)).toHaveLength(2);
    await child.stop();
    expect((await child.exited).signal).toBe('SIGKILL');
    expect(processesWithEnvironment(supervisedBy, `${runDir}#`)).toEqual([]);
  });
});

test('one living supervisor owns a run folder', async () => {
  await supervisor();
  await expect(startSupervisor({ runDir })).rejects.toMatchObject({ code: 'already-running' });
});

test('a record whose pid now belongs to another process stops nobody', async () => {
  const bystander = spawn(node, ['-e', forever], { stdio: 'ignore', detached: true });
  try {
    const row = processRow(bystander.pid!)!;
    const { spawnChild } = await supervisor();
    const child = await spawnChild(spec('real', forever));
    const record = JSON.parse(readFileSync(join(runDir, 'real.json'), 'utf8'));
    await child.stop();
    await supervisors.pop()!.stopAll();
    writeFileSync(
      join(runDir, 'old.json'),
      JSON.stringify({ ...record, name: 'old', pid: row.pid, startTicks: row.startTicks - 1 }),
    );
    await stopLeftovers(runDir);
    expect(processRow(row.pid)).toEqual(row);
    expect(readdirSync(runDir)).toEqual([]);
  } finally {
    bystander.kill('SIGKILL');
  }
});

test('reset refuses while a supervisor runs and removes the folder afterwards', async () => {
  const reset = (): number | null => {
    const script = fileURLToPath(new URL('./reset.ts', import.meta.url));
    return spawnSync(node, [script, folder], { stdio: 'ignore' }).status;
  };
  const { spawnChild, stopAll } = await supervisor();
  const child = await spawnChild(spec('kept', forever));
  expect(reset()).toBe(3);
  expect(child.running()).toBe(true);
  await stopAll();
  expect(reset()).toBe(0);
  expect(existsSync(folder)).toBe(false);
});

/** A process that supervises three children: a plain one, one with its own child, and a stubborn one. */
function parentScript(ending: string): string {
  const processes = JSON.stringify(new URL('./processes.ts', import.meta.url).href);
  const children = [
    { ...spec('plain', `console.log('up'); ${forever}`) },
    {
      ...spec(
        'nested',
        `require('node:child_process').spawn('sleep', ['1000'], { detached: true }); console.log('up'); ${forever}`,
      ),
    },
    { ...spec('stubborn', stubborn), graceMs: 300 },
  ];
  return `
    import { startSupervisor } from ${processes};
    const supervisor = await startSupervisor({ runDir: ${JSON.stringify(runDir)}, endOnSignals: true });
    for (const child of ${JSON.stringify(children)}) await supervisor.spawnChild({ ...child, ready: (line) => line === 'up' });
    console.log('started');
    ${ending}
    ${forever}
  `;
}

async function startParent(ending = ''): Promise<ReturnType<typeof spawn>> {
  const parent = spawn(node, ['--input-type=module', '-e', parentScript(ending)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  for await (const chunk of parent.stdout) if (String(chunk).includes('started')) return parent;
  throw new Error('the parent ended before it had started its children');
}

const family = () => processesWithEnvironment(supervisedBy, `${runDir}#`);
const reapers = () => {
  const byCommand = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  return readdirSync('/proc').filter((entry) => {
    try {
      return (
        /^[0-9]+$/.test(entry) && byCommand(Number(entry)).includes(`reaper.ts\0${runDir}`) && processRow(Number(entry))
      );
    } catch {
      return false;
    }
  });
};

describe('when the supervisor ends', () => {
  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'by %s no child, no reaper and no record stays',
    async (signal) => {
      const parent = await startParent();
      expect(family()).toHaveLength(4);
      expect(reapers()).toHaveLength(1);
      const exit = once(parent, 'exit');
      parent.kill(signal);
      const [code] = await exit;
      if (signal === 'SIGINT') expect(code).toBe(130);
      await eventually('all processes are gone', () => family().length === 0 && reapers().length === 0);
      expect(readdirSync(runDir)).toEqual([]);
    },
  );

  test.each([
    ['an uncaught exception', `setImmediate(() => { throw new Error('bug'); });`],
    ['process.exit without a stop', 'setImmediate(() => process.exit(0));'],
  ])('by %s no child, no reaper and no record stays', async (_, ending) => {
    await startParent(ending);
    await eventually('all processes are gone', () => family().length === 0 && reapers().length === 0);
    expect(readdirSync(runDir)).toEqual([]);
  });

  test('together with its reaper, the next start stops what is left', async () => {
    const parent = await startParent();
    for (const pid of reapers()) process.kill(Number(pid), 'SIGKILL');
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    expect(family()).toHaveLength(4);
    await supervisor();
    expect(family()).toEqual([]);
    expect(readdirSync(runDir)).toEqual(['supervisor.json']);
  });
});
