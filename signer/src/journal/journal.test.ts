import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JournalEntry } from '@holdfast/core/signing/journal-record.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createJournalFile, openJournal } from './journal.ts';

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
  expect(journal.state.addresses.get('n 1')).toEqual({ customer: 'c', address: 'a1' });
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
