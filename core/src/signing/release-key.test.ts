import { expect, test } from 'vitest';
import { assetPolicies } from '../policy/network-of.ts';
import { samplePolicy } from '../policy/sample-policy.test-support.ts';
import { customerRecordDigestBytes } from './customer-record-digest.ts';
import type { CustomerRecord, DepositClaim, ReleaseRecord } from './customer-record.ts';
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
    block_hash: 'bb'.repeat(32),
    reason: 'the issuer confirmed it',
    nonce: 'nonce-0001',
    ...change,
  };
  const digest = customerRecordDigestBytes({ record });
  return { record, approvals: approvers.map((name) => assertionBy(name, digest, policy.webauthn.approvals)) };
}

const usdt = policy.networks.flatMap(assetPolicies).find(({ code }) => code === 'USDT')!;
const boundAddress = release().record.address;

/** Names the block of the release, where the signer's own nodes prove 7. */
function claim(change: Partial<DepositClaim> = {}): { record: DepositClaim } {
  const { network, address, block_hash } = release().record;
  const place = { network, address, block_hash, block_height: 9, asset: usdt.asset, outpoint: null };
  return { record: { version: 1, kind: 'deposit', customer: alice, index: 0, ...place, ...change } };
}

/** A journal that has bound the address. */
function bound(network = 'eip155:31337'): MemoryJournal {
  const journal = memoryJournal();
  journal.append({ kind: 'address', body: { network, customer: alice, index: 0, address: boundAddress } }, nowMs);
  return journal;
}

function hand(journal: MemoryJournal, signed: CustomerRecord): void {
  const rules = { policy, verifiers: nobleVerifiers, nowMs, provenAmount: 7n };
  const entry = decideCustomerRecord(journal.state, signed, rules);
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

test.each(['credit', 'keep'] as const)('what was proven is not decided about as %s as well', (decision) => {
  const journal = bound();
  hand(journal, claim());
  const cased = { address: boundAddress.toUpperCase().replace('0X', '0x') };
  for (const one of [release({ decision }), release({ decision, ...cased })])
    expect(() => hand(journal, one)).toThrow(refusal('already-released'));
  expect(position(journal)).toBe(7n);
  // Of another block it is another deposit.
  hand(journal, release({ decision: 'credit', block_hash: 'cc'.repeat(32) }));
  expect(position(journal)).toBe(14n);
});

test.each([
  ['credit', 7n],
  ['keep', 0n],
] as const)('what approvers decided about as %s is not counted by a claim as well', (decision, counted) => {
  const journal = bound();
  hand(journal, release({ decision }));
  hand(journal, claim());
  expect(position(journal)).toBe(counted);
  hand(journal, claim({ block_hash: 'cc'.repeat(32) }));
  expect(position(journal)).toBe(counted + 7n);
});

test('an output counts once, by release or by claim', () => {
  const bitcoin = policy.networks.find(({ family }) => family === 'bitcoin')!;
  const [{ asset, code }] = assetPolicies(bitcoin) as [ReturnType<typeof assetPolicies>[number]];
  const { network } = bitcoin;
  const txid = 'ab'.repeat(32);
  const output = (vout: number) =>
    release({ network, asset: code, txid, index: `vout:${vout}`, nonce: `nonce-000${vout}` });
  const claimed = (vout: number) => claim({ network, asset, outpoint: { txid, vout } });
  const journal = bound(network);
  const btc = (): bigint | undefined => journal.state.positions.get(positionKey(alice, code));
  hand(journal, output(0));
  hand(journal, claimed(0));
  expect(btc()).toBe(7n);
  hand(journal, claimed(1));
  expect(() => hand(journal, output(1))).toThrow(refusal('already-released'));
  expect(btc()).toBe(14n);
});

test('what came without a log is released beside what came with one in the same block', () => {
  const journal = bound();
  hand(journal, claim());
  const index = `balance:${usdt.contract}:${boundAddress}`.toLowerCase();
  hand(journal, release({ index, txid: `0x${'bb'.repeat(32)}` }));
  expect(position(journal)).toBe(14n);
});

test.each([
  [{ index: 'log:01' }, 'deposit-unproven'],
  [{ index: 'vout:1' }, 'deposit-unproven'],
  [{ index: 'trace:0' }, 'deposit-unproven'],
  [{ index: `balance:native:${boundAddress}` }, 'deposit-unproven'],
  [{ txid: `0x${'AB'.repeat(32)}` }, 'deposit-unproven'],
  [{ network: 'eip155:031337' }, 'unknown-network'],
])('a deposit has one name: %o is refused', (change, code) => {
  expect(() => hand(memoryJournal(), release(change))).toThrow(refusal(code));
});
