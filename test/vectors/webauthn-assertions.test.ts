import { hexToBytes } from '@noble/hashes/utils.js';
import { verifyAuthenticationResponse } from '@simplewebauthn/server';
import type { Assertion } from '@holdfast/core/signing/evidence.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { verifyAssertion } from '@holdfast/core/signing/verify-assertion.ts';
import { type AssertionOptions, createCredential } from '@holdfast/devnet/authenticator.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const rpId = 'exchange.localhost';
const origin = 'https://exchange.localhost';
const digest = new Uint8Array(32).fill(7);
const passkey = createCredential(rpId);
const stranger = createCredential(rpId);

/** COSE_Key of an ES256 public key, RFC 9053, 7.1. */
function coseKey(publicKey: string): Uint8Array<ArrayBuffer> {
  const point = hexToBytes(publicKey);
  const [x, y] = [point.slice(1, 33), point.slice(33)];
  return Uint8Array.of(0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20, ...x, 0x22, 0x58, 0x20, ...y);
}

const base64url = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');

/** The verdict of @simplewebauthn/server. */
async function theirs(assertion: Assertion, challenge: Uint8Array, publicKey: string): Promise<boolean> {
  try {
    const { verified } = await verifyAuthenticationResponse({
      response: {
        id: assertion.credential_id,
        rawId: assertion.credential_id,
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          authenticatorData: base64url(assertion.authenticator_data),
          clientDataJSON: base64url(assertion.client_data_json),
          signature: base64url(assertion.signature),
        },
      },
      expectedChallenge: Buffer.from(challenge).toString('base64url'),
      expectedOrigin: origin,
      expectedRPID: rpId,
      requireUserVerification: true,
      credential: { id: assertion.credential_id, publicKey: coseKey(publicKey), counter: 0 },
    });
    return verified;
  } catch {
    return false;
  }
}

/** Ours, by each of the two implementations of the signatures, which must agree. */
function ours(assertion: Assertion, challenge: Uint8Array, publicKey: string): boolean {
  const verdicts = [nobleVerifiers, opensslVerifiers].map((verifiers) => {
    try {
      verifyAssertion(assertion, challenge, publicKey, { rp_id: rpId, origins: [origin] }, verifiers);
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'authorization-invalid' });
      return false;
    }
  });
  expect(verdicts[1]).toBe(verdicts[0]);
  return verdicts[0] as boolean;
}

test('an honest assertion passes both verifiers, over any digest', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async (any) => {
      const assertion = passkey.sign(any, { origin });
      expect(ours(assertion, any, passkey.publicKey)).toBe(true);
      expect(await theirs(assertion, any, passkey.publicKey)).toBe(true);
    }),
    { numRuns: 30 },
  );
});

const dishonest: Readonly<Record<string, Partial<AssertionOptions>>> = {
  'another origin': { origin: 'https://exchange.localhost.attacker.example' },
  'the origin with another scheme': { origin: 'http://exchange.localhost' },
  'another relying party': { rpId: 'approvals.localhost' },
  'no user verification': { userVerified: false },
  'no user presence': { userPresent: false },
  'a registration instead of an assertion': { type: 'webauthn.create' },
};

test.each(Object.entries(dishonest))('both verifiers refuse %s', async (_, options) => {
  const assertion = passkey.sign(digest, { origin, ...options });
  expect(ours(assertion, digest, passkey.publicKey)).toBe(false);
  expect(await theirs(assertion, digest, passkey.publicKey)).toBe(false);
});

test('both verifiers refuse another digest, another key and a changed byte anywhere', async () => {
  const assertion = passkey.sign(digest, { origin });
  const other = new Uint8Array(32).fill(8);
  expect(ours(assertion, other, passkey.publicKey)).toBe(false);
  expect(await theirs(assertion, other, passkey.publicKey)).toBe(false);
  expect(ours(assertion, digest, stranger.publicKey)).toBe(false);
  expect(await theirs(assertion, digest, stranger.publicKey)).toBe(false);
  for (const part of ['authenticator_data', 'client_data_json', 'signature'] as const) {
    for (const at of [0, 5, assertion[part].length / 2 - 1]) {
      const bytes = Buffer.from(assertion[part], 'hex');
      bytes[at] = (bytes[at] as number) ^ 1;
      const changed = { ...assertion, [part]: bytes.toString('hex') };
      expect(ours(changed, digest, passkey.publicKey), `${part} ${at}`).toBe(false);
      expect(await theirs(changed, digest, passkey.publicKey), `${part} ${at}`).toBe(false);
    }
  }
});

test('we refuse a page inside another site, which the other verifier lets pass', async () => {
  const assertion = passkey.sign(digest, { origin, crossOrigin: true });
  expect(await theirs(assertion, digest, passkey.publicKey)).toBe(true);
  expect(ours(assertion, digest, passkey.publicKey)).toBe(false);
});

test('we refuse a signature that is not strict DER', () => {
  const assertion = passkey.sign(digest, { origin });
  for (const signature of [`${assertion.signature}00`, assertion.signature.slice(0, -2)]) {
    expect(ours({ ...assertion, signature }, digest, passkey.publicKey)).toBe(false);
  }
});
