import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const calls = new URL('./outstanding-calls.ts', import.meta.url).href;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-leave-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Leaves while a thread of Node's pool opens a file, and says how the process ended. */
async function leaving(file: string): Promise<{ stdout: string; signal: string | null; code: number }> {
  const script = `
    import { readFile } from 'node:fs/promises';
    import { leave, outstanding } from '${calls}';
    const reading = outstanding(readFile('${file}')).catch(() => undefined);
    process.stdout.write('said\\n');
    if ('${file}' === '/dev/null') await reading;
    leave(7);`;
  return new Promise((resolve) => {
    execFile(process.execPath, ['--input-type=module', '--eval', script], { timeout: 8_000 }, (error, stdout) => {
      resolve({ stdout, signal: error?.signal ?? null, code: Number(error?.code ?? 0) });
    });
  });
}

test('a process ends although a thread of it hangs, and has said why before', async () => {
  const fifo = join(folder, 'fifo');
  execFileSync('sh', ['-c', 'mkfifo "$0"', fifo]);
  expect(await leaving(fifo)).toMatchObject({ stdout: 'said\n', signal: 'SIGKILL' });
}, 15_000);

test('a process in which nothing hangs ends with its code', async () => {
  expect(await leaving('/dev/null')).toEqual({ stdout: 'said\n', signal: null, code: 7 });
}, 15_000);
