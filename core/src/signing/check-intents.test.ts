import { sha512 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import { checkIntents, type IntentRules } from './check-intents.ts';
import { intentDigest, type AuthorizedIntent, type WithdrawalIntent } from './intent.ts';
import { matchPayments } from './match-payments.ts';

/** Stands in for Ed25519, whose library blinds with random bytes: signer and verifier share a key. */
const sign = (key: Uint8Array, message: Uint8Array): string => bytesToHex(sha512(concatBytes(key, message)));
const secretKey = new Uint8Array(32).fill(5);
const sample: WithdrawalIntent = {
  version: 1,
  kind: 'withdrawal',
  network: 'eip155:31337',
  asset: 'eth',
  amount: '100',
  destination: 'somebody',
  memo: null,
  customer: 'cus_01890000-0000-7000-8000-000000000001',
  fee_max: '0',
  expires_at: '2030-01-01T00:00:00.000Z',
  nonce: 'nonce-0001',
};

const rules: IntentRules = {
  network: 'eip155:31337',
  keys: new Map([['exchange', secretKey]]),
  perPaymentMax: new Map([['eth', 100n]]),
  verify: (key, message, signature) => signature === sign(key, message),
  parseDestination: (text) => ({ address: text.toUpperCase(), isOwn: text === 'vault' }),
};

function authorize(change: Partial<WithdrawalIntent> = {}, key = secretKey, keyId = 'exchange'): AuthorizedIntent {
  const intent = { ...sample, ...change };
  return { intent, authorization: { key_id: keyId, signature: sign(key, intentDigest(intent)) } };
}

test('gives the canonical destination, the amount and the expiry of a good intent', () => {
  expect(checkIntents([authorize()], rules)).toMatchObject([
    { asset: 'eth', amount: 100n, destination: 'SOMEBODY', expiresAtMs: Date.UTC(2030, 0) },
  ]);
});

test.each<[string, AuthorizedIntent[], string]>([
  ['a key that is not pinned', [authorize({}, secretKey, 'other')], 'authorization-invalid'],
  ['a signature by another key', [authorize({}, new Uint8Array(32).fill(6))], 'authorization-invalid'],
  [
    'an amount changed after signing',
    [{ ...authorize(), intent: { ...sample, amount: '99' } }],
    'authorization-invalid',
  ],
  ['another network', [authorize({ network: 'eip155:1' })], 'network-mismatch'],
  ['an asset that is not configured', [authorize({ asset: 'doge' })], 'unknown-asset'],
  ['one unit over the limit a payment', [authorize({ amount: '101' })], 'limit-exceeded'],
  ['a memo', [authorize({ memo: '7' })], 'payment-mismatch'],
  ['a destination of our own', [authorize({ destination: 'vault' })], 'destination-refused'],
  ['one intent twice', [authorize(), authorize()], 'payment-mismatch'],
])('refuses %s', (_name, authorized, code) => {
  expect(() => checkIntents(authorized, rules)).toThrow(expect.objectContaining({ code }));
});

describe('matching payments to intents', () => {
  const a = { asset: 'eth', target: 'A', amount: 1n };
  const b = { asset: 'eth', target: 'B', amount: 2n };

  test('accepts the same payments in another order, equal ones counted', () => {
    expect(() => matchPayments([a, b, a], [b, a, a])).not.toThrow();
  });

  test.each([
    ['another destination', [a], [{ ...a, target: 'C' }], 'payment-mismatch'],
    ['another amount', [a], [{ ...a, amount: 2n }], 'payment-mismatch'],
    ['another asset', [a], [{ ...a, asset: 'usdc' }], 'payment-mismatch'],
    ['a payment too many', [a], [a, b], 'output-unaccounted'],
    ['one payment twice', [a], [a, a], 'output-unaccounted'],
    ['an intent unpaid', [a, b], [a], 'payment-missing'],
    ['two equal intents paid once', [a, a], [a], 'payment-missing'],
  ])('refuses %s', (_name, intents, payments, code) => {
    expect(() => matchPayments(intents, payments)).toThrow(expect.objectContaining({ code }));
  });
});
