import { describe, expect, test } from 'vitest';
import { sampleCredential, samplePolicy } from '../policy/sample-policy.test-support.ts';
import { assertionBy, type AssertionChange } from './evidence.test-support.ts';
import { nobleVerifiers } from './noble-verifiers.ts';
import { verifyAssertion } from './verify-assertion.ts';

const digest = new Uint8Array(32).fill(0xfb);
const relyingParty = samplePolicy().webauthn.customers;
const publicKey = sampleCredential('alice').public_key;
const verify = (change: AssertionChange, by = 'alice'): void =>
  verifyAssertion(assertionBy(by, digest, relyingParty, change), digest, publicKey, relyingParty, nobleVerifiers);

test.each<[string, AssertionChange]>([
  ['as a browser makes it', {}],
  ['without the field crossOrigin', { client: { crossOrigin: undefined } }],
  ['with a field that a later standard adds', { client: { other: { type: 'webauthn.create' } } }],
  ['with its keys in another order', { clientText: (text) => JSON.stringify(reversed(text)) }],
  ['of a credential that is backed up', { flags: 0x1d }],
])('accepts an assertion %s', (_name, change) => {
  expect(() => verify(change)).not.toThrow();
});

const doubled = (text: string): string => text.replace('{', '{"type":"webauthn.get",');
const nested = (text: string): string => text.replace('{', '{"more":{"a":1,"\\u0061":2},');

test.each<[string, AssertionChange, RegExp]>([
  ['a registration', { client: { type: 'webauthn.create' } }, /type/],
  ['another digest', { client: { challenge: 'A'.repeat(43) } }, /challenge/],
  ['a padded challenge', { client: { challenge: `${'-_v7'.repeat(10)}-_s=` } }, /challenge/],
  ['another origin', { client: { origin: 'https://exchange.example.evil' } }, /origin/],
  ['no origin', { client: { origin: undefined } }, /origin/],
  ['a frame of another origin', { client: { crossOrigin: true } }, /across/],
  ['a crossOrigin that is no boolean', { client: { crossOrigin: 'false' } }, /across/],
  ['a top origin', { client: { topOrigin: 'https://exchange.example' } }, /inside/],
  ['another relying party', { rpId: 'approvals.example' }, /made for exchange\.example/],
  ['nobody present', { flags: 0x04 }, /present/],
  ['a user who was not verified', { flags: 0x01 }, /verified/],
  ['a backup that is not eligible', { flags: 0x15 }, /backup/],
  ['data after the counter', { trailing: Uint8Array.of(0) }, /37/],
  ['extension data', { flags: 0x85, trailing: Uint8Array.of(0xa0) }, /37/],
  ['a promise of extensions', { flags: 0x85 }, /promises/],
  ['a promise of credential data', { flags: 0x45 }, /promises/],
  ['a key twice', { clientText: doubled }, /twice/],
  ['a key twice inside, spelt differently', { clientText: nested }, /twice/],
  ['a byte order mark', { clientText: (text) => `\ufeff${text}` }, /JSON/],
  ['text that is not UTF-8', { clientText: () => Uint8Array.of(0x7b, 0xff, 0x7d) }, /UTF-8/],
  ['text after the object', { clientText: (text) => `${text}{}` }, /JSON/],
  ['an array', { clientText: (text) => `[${text}]` }, /object/],
  ['null', { clientText: () => 'null' }, /object/],
])('refuses %s', (_name, change, message) => {
  const refusal = { code: 'authorization-invalid', message: expect.stringMatching(message) };
  expect(() => verify(change)).toThrow(expect.objectContaining(refusal));
});

describe('signature', () => {
  const good = assertionBy('alice', digest, relyingParty);
  const refuse = (change: Partial<typeof good>) =>
    expect(() => verifyAssertion({ ...good, ...change }, digest, publicKey, relyingParty, nobleVerifiers)).toThrow(
      expect.objectContaining({ code: 'authorization-invalid' }),
    );

  test('refuses another credential', () => {
    expect(() => verify({}, 'mallory')).toThrow(expect.objectContaining({ code: 'authorization-invalid' }));
  });

  test('covers the authenticator data, the counter too, and every byte of the client data', () => {
    refuse({ authenticator_data: good.authenticator_data.replace(/09$/, '0a') });
    refuse({ client_data_json: good.client_data_json.replace(/7d$/, '207d') });
  });

  test('refuses what is no signature or no hex at all', () => {
    refuse({ signature: '00' });
    refuse({ signature: `${good.signature}00` });
    refuse({ authenticator_data: good.authenticator_data.slice(1) });
    refuse({ client_data_json: 'zz' });
  });
});

function reversed(text: string): unknown {
  return Object.fromEntries(Object.entries(JSON.parse(text) as object).toReversed());
}
