import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { describe, expect, test } from 'vitest';
import { opensslVerifiers } from './openssl-verifiers.ts';

const message = Buffer.from('a statement');
const both = { openssl: opensslVerifiers, noble: nobleVerifiers };

describe.each(Object.entries(both))('%s', (_name, verifiers) => {
  test('verifies Ed25519 signatures of OpenSSL and none with a bit changed', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const key = rawKey(publicKey, 32);
    const signature = sign(null, message, privateKey);
    expect(verifiers.ed25519(key, message, signature.toString('hex'))).toBe(true);
    for (const at of [0, 31, 32, 63]) {
      expect(verifiers.ed25519(key, message, flipped(signature, at).toString('hex'))).toBe(false);
    }
    expect(verifiers.ed25519(flipped(key, 3), message, signature.toString('hex'))).toBe(false);
  });

  test('verifies P-256 signatures of OpenSSL and none with a bit changed', () => {
    for (let round = 0; round < 8; round += 1) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const key = rawKey(publicKey, 65).toString('hex');
      const signature = sign('sha256', message, privateKey);
      expect(verifiers.p256(key, message, signature.toString('hex'))).toBe(true);
      for (let at = 0; at < signature.length; at += 7) {
        expect(verifiers.p256(key, message, flipped(signature, at).toString('hex'))).toBe(false);
      }
    }
  });

  // RFC 6979, A.2.5, SHA-256, message "sample".
  const point =
    '0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299';
  const r = 'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716';
  const s = 'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8';
  const sample = Buffer.from('sample');

  test('verifies the test vector of RFC 6979, whose s is in the upper half', () => {
    expect(verifiers.p256(point, sample, `3046022100${r}022100${s}`)).toBe(true);
  });

  test.each([
    ['bytes after the signature', point, `3046022100${r}022100${s}00`],
    ['a length in the long form', point, `308146022100${r}022100${s}`],
    ['a number with a superfluous zero', point, `304702220000${r}022100${s}`],
    ['a negative number', point, `30450220${r}022100${s}`],
    ['zero', point, '3006020100020100'],
    ['a compact signature', point, r + s],
    ['a point off the curve', `${point.slice(0, -2)}98`, `3046022100${r}022100${s}`],
    ['the point at infinity', `04${'00'.repeat(64)}`, `3046022100${r}022100${s}`],
    ['no hex', point, 'zz'],
    ['nothing', '', ''],
  ])('refuses %s without an exception', (_case, key, signature) => {
    expect(verifiers.p256(key, sample, signature)).toBe(false);
  });

  test('refuses every encoding of a small-order key, whose signatures hold for any message', () => {
    const prime = 2n ** 255n - 19n;
    // y of the points of order 1, 2, 4 and 8 (RFC 7748, 7 and the twist of it), with both signs, and y + p.
    const order8 = 2707385501144840649318225287225658788936804267575313519463743609750303021993n;
    const ys = [0n, 1n, prime - 1n, order8, prime - order8, prime, prime + 1n];
    const nothing = '00'.repeat(32);
    for (const y of ys) {
      for (const sign of [0n, 1n << 255n]) {
        const key = Buffer.from((y | sign).toString(16).padStart(64, '0'), 'hex').reverse();
        for (const nonce of [key, Buffer.from(`01${'00'.repeat(31)}`, 'hex')]) {
          for (const text of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
            expect(verifiers.ed25519(key, Buffer.from(text), nonce.toString('hex') + nothing)).toBe(false);
          }
        }
      }
    }
  });
});

test('what held once does not let another key, message or signature pass', () => {
  const [one, other] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
  const [key, otherKey] = [one, other].map((pair) => rawKey(pair!.publicKey, 65).toString('hex'));
  const signature = sign('sha256', message, one!.privateKey).toString('hex');
  for (let round = 0; round < 2; round += 1) {
    expect(opensslVerifiers.p256(key!, message, signature)).toBe(true);
    expect(opensslVerifiers.p256(otherKey!, message, signature)).toBe(false);
    expect(opensslVerifiers.p256(key!, flipped(message, 0), signature)).toBe(false);
    expect(opensslVerifiers.p256(key!, message, flipped(Buffer.from(signature, 'hex'), 9).toString('hex'))).toBe(false);
  }
});

test('goes on verifying after more signatures than it remembers', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = rawKey(publicKey, 32);
  const signed = Array.from({ length: 4_200 }, (_, at) => Buffer.from(`statement ${at}`));
  const signatures = signed.map((text) => sign(null, text, privateKey).toString('hex'));
  expect(signed.every((text, at) => opensslVerifiers.ed25519(key, text, signatures[at]!))).toBe(true);
  expect(opensslVerifiers.ed25519(key, signed[0]!, signatures[0]!)).toBe(true);
  expect(opensslVerifiers.ed25519(key, signed[0]!, signatures[1]!)).toBe(false);
});

test('goes on verifying after more keys than it remembers', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = rawKey(publicKey, 65).toString('hex');
  const signature = sign('sha256', message, privateKey).toString('hex');
  expect(opensslVerifiers.p256(key, message, signature)).toBe(true);
  for (let other = 0; other < 5_000; other += 1) {
    const offCurve = `04${other.toString(16).padStart(128, '0')}`;
    expect(opensslVerifiers.p256(offCurve, message, signature)).toBe(false);
  }
  expect(opensslVerifiers.p256(key, message, signature)).toBe(true);
});

/** The raw key at the end of a SubjectPublicKeyInfo. */
function rawKey(key: KeyObject, bytes: number): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(-bytes);
}

function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}
