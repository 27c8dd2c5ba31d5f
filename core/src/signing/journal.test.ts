import { expect, test } from 'vitest';
import { decodeRecord, emptyHead, encodeRecord, type JournalEntry } from './journal-record.ts';
import { applyRecord, emptyState } from './journal-state.ts';
import { chargedInWindow } from './rolling-charges.ts';

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
      request: '77'.repeat(32),
      policy: 1,
      by: 'signer-1',
      positions: [],
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

test('counts a charge for an hour in the window of an hour', () => {
  const state = emptyState();
  applyRecord(state, encodeRecord(emptyHead, accepted('aa', '7'), 1_000_000_000).record);
  expect(chargedInWindow(state, 'a', 1_000_000_000 + 3_599_999, 'hour')).toBe(7n);
  expect(chargedInWindow(state, 'a', 1_000_000_000 + 3_600_000 + 60_000, 'hour')).toBe(0n);
});

test('forgets the minutes of a budget that have left the day', () => {
  const state = emptyState();
  for (let hour = 0; hour < 60; hour += 1) {
    const record = encodeRecord(emptyHead, accepted('aa', '1', hour.toString(16).padStart(2, '0')), hour * 3_600_000);
    applyRecord(state, record.record);
  }
  expect(state.charges.get('a')?.size).toBe(25);
  expect(chargedInWindow(state, 'a', 59 * 3_600_000)).toBe(25n);
});

test('remembers ceremony, policies, countersigned heads, tree heads and who signed what', () => {
  const state = emptyState();
  const hash = 'cc'.repeat(32);
  const statement = { version: 1, signer: 'signer-2', network: 'n', txid: '11'.repeat(32), request: hash } as const;
  const signed: JournalEntry = { kind: 'signed', body: { statement, signature: '00'.repeat(64) } };
  const checkpoint = { version: 1, signer: 'signer-2', size: 3, root: hash } as const;
  const written: JournalEntry[] = [
    { kind: 'ceremony', body: { transcript: hash } },
    { kind: 'policy', body: { version: 2, digest: hash, change: 'looser', effective_at_ms: 9 } },
    { kind: 'countersigned', body: { signer: 'signer-2', seq: 4, hash } },
    { kind: 'cosigned', body: { checkpoint } },
    accepted('aa', '7'),
    signed,
    signed,
  ];
  let head = emptyHead;
  for (const one of written) {
    const encoded = encodeRecord(head, one, 5);
    head = encoded.head;
    applyRecord(state, encoded.record);
  }
  expect(state.ceremony).toBe(hash);
  expect(state.policies.get(2)).toEqual({ digest: hash, effectiveAtMs: 9 });
  expect(state.countersigned.get('signer-2')).toEqual({ seq: 4, hash });
  expect(state.cosigned.get('signer-2')).toEqual(checkpoint);
  expect(state.signed.get(`n ${'11'.repeat(32)}`)).toEqual([signed.body]);
  expect(state.accepted).toEqual([{ seq: 5, network: 'n', txid: '11'.repeat(32), request: '77'.repeat(32) }]);
});
