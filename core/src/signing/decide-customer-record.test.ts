import { describe, expect, test } from 'vitest';
import type { Policy } from '../policy/policy.ts';
import { sampleCredential, samplePolicy } from '../policy/sample-policy.test-support.ts';
import type {
  CredentialRecord,
  CustomerRecord,
  DepositClaim,
  DestinationRecord,
  SettlementRecord,
} from './customer-record.ts';
import { customerRecordDigest, customerRecordDigestBytes } from './customer-record-digest.ts';
import { decideCustomerRecord } from './decide-customer-record.ts';
import { destinationKey } from './destination-key.ts';
import { assertionBy, memoryJournal, signatureBy, type MemoryJournal } from './evidence.test-support.ts';
import { nobleVerifiers } from './noble-verifiers.ts';
import { positionKey } from './position-key.ts';

const nowMs = Date.UTC(2030, 0);
const dayMs = 86_400_000;
const evm = 'eip155:31337';
const bitcoin = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const alice = 'cus_01890000-0000-7000-8000-000000000001';
const bob = 'cus_01890000-0000-7000-8000-000000000002';
const policy = samplePolicy();

interface Given {
  readonly policy?: Policy;
  readonly atMs?: number;
  readonly provenAmount?: bigint;
}

/** Judges and journals; gives when it counts, or null for what counts already. */
function hand(journal: MemoryJournal, signed: CustomerRecord, given: Given = {}): number | null {
  const atMs = given.atMs ?? nowMs;
  const proven = given.provenAmount === undefined ? {} : { provenAmount: given.provenAmount };
  const rules = { policy: given.policy ?? policy, verifiers: nobleVerifiers, nowMs: atMs, ...proven };
  const entry = decideCustomerRecord(journal.state, signed, rules);
  if (!entry) return null;
  expect(entry.body.digest).toBe(customerRecordDigest(signed));
  journal.append(entry, atMs);
  return entry.body.effective_at_ms;
}

const refusal = (code: string) => expect.objectContaining({ code });

function byKey<R extends CustomerRecord['record']>(record: R, key = 'integrator-1') {
  return { record, authorization: signatureBy(key, customerRecordDigestBytes({ record })) };
}
function byPasskey<R extends CustomerRecord['record']>(record: R, name: string) {
  return { record, authorization: assertionBy(name, customerRecordDigestBytes({ record }), policy.webauthn.customers) };
}

function credential(name: string, change: Partial<CredentialRecord> = {}): CredentialRecord {
  const { credential_id, public_key } = sampleCredential(name);
  return {
    version: 1,
    kind: 'credential',
    action: 'add',
    customer: alice,
    credential_id,
    public_key,
    nonce: 'nonce-0001',
    ...change,
  };
}

function destination(change: Partial<DestinationRecord> = {}): DestinationRecord {
  return {
    version: 1,
    kind: 'destination',
    action: 'add',
    customer: alice,
    network: evm,
    address: 'SOMEBODY',
    nonce: 'nonce-0001',
    ...change,
  };
}

/** Alice has one passkey that has matured. */
function enrolled(): MemoryJournal {
  const journal = memoryJournal();
  hand(journal, byKey(credential('alice')), { atMs: nowMs - 2 * dayMs });
  return journal;
}

describe('credentials', () => {
  test('the first needs an integrator that may enrol, and counts as late as a looser policy would', () => {
    const journal = memoryJournal();
    expect(() => hand(journal, byPasskey(credential('alice'), 'alice'))).toThrow(refusal('credential-unknown'));
    const withdrawOnly = samplePolicy((one) => one.integrator_keys.forEach((key) => void (key.may = ['withdraw'])));
    const signed = byKey(credential('alice'));
    expect(() => hand(journal, signed, { policy: withdrawOnly })).toThrow(refusal('authorization-invalid'));
    expect(() => hand(journal, byKey(credential('alice'), 'engine-1'))).toThrow(refusal('authorization-invalid'));
    // The sample's credentials wait a day, a loosening two.
    expect(hand(journal, signed)).toBe(nowMs + 2 * dayMs);
    expect(hand(journal, signed)).toBeNull();
    expect(journal.state.credentials.get(sampleCredential('alice').credential_id)).toEqual({
      customer: alice,
      publicKey: sampleCredential('alice').public_key,
      effectiveAtMs: nowMs + 2 * dayMs,
      removedAtMs: null,
    });
    const patient = samplePolicy((one) => (one.credentials.delay_s = 3 * 86_400));
    expect(hand(memoryJournal(), signed, { policy: patient })).toBe(nowMs + 3 * dayMs);
  });

  test('a further one may be added by one of the customer’s own, once that has matured', () => {
    const journal = enrolled();
    const signed = byPasskey(credential('alice-2'), 'alice');
    expect(() => hand(journal, signed, { atMs: nowMs - 1 })).toThrow(refusal('credential-unknown'));
    expect(hand(journal, signed)).toBe(nowMs + dayMs);
    expect(() => hand(journal, byPasskey(credential('alice-3'), 'alice-2'))).toThrow(refusal('credential-unknown'));
    const forBob = credential('bob', { customer: bob });
    expect(() => hand(journal, byPasskey(forBob, 'alice'))).toThrow(refusal('credential-unknown'));
  });

  test('an integrator adds the first one only, also after its removal', () => {
    const journal = enrolled();
    expect(() => hand(journal, byKey(credential('alice-2')))).toThrow(refusal('authorization-invalid'));
    hand(journal, byKey(credential('alice', { action: 'remove', nonce: 'nonce-0002' })));
    expect(() => hand(journal, byKey(credential('alice-2')))).toThrow(refusal('authorization-invalid'));
  });

  test('a removal counts at once, and the passkey never comes back', () => {
    const journal = enrolled();
    const removal = byPasskey(credential('alice', { action: 'remove', nonce: 'nonce-0002' }), 'alice');
    expect(hand(journal, removal)).toBe(0);
    expect(() => hand(journal, byPasskey(credential('alice-2'), 'alice'))).toThrow(refusal('credential-unknown'));
    const again = byKey(credential('alice', { nonce: 'nonce-0003' }));
    expect(() => hand(journal, again)).toThrow(refusal('credential-conflict'));
    const twice = byKey(credential('alice', { action: 'remove', nonce: 'nonce-0004' }));
    expect(() => hand(journal, twice)).toThrow(refusal('credential-unknown'));
  });

  test.each<[string, Partial<CredentialRecord>]>([
    ['another customer', { customer: bob }],
    ['another key', { public_key: sampleCredential('bob').public_key }],
    ['the same customer again', { nonce: 'nonce-0002' }],
  ])('an id that is taken is refused to %s', (_name, change) => {
    expect(() => hand(enrolled(), byKey(credential('alice', change)))).toThrow(refusal('credential-conflict'));
  });

  test('approvers’ and operators’ are no customer’s, by id or key', () => {
    for (const name of ['approver-1', 'operator-1']) {
      const { public_key } = sampleCredential(name);
      for (const record of [credential(name), credential('alice', { public_key })]) {
        expect(() => hand(memoryJournal(), byKey(record))).toThrow(refusal('credential-conflict'));
      }
    }
  });

  test('one that nobody has, or of another customer, cannot be removed', () => {
    for (const change of [
      { customer: bob },
      sampleCredential('bob'),
      { public_key: sampleCredential('bob').public_key },
    ]) {
      const { customer, credential_id, public_key } = { ...credential('alice'), ...change };
      const record = credential('alice', { action: 'remove', customer, credential_id, public_key });
      expect(() => hand(enrolled(), byKey(record))).toThrow(refusal('credential-unknown'));
    }
  });

  test('change no more often in 24 hours than the policy says', () => {
    const capped = samplePolicy((one) => void (one.credentials.changes_per_day_max = 2));
    const journal = memoryJournal();
    hand(journal, byKey(credential('a')), { policy: capped });
    hand(journal, byKey(credential('a', { action: 'remove' })), { policy: capped });
    const third = byKey(credential('b', { customer: bob }));
    expect(() => hand(journal, third, { policy: capped, atMs: nowMs + dayMs })).toThrow(refusal('limit-exceeded'));
    expect(hand(journal, third, { policy: capped, atMs: nowMs + dayMs + 60_000 })).toBe(nowMs + 3 * dayMs + 60_000);
  });

  test('are removed however many were added: whoever floods signers with passkeys does not protect a stolen one', () => {
    const capped = samplePolicy((one) => void (one.credentials.changes_per_day_max = 2));
    const journal = memoryJournal();
    hand(journal, byKey(credential('a')), { policy: capped });
    hand(journal, byKey(credential('b', { customer: bob })), { policy: capped });
    expect(hand(journal, byKey(credential('a', { action: 'remove' })), { policy: capped })).toBe(0);
  });
});

describe('destinations', () => {
  const effective = (journal: MemoryJournal) =>
    journal.state.destinations.get(destinationKey(alice, evm, 'SOMEBODY'))?.effectiveAtMs;

  test.each([
    ['the customer’s passkey', byPasskey(destination(), 'alice')],
    ['an integrator that may', byKey(destination())],
  ])('added by %s count after the delay; removed, at once; added again, they wait again', (_name, signed) => {
    const journal = enrolled();
    expect(hand(journal, signed)).toBe(nowMs + dayMs);
    expect(effective(journal)).toBe(nowMs + dayMs);
    const removal = byKey(destination({ action: 'remove', nonce: 'nonce-0002' }));
    expect(hand(journal, removal, { atMs: nowMs + dayMs })).toBe(0);
    expect(effective(journal)).toBeUndefined();
    expect(hand(journal, signed, { atMs: nowMs + dayMs })).toBeNull();
    expect(effective(journal)).toBeUndefined();
    hand(journal, byKey(destination({ nonce: 'nonce-0003' })), { atMs: nowMs + dayMs });
    hand(journal, byKey(destination({ nonce: 'nonce-0004' })), { atMs: nowMs + dayMs + 5 });
    expect(effective(journal)).toBe(nowMs + 2 * dayMs + 5);
  });

  test.each<[string, CustomerRecord, string]>([
    ['another customer’s passkey', byPasskey(destination({ customer: bob }), 'alice'), 'credential-unknown'],
    ['a key that may not', byKey(destination(), 'engine-1'), 'authorization-invalid'],
    [
      'a signature of another entry',
      { ...byKey(destination()), record: destination({ address: 'B' }) },
      'authorization-invalid',
    ],
    ['a network outside the policy', byKey(destination({ network: 'eip155:1' })), 'unknown-network'],
    ['nothing to remove', byKey(destination({ action: 'remove' })), 'destination-not-approved'],
  ])('are refused: %s', (_name, signed, code) => {
    expect(() => hand(enrolled(), signed)).toThrow(refusal(code));
  });
});

describe('settlements', () => {
  function settle(sequence: number, moves: [string, string, string][], key = 'engine-1') {
    const entries = moves.map(([customer, asset, amount]) => ({ customer, asset, amount }));
    const record: SettlementRecord = { version: 1, kind: 'settlement', engine: key, sequence, entries };
    return byKey(record, key);
  }
  const trade: [string, string, string][] = [
    [alice, 'ETH', '-5'],
    [bob, 'ETH', '5'],
    [alice, 'USDT', '9'],
    [bob, 'USDT', '-9'],
  ];

  test('move positions, in sequence, each once', () => {
    const journal = memoryJournal();
    expect(hand(journal, settle(1, trade))).toBe(0);
    expect(hand(journal, settle(1, trade))).toBeNull();
    expect(hand(journal, settle(2, trade))).toBe(0);
    expect(journal.state.positions.get(positionKey(alice, 'ETH'))).toBe(-10n);
    expect(journal.state.positions.get(positionKey(alice, 'USDT'))).toBe(18n);
    for (const sequence of [2, 4]) {
      const other = settle(sequence, [
        [alice, 'ETH', '1'],
        [bob, 'ETH', '-1'],
      ]);
      expect(() => hand(journal, other)).toThrow(refusal('settlement-invalid'));
    }
  });

  test.each<[string, CustomerRecord]>([
    [
      'a unit out of nothing',
      settle(1, [
        [alice, 'ETH', '5'],
        [bob, 'ETH', '-4'],
      ]),
    ],
    [
      'one asset for another',
      settle(1, [
        [alice, 'ETH', '5'],
        [bob, 'USDT', '-5'],
      ]),
    ],
    [
      'an asset outside the policy',
      settle(1, [
        [alice, 'DOGE', '5'],
        [bob, 'DOGE', '-5'],
      ]),
    ],
    ['a key that is no engine’s', settle(1, trade, 'integrator-1')],
    ['another batch than was signed', { ...settle(1, trade), record: settle(1, trade.slice(0, 2)).record }],
  ])('are refused: %s', (_name, signed) => {
    const journal = memoryJournal();
    expect(() => hand(journal, signed)).toThrow(refusal('settlement-invalid'));
    expect(journal.state.positions.size).toBe(0);
  });
});

describe('adjustments', () => {
  function adjust(approvers: string[]): CustomerRecord {
    const record = {
      version: 1,
      kind: 'adjustment',
      customer: alice,
      asset: 'BTC',
      amount: '-7',
      reason: 'compensation',
      nonce: 'nonce-0001',
    } as const;
    const digest = customerRecordDigestBytes({ record });
    return { record, approvals: approvers.map((name) => assertionBy(name, digest, policy.webauthn.approvals)) };
  }

  test('need the policy’s approvals, and one where positions are not asked for', () => {
    const two = samplePolicy((one) => void (one.positions.approvals = 2));
    const none = samplePolicy((one) => void (one.positions.approvals = 0));
    expect(() => hand(memoryJournal(), adjust(['approver-1']), { policy: two })).toThrow(refusal('approval-missing'));
    expect(() => hand(memoryJournal(), adjust([]), { policy: none })).toThrow(refusal('approval-missing'));
    expect(() => hand(memoryJournal(), adjust(['operator-1']))).toThrow(refusal('approval-invalid'));
    const journal = memoryJournal();
    hand(journal, adjust(['approver-1', 'approver-2']), { policy: two });
    expect(hand(journal, adjust(['approver-1', 'approver-3']), { policy: two })).toBeNull();
    expect(journal.state.positions.get(positionKey(alice, 'BTC'))).toBe(-7n);
  });
});

describe('deposits', () => {
  const claim = (change: Partial<DepositClaim> = {}): { record: DepositClaim } => ({
    record: {
      version: 1,
      kind: 'deposit',
      network: evm,
      customer: alice,
      index: 3,
      address: '0xA',
      asset: `${evm}/slip44:60`,
      block_height: 10,
      block_hash: 'ab'.repeat(32),
      outpoint: null,
      ...change,
    },
  });
  const output = { txid: 'cd'.repeat(32), vout: 1 };
  const onBitcoin = { network: bitcoin, asset: `${bitcoin}/slip44:0`, address: 'bc1', outpoint: output };

  function bound(): MemoryJournal {
    const journal = memoryJournal();
    for (const [network, address] of [
      [evm, '0xA'],
      [bitcoin, 'bc1'],
    ] as const) {
      journal.append({ kind: 'address', body: { network, customer: alice, index: 3, address } }, nowMs);
    }
    return journal;
  }

  test('add what the nodes proved, an address and asset once a block', () => {
    const journal = bound();
    expect(hand(journal, claim(), { provenAmount: 8n })).toBe(0);
    expect(hand(journal, claim(), { provenAmount: 8n })).toBeNull();
    expect(hand(journal, claim({ block_height: 11 }), { provenAmount: 8n })).toBeNull();
    expect(journal.state.positions.get(positionKey(alice, 'ETH'))).toBe(8n);
    hand(journal, claim({ block_hash: 'ac'.repeat(32) }), { provenAmount: 1n });
    expect(journal.state.positions.get(positionKey(alice, 'ETH'))).toBe(9n);
  });

  test('add an output once, whatever block it is in', () => {
    const journal = bound();
    hand(journal, claim(onBitcoin), { provenAmount: 8n });
    expect(hand(journal, claim({ ...onBitcoin, block_hash: 'ac'.repeat(32) }), { provenAmount: 8n })).toBeNull();
    hand(journal, claim({ ...onBitcoin, outpoint: { ...output, vout: 2 } }), { provenAmount: 2n });
    expect(journal.state.positions.get(positionKey(alice, 'BTC'))).toBe(10n);
  });

  test.each<[string, Partial<DepositClaim>, bigint, string]>([
    ['to an index that is not handed out', { index: 4 }, 8n, 'deposit-unproven'],
    ['of another customer', { customer: bob }, 8n, 'address-index-taken'],
    ['to another address', { address: '0xB' }, 8n, 'address-index-taken'],
    ['to another spelling of the address', { address: '0xa' }, 8n, 'address-index-taken'],
    ['of which nothing is proven', {}, 0n, 'deposit-unproven'],
    ['of an output on a network without outputs', { outpoint: output }, 8n, 'deposit-unproven'],
    ['without an output on Bitcoin', { ...onBitcoin, outpoint: null }, 8n, 'deposit-unproven'],
    ['of an asset outside the policy', { asset: `${evm}/slip44:61` }, 8n, 'unknown-asset'],
    ['of an asset of another network', { asset: `${bitcoin}/slip44:0` }, 8n, 'unknown-asset'],
    ['on a network outside the policy', { network: 'eip155:1' }, 8n, 'unknown-network'],
  ])('are refused: %s', (_name, change, provenAmount, code) => {
    const journal = bound();
    expect(() => hand(journal, claim(change), { provenAmount })).toThrow(refusal(code));
    expect(journal.state.positions.size).toBe(0);
  });
});
