import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type * as ColdFiles from './cold-files.ts';
import { makeKeys } from './cold-keys.ts';

/** A disk that keeps something else than what it was given. */
const disk = vi.hoisted(() => ({ keeps: (text: string) => text }));
vi.mock('./cold-files.ts', async (original) => {
  const files = await original<typeof ColdFiles>();
  return { ...files, writeNew: (file: string, text: string) => files.writeNew(file, disk.keeps(text)) };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-test-keys-'));
});
afterEach(() => {
  disk.keeps = (text) => text;
  rmSync(folder, { recursive: true, force: true });
});

const make = (name: string) =>
  makeKeys(join(folder, name), name, Buffer.from('a long passphrase'), { memory_kib: 64, passes: 1 });

test('a card is shown only of keys that the written file gives back', async () => {
  let other = '';
  disk.keeps = (text) => (other = text);
  await make('ada');
  // Keys of another folder, sealed under the same passphrase.
  disk.keeps = () => other;
  await expect(make('ben')).rejects.toThrow('does not hold the keys that were just sealed');
  disk.keeps = (text) => text.replace(/"ciphertext":"../, '"ciphertext":"');
  await expect(make('cyd')).rejects.toMatchObject({ code: 'wrong-passphrase' });
});
