import type * as FileSystem from 'node:fs';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { replaceFile, writeNew } from './cold-files.ts';

/** What the file system refuses, by the error that it gives. */
const refuses = vi.hoisted(() => ({ link: '', sync: 0 }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof FileSystem>();
  const fail = (code: string): never => {
    throw Object.assign(new Error(code), { code });
  };
  return {
    ...fs,
    linkSync: (...args: Parameters<typeof fs.linkSync>) =>
      refuses.link === '' ? fs.linkSync(...args) : fail(refuses.link),
    fsyncSync: (descriptor: number) => (--refuses.sync === 0 ? fail('ENOSPC') : fs.fsyncSync(descriptor)),
  };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-test-files-'));
});
afterEach(() => {
  Object.assign(refuses, { link: '', sync: 0 });
  rmSync(folder, { recursive: true, force: true });
});

test.each(['', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP'])('writes a new file once, and never over another (%s)', (code) => {
  refuses.link = code;
  const file = join(folder, 'card');
  writeNew(file, 'one');
  expect(() => writeNew(file, 'two')).toThrow('is there already');
  expect(readFileSync(file, 'utf8')).toBe('one');
  expect(readdirSync(folder)).toEqual(['card']);
});

test('does not take another refusal of a link for a memory stick', () => {
  refuses.link = 'EIO';
  expect(() => writeNew(join(folder, 'card'), 'one')).toThrow('cannot be written: EIO');
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  ['of the temporary file', '', 1],
  ['of a file on a memory stick', 'EPERM', 2],
])('leaves nothing when no room is left %s', (_what, link, sync) => {
  const full = expect.objectContaining({
    code: 'invalid-request',
    message: expect.stringContaining('no room is left') as string,
  }) as Error;
  Object.assign(refuses, { link, sync });
  expect(() => writeNew(join(folder, 'card'), 'one')).toThrow(full);
  expect(readdirSync(folder)).toEqual([]);
});

test('keeps the old content of a register when no room is left for the new one', () => {
  const file = join(folder, 'register.json');
  writeFileSync(file, 'old');
  refuses.sync = 1;
  expect(() => replaceFile(file, 'new')).toThrow('no room is left');
  expect(readFileSync(file, 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['register.json']);
});
