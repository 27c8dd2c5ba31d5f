import { Failure } from '@holdfast/core/failure.ts';
import { decodeRecord, emptyHead, encodeRecord, type JournalEntry } from '@holdfast/core/signing/journal-record.ts';
import { expect, test, vi } from 'vitest';
import type { Journal } from '../journal/journal.ts';
import { assertBlockTime, refusalRecorder } from './wallet.ts';

/** A recorder whose time and journal a test moves; what it writes and logs. */
function recorder() {
  const written: JournalEntry[] = [];
  const lines: Record<string, unknown>[] = [];
  const at = { nowMs: 7_200_000, usable: true };
  const append = async (entry: JournalEntry): Promise<void> => {
    if (!at.usable) throw new Failure('journal-broken', 'the disk is full');
    // As the schema has it.
    decodeRecord(emptyHead, encodeRecord(emptyHead, entry, at.nowMs).line);
    written.push(entry);
  };
  const recorded = refusalRecorder({ journal: { append } as Journal, clock: () => at.nowMs });
  const write = vi
    .spyOn(process.stdout, 'write')
    .mockImplementation((text) => lines.push(JSON.parse(String(text)) as Record<string, unknown>) > 0);
  const refuse = async (times = 1): Promise<void> => {
    for (let left = times; left > 0; left -= 1) {
      const run = recorded(
        'n',
        () => [],
        () => Promise.reject(new Failure('fee-too-high', 'x')),
      );
      await expect(run).rejects.toThrow('x');
    }
  };
  return { at, written, lines, refuse, restore: () => write.mockRestore() };
}
const plainly = { kind: 'refused', body: { network: 'n', code: 'fee-too-high', digests: [] } };
const counting = (suppressed: number) => ({ ...plainly, body: { ...plainly.body, suppressed } });

test('logs and journals 500 refusals an hour and no more; the first one above raises an alarm', async () => {
  const { at, written, lines, refuse, restore } = recorder();
  await refuse(500);
  expect(lines.every(({ event }) => event === 'refused')).toBe(true);
  await refuse(10);
  expect([written.length, lines.length]).toEqual([500, 501]);
  expect(lines.at(-1)).toMatchObject({ event: 'alarm', alarm: 'refusals-suppressed', network: 'n' });
  at.nowMs += 3_600_000;
  await refuse(502);
  restore();
  expect([written.length, lines.length]).toEqual([1_000, 1_002]);
  expect(lines.filter(({ event }) => event === 'alarm')).toHaveLength(2);
});

test('the next record says how many refusals were not recorded, once', async () => {
  const { at, written, refuse, restore } = recorder();
  await refuse(510);
  at.nowMs += 3_600_000;
  await refuse(2);
  restore();
  expect(written.slice(499)).toEqual([plainly, counting(10), plainly]);
});

test('refusals that were not recorded are not forgotten while the journal cannot be written', async () => {
  const { at, written, refuse, restore } = recorder();
  await refuse(507);
  at.nowMs += 3_600_000;
  at.usable = false;
  await refuse();
  at.usable = true;
  await refuse();
  restore();
  expect(written.slice(500)).toEqual([counting(7)]);
});

const network = { network: 'eip155:1', block_age_s_max: 3_600 };
const behind = (message: string) =>
  expect.objectContaining({
    code: 'clock-behind',
    message: expect.stringContaining(message),
    fix: expect.stringMatching(/clocks.*node/),
  });

test('a block two hours ahead is still believed, a millisecond more is not', () => {
  const nowMs = 1_700_000_000_000;
  expect(() => assertBlockTime(nowMs + 7_200_000, nowMs, network)).not.toThrow();
  expect(() => assertBlockTime(nowMs + 7_200_001, nowMs, network)).toThrow(behind('7200001 ms ahead'));
});

test('a newest block as old as the policy takes is believed, a millisecond more is not', () => {
  const nowMs = 1_700_000_000_000;
  expect(() => assertBlockTime(nowMs - 3_600_000, nowMs, network)).not.toThrow();
  expect(() => assertBlockTime(nowMs - 3_600_001, nowMs, network)).toThrow(behind('3600 s old'));
  expect(() => assertBlockTime(nowMs - 5 * 86_400_000, nowMs, network)).toThrow(
    behind(
      'eip155:1, of 2023-11-09T22:13:20.000Z, is 432000 s old by the clock, 2023-11-14T22:13:20.000Z; the policy takes 3600 s',
    ),
  );
});
