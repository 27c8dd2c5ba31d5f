import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { processesWithEnvironment } from '@holdfast/devnet/process-table.ts';

const script = fileURLToPath(new URL('../../devnet/src/start.ts', import.meta.url));
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'holdfast start-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Runs the start command as a shell does, in a process group of its own, whose members Ctrl-C signals all at once. */
function start(
  onOutput: (text: string, interrupt: () => void) => void,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [script, '--once', '--folder', join(root, 'data')], { detached: true });
  let output = '';
  const interrupt = (): void => void process.kill(-child.pid!, 'SIGINT');
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
    onOutput(output, interrupt);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}

const left = (): string[] =>
  processesWithEnvironment('HOLDFAST_SUPERVISED_BY', join(root, 'data')).map((row) => String(row.pid));

it('tells the whole story, exits with 0 and leaves no process', { timeout: 180_000 }, async () => {
  const { code, output } = await start(() => undefined);
  expect(output).toContain('✓ The books balance');
  expect(output).toMatch(/Withdrawal +Charged +Network fee +Transaction/);
  expect(code, output.slice(-3_000)).toBe(0);
  expect(left()).toEqual([]);
});

it('stops every process when it is interrupted in the middle', { timeout: 120_000 }, async () => {
  let sent = false;
  const { code } = await start((output, interrupt) => {
    if (sent || !output.includes('… Coins arrive')) return;
    sent = true;
    interrupt();
  });
  expect(sent).toBe(true);
  expect(code).not.toBe(0);
  expect(left()).toEqual([]);
});
