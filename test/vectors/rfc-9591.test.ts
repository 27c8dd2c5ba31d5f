import type { FROST, FrostPublic } from '@noble/curves/abstract/frost.js';
import { ed25519, ed25519_FROST } from '@noble/curves/ed25519.js';
import { secp256k1, secp256k1_FROST } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import vectors from './data/rfc-9591.json' with { type: 'json' };

interface Suite {
  readonly frost: FROST;
  readonly publicOf: (scalar: bigint) => Uint8Array<ArrayBuffer>;
}

const suites: Record<string, Suite> = {
  ed25519: {
    frost: ed25519_FROST,
    publicOf: (scalar) => Uint8Array.from(ed25519.Point.BASE.multiply(scalar).toBytes()),
  },
  secp256k1: {
    frost: secp256k1_FROST,
    publicOf: (scalar) => Uint8Array.from(secp256k1.Point.BASE.multiply(scalar).toBytes()),
  },
};

describe.each(vectors.suites)('RFC 9591 appendix $appendix, $suite', (vector) => {
  const { frost, publicOf } = suites[vector.suite] as Suite;
  const scalar = (hex: string): bigint => frost.utils.Fn.fromBytes(hexToBytes(hex));
  const idOf = (identifier: number): string => frost.Identifier.fromNumber(identifier);
  const secretOf = (one: { identifier: number; share: string }) => ({
    identifier: idOf(one.identifier),
    signingShare: hexToBytes(one.share),
  });
  const group: FrostPublic = {
    signers: { min: 2, max: 3 },
    commitments: [hexToBytes(vector.groupPublicKey), publicOf(scalar(vector.coefficient))],
    verifyingShares: Object.fromEntries(
      vector.participants.map((one) => [idOf(one.identifier), publicOf(scalar(one.share))]),
    ),
  };
  /** The vector's randomness instead of a generator's: first the hiding, then the binding nonce. */
  const nonceOf = (one: (typeof vector.participants)[number]) => {
    const randomness = [one.hidingRandomness, one.bindingRandomness].map(hexToBytes);
    return frost.commit(secretOf(one), () => randomness.shift() as Uint8Array<ArrayBuffer>);
  };

  test('the group secret gives the group key and every share lies on the polynomial', () => {
    expect(bytesToHex(publicOf(scalar(vector.groupSecretKey)))).toBe(vector.groupPublicKey);
    for (const one of vector.participants) expect(() => frost.validateSecret(secretOf(one), group)).not.toThrow();
  });

  test('nonces and their commitments come out of the given randomness', () => {
    for (const one of vector.participants) {
      const { nonces, commitments } = nonceOf(one);
      expect(bytesToHex(nonces.hiding)).toBe(one.hidingNonce);
      expect(bytesToHex(nonces.binding)).toBe(one.bindingNonce);
      expect(bytesToHex(commitments.hiding)).toBe(one.hidingCommitment);
      expect(bytesToHex(commitments.binding)).toBe(one.bindingCommitment);
    }
  });

  test('signature shares and the aggregate are the published ones', () => {
    const message = hexToBytes(vector.message);
    const rounds = vector.participants.map((one) => ({ one, ...nonceOf(one) }));
    const list = rounds.map((round) => round.commitments);
    const shares = Object.fromEntries(
      rounds.map(({ one, nonces }) => [
        idOf(one.identifier),
        frost.signShare(secretOf(one), group, nonces, list, message),
      ]),
    );
    for (const one of vector.participants) {
      expect(bytesToHex(shares[idOf(one.identifier)] as Uint8Array)).toBe(one.signatureShare);
    }
    const signature = frost.aggregate(group, list, message, shares);
    expect(bytesToHex(signature)).toBe(vector.signature);
    expect(frost.verify(signature, message, hexToBytes(vector.groupPublicKey))).toBe(true);
  });
});

test('the Ed25519 aggregate verifies as an ordinary RFC 8032 signature', () => {
  const vector = vectors.suites.find((one) => one.suite === 'ed25519');
  const hex = (key: 'signature' | 'message' | 'groupPublicKey'): Uint8Array => hexToBytes(vector?.[key] ?? '');
  expect(ed25519.verify(hex('signature'), hex('message'), hex('groupPublicKey'), { zip215: false })).toBe(true);
});
