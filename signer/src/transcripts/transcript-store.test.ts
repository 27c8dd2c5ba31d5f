import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openTranscriptStore, transcriptHash, transcriptLine } from './transcript-store.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-transcripts-'));
  path = join(folder, 'transcripts.jsonl');
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const address = `0x${'11'.repeat(20)}`;
const request = (nonce: number): SigningRequest => ({
  family: 'evm',
  body: {
    network: 'eip155:1',
    safe_transaction: { to: address, value: '1', data: '0x', operation: 0, nonce: String(nonce) },
    intents: [],
  },
});

test('finds what was written, after a restart too, and writes the same request once', async () => {
  const store = await openTranscriptStore(path);
  const hashes = await Promise.all([1, 2, 1, 3].map((nonce) => store.append(transcriptLine(request(nonce)))));
  expect(hashes[0]).toBe(hashes[2]);
  expect(hashes[1]).toBe(transcriptHash(request(2)));
  await store.close();
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(4);
  const again = await openTranscriptStore(path);
  for (const [at, nonce] of [1, 2, 1, 3].entries()) expect(await again.read(hashes[at] ?? '')).toEqual(request(nonce));
  expect(await again.append(transcriptLine(request(3)))).toBe(hashes[3]);
  await again.close();
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(4);
});

test('cuts a torn last line and goes on behind it', async () => {
  const store = await openTranscriptStore(path);
  const first = await store.append(transcriptLine(request(1)));
  await store.close();
  appendFileSync(path, '{"family":"evm","bo');
  const again = await openTranscriptStore(path);
  const second = await again.append(transcriptLine(request(2)));
  expect(await again.read(first)).toEqual(request(1));
  expect(await again.read(second)).toEqual(request(2));
  await again.close();
  expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(2);
});

test('does not know a line that was changed on the disk', async () => {
  const store = await openTranscriptStore(path);
  const hash = await store.append(transcriptLine(request(1)));
  writeFileSync(path, readFileSync(path, 'utf8').replace('"value":"1"', '"value":"9"'));
  await expect(store.read(hash)).rejects.toMatchObject({ code: 'journal-broken' });
  await store.close();
  const again = await openTranscriptStore(path);
  expect(again.has(hash)).toBe(false);
  await again.close();
});
