import { Failure } from '@holdfast/core/failure.ts';
import type { JournalEntry } from '@holdfast/core/signing/journal-record.ts';
import { expect, test, vi } from 'vitest';
import type { Journal } from '../journal/journal.ts';
import { refusalRecorder } from './wallet.ts';

test('logs and journals 500 refusals an hour and no more', async () => {
  const written: JournalEntry[] = [];
  const lines: string[] = [];
  const append = async (entry: JournalEntry): Promise<void> => void written.push(entry);
  const journal = { append } as Journal;
  let nowMs = 7_200_000;
  const recorded = refusalRecorder({ journal, keys: new Map(), clock: () => nowMs, expiryAheadMsMax: 0 });
  const refuse = () => recorded('n', [], () => Promise.reject(new Failure('fee-too-high', 'x')));
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
  for (let at = 0; at < 510; at += 1) await expect(refuse()).rejects.toThrow(Failure);
  const counts = [written.length, lines.length];
  nowMs += 3_600_000;
  await expect(refuse()).rejects.toThrow(Failure);
  write.mockRestore();
  expect([...counts, written.length, lines.length]).toEqual([500, 500, 501, 501]);
});
