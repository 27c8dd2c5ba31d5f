import type * as FsPromises from 'node:fs/promises';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JournalEntry } from '@holdfast/core/signing/journal-record.ts';
import { createMerkleTree } from '@holdfast/core/audit/merkle-tree.ts';
import { leafHash } from '@holdfast/core/audit/leaf-hash.ts';
import { verifyConsistency } from '@holdfast/core/audit/verify-consistency.ts';
import { verifyInclusion } from '@holdfast/core/audit/verify-inclusion.ts';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createJournalFile, openJournal } from './journal.ts';

/**
 * `bytesLeft`: set, the next write stores that many bytes and fails like a full disk. `failsSync`: a flush fails like a broken
 * one, once, and the next ones say that all is well, as Linux does. `synced`: what is on the disk by the last flush that was
 * true; the rest is in memory, and gone after a power cut.
 */
const disk = vi.hoisted(() => ({
  bytesLeft: null as number | null,
  failsSync: false,
  flushes: 0,
  /** Writes since the last flush, true or not. */
  dirty: [] as [number, Buffer][],
  synced: Buffer.alloc(0),
}));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof FsPromises>();
  const open: typeof real.open = async (...args) => {
    const file = await real.open(...args);
    const write = file.appendFile.bind(file);
    const put = file.write.bind(file) as (
      data: Buffer,
      offset: number,
      length: number,
      at: number,
    ) => Promise<{ bytesWritten: number }>;
    file.write = (async (data: Buffer, offset: number, length: number, at: number) => {
      disk.dirty.push([at, Buffer.from(data.subarray(offset, offset + length))]);
      return put(data, offset, length, at);
    }) as typeof file.write;
    const flush = file.datasync.bind(file);
    file.datasync = async () => {
      disk.flushes += 1;
      await flush();
      const { dirty } = disk;
      disk.dirty = [];
      if (disk.failsSync) {
        disk.failsSync = false;
        throw Object.assign(new Error('i/o error'), { code: 'EIO' });
      }
      for (const [at, bytes] of dirty) {
        const longer = Buffer.alloc(Math.max(disk.synced.length, at + bytes.length));
        disk.synced.copy(longer);
        bytes.copy(longer, at);
        disk.synced = longer;
      }
    };
    file.appendFile = async (data, options) => {
      if (disk.bytesLeft === null) {
        disk.dirty.push([(await file.stat()).size, Buffer.from(data as Buffer)]);
        return write(data, options);
      }
      await write((data as Buffer).subarray(0, disk.bytesLeft));
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    };
    return file;
  };
  return { ...real, open };
});

let folder: string;
let path: string;
let nowMs = 1_000_000;
const clock = () => nowMs;
/** In step with the clock: what a test sets is the time of a restart. */
const inStep = () => nowMs;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-journal-'));
  path = join(folder, 'journal.jsonl');
  nowMs = 1_000_000;
  createJournalFile(path, 'signer-1', nowMs);
  Object.assign(disk, { bytesLeft: null, failsSync: false, flushes: 0, dirty: [], synced: readFileSync(path) });
});
afterEach(() => rmSync(folder, { recursive: true }));

function address(index: number): JournalEntry {
  return { kind: 'address', body: { network: 'n', customer: 'c', index, address: `a${index}` } };
}

async function writeThree(): Promise<string[]> {
  const journal = await openJournal(path, clock, inStep);
  await Promise.all([1, 2, 3].map((index) => journal.append(address(index))));
  await journal.close();
  return readFileSync(path, 'utf8').trimEnd().split('\n');
}

test('rebuilds its state and goes on in the chain', async () => {
  await writeThree();
  const journal = await openJournal(path, clock, inStep);
  expect([...journal.state.addresses.keys()]).toEqual(['n 1', 'n 2', 'n 3']);
  expect(journal.head().seq).toBe(4);
  await journal.append(address(4));
  await journal.close();
  const again = await openJournal(path, clock, inStep);
  expect(again.head().seq).toBe(5);
  await again.close();
});

test('an entry counts at once, and is on the disk when append resolves', async () => {
  const journal = await openJournal(path, clock, inStep);
  const written = journal.append(address(1));
  expect(journal.state.addresses.get('n 1')).toEqual({ customer: 'c', address: 'a1', epoch: 1 });
  await written;
  expect(readFileSync(path, 'utf8')).toMatch(/"index":1.*\n$/);
  await journal.close();
});

test('flushed waits for what others have appended, and fails when that failed', async () => {
  const journal = await openJournal(path, clock, inStep);
  let resolved = false;
  void journal.append(address(1)).then(() => (resolved = true));
  await journal.flushed();
  expect(resolved).toBe(true);
  await journal.close();
  const lost = journal.append(address(2));
  await expect(journal.flushed()).rejects.toMatchObject({ code: 'journal-broken' });
  await expect(lost).rejects.toMatchObject({ code: 'journal-broken' });
});

test.each(['{"seq":4', '{"seq":4,"kind":"address"}', '\0\0\0\0'])(
  'cuts the incomplete last record %j and goes on',
  async (torn) => {
    const lines = await writeThree();
    appendFileSync(path, torn);
    const journal = await openJournal(path, clock, inStep);
    expect(journal.head().seq).toBe(4);
    await journal.append(address(4));
    await journal.close();
    expect(readFileSync(path, 'utf8').trimEnd().split('\n').slice(0, 4)).toEqual(lines);
    const again = await openJournal(path, clock, inStep);
    expect(again.head().seq).toBe(5);
    await again.close();
  },
);

test.each<[string, (lines: string[]) => string[]]>([
  ['a changed record', (lines) => lines.map((line) => line.replace('"a2"', '"a9"'))],
  ['a missing record', ([a, , c]) => [a ?? '', c ?? '']],
  ['a missing first record', ([, b, c]) => [b ?? '', c ?? '']],
  ['records in another order', ([a, b, c]) => [b ?? '', a ?? '', c ?? '']],
  ['a record twice', ([a, b, c]) => [a ?? '', b ?? '', b ?? '', c ?? '']],
  ['nothing in it', () => []],
  ['a whole line that is not JSON at the end', (lines) => [...lines, 'x']],
  ['an empty line', ([a, b, c]) => [a ?? '', '', b ?? '', c ?? '']],
])('refuses a journal with %s', async (_name, alter) => {
  const lines = await writeThree();
  const altered = alter(lines);
  expect(altered).not.toEqual(lines);
  writeFileSync(path, altered.map((line) => `${line}\n`).join(''));
  await expect(openJournal(path, clock, inStep)).rejects.toMatchObject({ code: 'journal-broken' });
});

test('refuses a journal that is missing, and makes none', async () => {
  rmSync(path);
  await expect(openJournal(path, clock, inStep)).rejects.toMatchObject({
    code: 'journal-broken',
    fix: expect.stringMatching(/backup/),
  });
  expect(existsSync(path)).toBe(false);
});

test('two processes on one journal: what the second one accepts is never released', async () => {
  const [first, second] = [await openJournal(path, clock, inStep), await openJournal(path, clock, inStep)];
  await first.append(address(1));
  await expect(second.append(address(2))).rejects.toMatchObject({ code: 'journal-broken' });
  await expect(first.append(address(3))).rejects.toMatchObject({ code: 'journal-broken' });
  await Promise.all([first.close(), second.close()]);
});

test.each([60_001, -60_001])('refuses, and writes nothing, when the clock jumps by %d ms', async (jumpMs) => {
  let monotonicMs = 5;
  const journal = await openJournal(path, clock, () => monotonicMs);
  nowMs += 90_000_000;
  monotonicMs += 90_000_000;
  await journal.append(address(1));
  const before = readFileSync(path, 'utf8');
  monotonicMs -= jumpMs - Math.sign(jumpMs);
  expect(() => journal.assertUsable()).not.toThrow();
  monotonicMs -= Math.sign(jumpMs);
  await expect(journal.append(address(2))).rejects.toMatchObject({
    code: 'clock-behind',
    message: expect.stringMatching(/jumped/),
  });
  await journal.close();
  expect(readFileSync(path, 'utf8')).toBe(before);
});

test('refuses when the clock is behind the last record, until it is repaired', async () => {
  await writeThree();
  nowMs -= 2_001;
  const journal = await openJournal(path, clock, inStep);
  await expect(journal.append(address(4))).rejects.toMatchObject({ code: 'clock-behind' });
  expect(() => journal.assertUsable()).toThrow(expect.objectContaining({ code: 'clock-behind' }));
  nowMs += 1;
  await journal.append(address(4));
  await journal.close();
});

test('appends nothing more after a write has failed', async () => {
  const journal = await openJournal(path, clock, inStep);
  await journal.close();
  await expect(journal.append(address(1))).rejects.toMatchObject({ code: 'journal-broken' });
  await expect(journal.append(address(2))).rejects.toMatchObject({ code: 'journal-broken' });
  expect(readFileSync(path, 'utf8')).not.toContain('"address"');
});

test.each([0, 20])(
  'a full disk after %d bytes: refuses from then on, says how to repair, and a restart goes on',
  async (bytesLeft) => {
    const journal = await openJournal(path, clock, inStep);
    await journal.append(address(1));
    disk.bytesLeft = bytesLeft;
    const full = {
      code: 'journal-broken',
      message: expect.stringMatching(/disk is full/),
      fix: expect.stringMatching(/room/),
    };
    const both = await Promise.allSettled([journal.append(address(2)), journal.append(address(3))]);
    for (const one of both) expect(one).toMatchObject({ status: 'rejected', reason: full });
    disk.bytesLeft = null;
    expect(() => journal.assertUsable()).toThrow(expect.objectContaining(full));
    await expect(journal.append(address(4))).rejects.toMatchObject(full);
    expect(journal.audit.size()).toBe(2);
    await journal.close();
    const again = await openJournal(path, clock, inStep);
    expect(again.head().seq).toBe(2);
    await again.append(address(2));
    expect(again.audit.size()).toBe(3);
    await again.close();
  },
);

test('after a flush that failed nothing is released, and no second flush is believed', async () => {
  const journal = await openJournal(path, clock, inStep);
  await journal.append(address(1));
  const before = disk.flushes;
  disk.failsSync = true;
  const broken = { code: 'journal-broken', message: expect.stringMatching(/disk fails/) };
  const both = await Promise.allSettled([journal.append(address(2)), journal.append(address(3))]);
  for (const one of both) expect(one).toMatchObject({ status: 'rejected', reason: broken });
  await expect(journal.append(address(4))).rejects.toMatchObject(broken);
  await expect(journal.flushed()).rejects.toMatchObject(broken);
  expect(() => journal.assertUsable()).toThrow(expect.objectContaining(broken));
  expect(disk.flushes).toBe(before + 1);
  await journal.close();
});

test('what a failed flush left in memory is on the disk before a restart relies on it', async () => {
  const journal = await openJournal(path, clock, inStep);
  disk.failsSync = true;
  await expect(journal.append(address(1))).rejects.toMatchObject({ code: 'journal-broken' });
  await journal.close();
  // The file reads as if it were written; the disk has it not.
  expect(readFileSync(path, 'utf8')).toContain('"address"');
  expect(disk.synced.toString()).not.toContain('"address"');
  disk.failsSync = true;
  await expect(openJournal(path, clock, inStep)).rejects.toMatchObject({ code: 'journal-broken' });
  const again = await openJournal(path, clock, inStep);
  expect(again.head().seq).toBe(2);
  expect(disk.synced.toString()).toBe(readFileSync(path, 'utf8'));
  await again.close();
});

test('a broken record is named with its file and line, and how to repair it', async () => {
  const lines = await writeThree();
  writeFileSync(path, lines.map((line) => `${line.replace('"a2"', '"a9"')}\n`).join(''));
  await expect(openJournal(path, clock, inStep)).rejects.toMatchObject({
    message: `${path}, line 4: record 4 does not follow the one before it`,
    fix: expect.stringMatching(/backup/),
  });
});

test.each([
  [
    'starts with another record',
    (line: string) =>
      line.replace('"created"', '"started"').replace('"signer":"signer-1"', '"boot_id":"b","build":"1"'),
  ],
  [
    'is created twice',
    (line: string) =>
      `${line}\n${line.replace('"seq":1', '"seq":2').replace('0'.repeat(64), bytesToHex(sha256(utf8ToBytes(line))))}`,
  ],
])('refuses a journal that %s', async (_name, alter) => {
  const [line = ''] = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, `${alter(line)}\n`);
  await expect(openJournal(path, clock, inStep)).rejects.toMatchObject({
    code: 'journal-broken',
    message: expect.stringMatching(/only the first one is 'created'/),
  });
});

test('the audit log is the tree over the lines on the disk, the same after a restart', async () => {
  const lines = await writeThree();
  const tree = createMerkleTree();
  for (const line of lines) tree.append(leafHash(utf8ToBytes(line)));
  const journal = await openJournal(path, clock, inStep);
  expect(journal.audit.size()).toBe(4);
  expect(journal.audit.rootAt(4)).toBe(bytesToHex(tree.rootAt(4)));
  const written = journal.append(address(4));
  expect(journal.audit.size()).toBe(4);
  await written;
  expect(journal.audit.size()).toBe(5);
  const [root, oldRoot] = [hexToBytes(journal.audit.rootAt(5)), hexToBytes(journal.audit.rootAt(4))];
  const proof = journal.audit.consistency(4, 5).map(hexToBytes);
  expect(verifyConsistency({ from: 4, fromRoot: oldRoot, to: 5, toRoot: root, proof })).toBe(true);
  const leaf = leafHash(utf8ToBytes(lines[1] ?? ''));
  const path2 = journal.audit.inclusion(2, 5).map(hexToBytes);
  expect(verifyInclusion({ leaf, index: 1, size: 5, proof: path2, root })).toBe(true);
  await journal.close();
});

test('gives the hash of every record, also of one that waits for the disk', async () => {
  const lines = await writeThree();
  const journal = await openJournal(path, clock, inStep);
  expect([1, 2, 3, 4].map(journal.hashAt)).toEqual(lines.map((line) => bytesToHex(sha256(utf8ToBytes(line)))));
  const written = journal.append(address(4));
  expect(journal.hashAt(5)).toBe(journal.head().hash);
  expect([0, 6, -1].map(journal.hashAt)).toEqual([null, null, null]);
  await written;
  await journal.close();
});
