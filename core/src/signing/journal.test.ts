import { expect, test } from 'vitest';
import { decodeRecord, emptyHead, encodeRecord, type JournalEntry } from './journal-record.ts';
import { applyRecord, chargedInWindow, emptyState } from './journal-state.ts';

const started: JournalEntry = { kind: 'started', body: { boot_id: 'b', build: '0' } };

function accepted(digest: string, amount: string, txid = '11'): JournalEntry {
  return {
    kind: 'accepted',
    body: {
      network: 'n',
      txid: txid.repeat(32),
      conflict_keys: ['k'],
      digests: [digest.repeat(32)],
      height: 1,
      charges: [{ asset: 'a', amount }],
    },
  };
}

test('reads back what it wrote, link by link', () => {
  const first = encodeRecord(emptyHead, started, 5);
  const second = encodeRecord(first.head, accepted('aa', '7'), 6);
  const readFirst = decodeRecord(emptyHead, first.line);
  expect(readFirst.head).toEqual(first.head);
  expect(decodeRecord(readFirst.head, second.line)).toEqual({ record: second.record, head: second.head });
});

test('never writes a time before the record that it follows', () => {
  const first = encodeRecord(emptyHead, started, 1_000);
  expect(encodeRecord(first.head, started, 900).record.at_ms).toBe(1_000);
});

test.each<[string, (line: string) => string]>([
  ['a changed amount', (line) => line.replace('"amount":"7"', '"amount":"8"').replace('"seq":2', '"seq":2')],
  ['a record that is missing before it', (line) => line.replace('"seq":2', '"seq":3')],
  ['another predecessor', (line) => line.replace(/"prev":"[0-9a-f]{2}/, '"prev":"00')],
  ['an unknown field', (line) => line.replace('{', '{"extra":1,')],
  ['an unknown kind', (line) => line.replace('"kind":"accepted"', '"kind":"approved"')],
  ['spaces', (line) => line.replace(',', ', ')],
  ['an earlier time', (line) => line.replace('"at_ms":6', '"at_ms":4')],
])('refuses %s', (name, alter) => {
  const first = encodeRecord(emptyHead, started, 5);
  const second = encodeRecord(first.head, accepted('aa', '7'), 6);
  const altered = alter(second.line);
  expect(altered).not.toBe(second.line);
  // A changed value inside one record shows in the link of the next.
  const third = encodeRecord(second.head, started, 7);
  const replay = () => decodeRecord(decodeRecord(first.head, altered).head, third.line);
  expect(replay, name).toThrow(expect.objectContaining({ code: 'journal-broken' }));
});

test('counts a charge for 24 hours and then no more', () => {
  const state = emptyState();
  const record = encodeRecord(emptyHead, accepted('aa', '7'), 1_000_000_000).record;
  applyRecord(state, record);
  expect(chargedInWindow(state, 'a', 1_000_000_000)).toBe(7n);
  expect(chargedInWindow(state, 'a', 1_000_000_000 + 86_399_999)).toBe(7n);
  expect(chargedInWindow(state, 'a', 1_000_000_000 + 86_400_000 + 60_000)).toBe(0n);
  expect(chargedInWindow(state, 'b', 1_000_000_000)).toBe(0n);
});
