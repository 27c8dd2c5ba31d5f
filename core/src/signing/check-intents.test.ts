import { describe, expect, test } from 'vitest';
import { networkOf } from '../policy/network-of.ts';
import type { Policy } from '../policy/policy.ts';
import { samplePolicy } from '../policy/sample-policy.test-support.ts';
import { checkIntents, type CheckedIntent } from './check-intents.ts';
import { destinationKey } from './destination-key.ts';
import {
  assertionBy,
  credentialEntry,
  memoryJournal,
  signatureBy,
  type AssertionChange,
} from './evidence.test-support.ts';
import { intentDigest, type AuthorizedIntent, type WithdrawalIntent } from './intent.ts';
import { nobleVerifiers } from './noble-verifiers.ts';

const nowMs = Date.UTC(2029, 11, 31);
const network = 'eip155:31337';
const coin = 10n ** 18n;
const alice = 'cus_01890000-0000-7000-8000-000000000001';
const mallory = 'cus_01890000-0000-7000-8000-000000000002';
const policy = samplePolicy();
const sample: WithdrawalIntent = {
  version: 1,
  kind: 'withdrawal',
  network,
  asset: `${network}/slip44:60`,
  amount: `${coin}`,
  destination: 'somebody',
  memo: null,
  customer: alice,
  fee_max: '0',
  expires_at: '2030-01-01T00:00:00.000Z',
  nonce: 'nonce-0001',
};

function sampleState() {
  const { state, append } = memoryJournal();
  append(credentialEntry('alice', alice, nowMs), nowMs - 1_000);
  append(credentialEntry('alice-later', alice, nowMs + 1), nowMs - 1_000);
  append(credentialEntry('mallory', mallory, 0), nowMs - 1_000);
  append(credentialEntry('approver-1', mallory, 0), nowMs - 1_000);
  for (const customer of [alice, mallory]) {
    for (const [address, effectiveAtMs] of [
      ['SOMEBODY', nowMs],
      ['SOON', nowMs + 1],
    ] as const) {
      state.destinations.set(destinationKey(customer, network, address), { effectiveAtMs });
    }
  }
  return state;
}
const state = sampleState();

function check(authorized: AuthorizedIntent[], judgedBy: Policy = policy): CheckedIntent[] {
  return checkIntents(authorized, {
    policy: judgedBy,
    network: networkOf(judgedBy, network),
    state,
    verifiers: nobleVerifiers,
    nowMs,
    parseDestination: (text) => ({ address: text.toUpperCase(), isOwn: text === 'vault' }),
  });
}

function byKey(change: Partial<WithdrawalIntent> = {}, key = 'integrator-1'): AuthorizedIntent {
  const intent = { ...sample, ...change };
  return { intent, authorization: signatureBy(key, intentDigest(intent)), approvals: [] };
}

function byPasskey(
  change: Partial<WithdrawalIntent> = {},
  name = 'alice',
  client: AssertionChange = {},
): AuthorizedIntent {
  const intent = { ...sample, ...change };
  const authorization = assertionBy(name, intentDigest(intent), policy.webauthn.customers, client);
  return { intent, authorization, approvals: [] };
}

test('gives class, code, canonical destination, amount and expiry of an intent that the customer’s passkey authorised', () => {
  expect(check([byPasskey({ amount: `${100n * coin}` })])).toEqual([
    {
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      asset: sample.asset,
      code: 'ETH',
      amount: 100n * coin,
      fee: 0n,
      destination: 'SOMEBODY',
      customer: alice,
      expiresAtMs: Date.UTC(2030, 0),
      class: 'customer',
      approvals: { total: 0, offline: 0 },
    },
  ]);
});

test('takes the fee that is charged, up to what the intent allows, where the policy counts fees; then never without one', () => {
  const counting = samplePolicy((one) => void (one.positions.count_fees = true));
  const intent = byPasskey({ fee_max: '7' });
  expect(check([{ ...intent, fee: '7' }], counting)).toMatchObject([{ fee: 7n }]);
  expect(() => check([{ ...intent, fee: '8' }], counting)).toThrow(
    expect.objectContaining({ code: 'fee-above-maximum' }),
  );
  expect(() => check([intent], counting)).toThrow(expect.objectContaining({ code: 'payment-mismatch' }));
  expect(check([{ ...intent, fee: '8' }])).toMatchObject([{ fee: 0n }]);
});

test('puts an intent of an integrator’s key into the tighter class, with its ceiling', () => {
  expect(check([byKey()])).toMatchObject([{ class: 'integrator', amount: coin }]);
  expect(() => check([byKey({ amount: `${coin + 1n}` })])).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
  expect(check([byPasskey({ amount: `${coin + 1n}` })])).toMatchObject([{ class: 'customer' }]);
});

test('counts the approvals over the intent’s digest', () => {
  const one = byKey();
  const approve = (name: string) => assertionBy(name, intentDigest(one.intent), policy.webauthn.approvals);
  const approved = { ...one, approvals: [approve('approver-1'), approve('approver-3')] };
  expect(check([approved])).toMatchObject([{ approvals: { total: 2, offline: 1 } }]);
  const moved = { ...byKey({ nonce: 'nonce-0002' }), approvals: approved.approvals };
  expect(() => check([moved])).toThrow(expect.objectContaining({ code: 'approval-invalid' }));
});

test.each<[string, AuthorizedIntent[], string]>([
  ['a key that is not pinned', [byKey({}, 'other')], 'authorization-invalid'],
  [
    'a signature by another key',
    [{ ...byKey(), authorization: { ...signatureBy('engine-1', intentDigest(sample)), key_id: 'integrator-1' } }],
    'authorization-invalid',
  ],
  ['an amount changed after signing', [{ ...byKey(), intent: { ...sample, amount: '99' } }], 'authorization-invalid'],
  [
    'a destination changed after the passkey',
    [{ ...byPasskey(), intent: { ...sample, nonce: 'nonce-0009' } }],
    'authorization-invalid',
  ],
  ['a passkey without user verification', [byPasskey({}, 'alice', { flags: 1 })], 'authorization-invalid'],
  [
    'a passkey at another origin',
    [byPasskey({}, 'alice', { client: { origin: 'https://evil.example' } })],
    'authorization-invalid',
  ],
  ['a passkey that nobody enrolled', [byPasskey({}, 'stranger')], 'credential-unknown'],
  ['a passkey of another customer', [byPasskey({}, 'mallory')], 'credential-unknown'],
  ['a passkey that has not matured', [byPasskey({}, 'alice-later')], 'credential-unknown'],
  ['an approver’s passkey as a customer’s', [byPasskey({ customer: mallory }, 'approver-1')], 'credential-unknown'],
  ['another network', [byKey({ network: 'eip155:1' })], 'network-mismatch'],
  ['an asset that is not in the policy', [byKey({ asset: `${network}/slip44:1` })], 'unknown-asset'],
  ['one unit over the ceiling of a payment', [byPasskey({ amount: `${100n * coin + 1n}` })], 'limit-exceeded'],
  ['a memo', [byKey({ memo: '7' })], 'payment-mismatch'],
  ['a destination of our own', [byKey({ destination: 'vault' })], 'destination-refused'],
  ['a destination outside the address book', [byKey({ destination: 'nobody' })], 'destination-not-approved'],
  ['a destination that has not matured', [byKey({ destination: 'soon' })], 'destination-immature'],
  ['one intent twice', [byKey(), byKey()], 'payment-mismatch'],
  ['one intent by two who may authorise it', [byKey(), byPasskey()], 'payment-mismatch'],
])('refuses %s', (_name, authorized, code) => {
  expect(() => check(authorized)).toThrow(expect.objectContaining({ code }));
});

describe('policy', () => {
  test('without a delay for destinations needs no address book', () => {
    const open = samplePolicy((one) => void (one.destinations.delay_s = 0));
    expect(check([byKey({ destination: 'nobody' })], open)).toMatchObject([{ destination: 'NOBODY' }]);
  });

  test('refuses an integrator’s key that may only enrol', () => {
    const tight = samplePolicy((one) => one.integrator_keys.forEach((key) => void (key.may = ['enrol'])));
    expect(() => check([byKey()], tight)).toThrow(expect.objectContaining({ code: 'authorization-invalid' }));
  });
});

test('refuses a passkey from the moment of its removal', () => {
  const known = [...state.credentials].find(([, one]) => one.customer === alice);
  expect(known).toBeDefined();
  const [id, credential] = known ?? ['', undefined];
  if (!credential) return;
  state.credentials.set(id, { ...credential, removedAtMs: nowMs });
  expect(() => check([byPasskey()])).toThrow(expect.objectContaining({ code: 'credential-unknown' }));
  state.credentials.set(id, credential);
  expect(check([byPasskey()])).toHaveLength(1);
});
