import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('a write that the system cuts short is an error, and the old content stays', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-durable-'));
  const path = join(folder, 'file');
  writeFileSync(path, 'old');
  const module = JSON.stringify(new URL('./durable-file.ts', import.meta.url).href);
  const script = `import(${module}).then((m) => m.writeFileDurably(${JSON.stringify(path)}, 'x'.repeat(100_000)))`;
  // No file of the child may grow above a few kilobytes: the first write stores a part of the text and says how much.
  const result = spawnSync('sh', ['-c', 'ulimit -f 4 && exec "$0" -e "$1"', process.execPath, script], {
    encoding: 'utf8',
  });
  expect(result.stderr).toContain('EFBIG');
  expect(readFileSync(path, 'utf8')).toBe('old');
  rmSync(folder, { recursive: true });
});
