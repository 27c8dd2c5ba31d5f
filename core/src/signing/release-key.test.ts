import { expect, test } from 'vitest';
import { samplePolicy } from '../policy/sample-policy.test-support.ts';
import { customerRecordDigestBytes } from './customer-record-digest.ts';
import type { CustomerRecord, ReleaseRecord } from './customer-record.ts';
import { decideCustomerRecord } from './decide-customer-record.ts';
import { assertionBy, memoryJournal, type MemoryJournal } from './evidence.test-support.ts';
import { nobleVerifiers } from './noble-verifiers.ts';
import { positionKey } from './position-key.ts';

const nowMs = Date.UTC(2030, 0);
const alice = 'cus_01890000-0000-7000-8000-000000000001';
const policy = samplePolicy((one) => void (one.positions.approvals = 2));
const refusal = (code: string) => expect.objectContaining({ code });

function release(change: Partial<ReleaseRecord> = {}, approvers = ['approver-1', 'approver-2']) {
  const record: ReleaseRecord = {
    version: 1,
    kind: 'release',
    decision: 'credit',
    customer: alice,
    network: 'eip155:31337',
    asset: 'USDT',
    amount: '7',
    address: `0x${'12'.repeat(20)}`,
    txid: `0x${'ab'.repeat(32)}`,
    index: 'log:1',
    reason: 'the issuer confirmed it',
    nonce: 'nonce-0001',
    ...change,
  };
  const digest = customerRecordDigestBytes({ record });
  return { record, approvals: approvers.map((name) => assertionBy(name, digest, policy.webauthn.approvals)) };
}

function hand(journal: MemoryJournal, signed: CustomerRecord): void {
  const entry = decideCustomerRecord(journal.state, signed, { policy, verifiers: nobleVerifiers, nowMs });
  if (entry) journal.append(entry, nowMs);
}
const position = (journal: MemoryJournal): bigint => journal.state.positions.get(positionKey(alice, 'USDT')) ?? 0n;

test('a release counts towards the position by approvals alone, and a deposit once', () => {
  const journal = memoryJournal();
  expect(() => hand(journal, release({}, ['approver-1']))).toThrow(refusal('approval-missing'));
  expect(() => hand(journal, release({}, ['operator-1']))).toThrow(refusal('approval-invalid'));
  expect(() => hand(journal, release({ asset: 'DOGE' }))).toThrow(refusal('unknown-asset'));
  expect(position(journal)).toBe(0n);
  hand(journal, release());
  hand(journal, release());
  expect(position(journal)).toBe(7n);
  for (const again of [release({ nonce: 'nonce-0002' }), release({ nonce: 'nonce-0003', decision: 'keep' })]) {
    expect(() => hand(journal, again)).toThrow(refusal('already-released'));
  }
  hand(journal, release({ index: 'log:2', nonce: 'nonce-0004' }));
  expect(position(journal)).toBe(14n);
});

test('a release that keeps a deposit moves no position, and no other follows it', () => {
  const journal = memoryJournal();
  hand(journal, release({ decision: 'keep' }));
  expect(() => hand(journal, release())).toThrow(refusal('already-released'));
  expect(position(journal)).toBe(0n);
});

test('approvals of a release are worth nothing for an adjustment, nor for another amount', () => {
  const { approvals, record } = release();
  const adjustment = { version: 1, kind: 'adjustment', customer: alice, asset: 'USDT', amount: '7' } as const;
  const { reason, nonce } = record;
  expect(() => hand(memoryJournal(), { record: { ...adjustment, reason, nonce }, approvals })).toThrow(
    refusal('approval-invalid'),
  );
  expect(() => hand(memoryJournal(), { record: { ...record, amount: '70' }, approvals })).toThrow(
    refusal('approval-invalid'),
  );
});
