import { p256 } from '@noble/curves/nist.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import { nobleVerifiers } from './noble-verifiers.ts';

describe('Ed25519', () => {
  // RFC 8032, 7.1, test 3.
  const key = hexToBytes('fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025');
  const message = hexToBytes('af82');
  const signature =
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a';

  test('verifies the test vector of RFC 8032', () => {
    expect(nobleVerifiers.ed25519(key, message, signature)).toBe(true);
    expect(nobleVerifiers.ed25519(key, hexToBytes('af83'), signature)).toBe(false);
  });

  test('refuses s + L, small-order keys and wrong lengths without an exception', () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const s = BigInt(`0x${bytesToHex(hexToBytes(signature.slice(64)).toReversed())}`) + order;
    const malleated = bytesToHex(hexToBytes(s.toString(16).padStart(64, '0')).toReversed());
    expect(nobleVerifiers.ed25519(key, message, signature.slice(0, 64) + malleated)).toBe(false);
    // The identity as key and nonce point, s = 0: holds for every message unless the key is refused.
    const identity = new Uint8Array(32);
    identity[0] = 1;
    expect(nobleVerifiers.ed25519(identity, message, `${bytesToHex(identity)}${'00'.repeat(32)}`)).toBe(false);
    expect(nobleVerifiers.ed25519(key.subarray(1), message, signature)).toBe(false);
    expect(nobleVerifiers.ed25519(key, message, signature.slice(2))).toBe(false);
    expect(nobleVerifiers.ed25519(key, message, signature.toUpperCase())).toBe(false);
  });
});

describe('P-256', () => {
  // RFC 6979, A.2.5, SHA-256, message "sample".
  const key =
    '0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299';
  const r = 'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716';
  const s = 'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8';
  const signature = `3046022100${r}022100${s}`;
  const message = utf8ToBytes('sample');

  test('verifies the test vector of RFC 6979, whose s is in the upper half, and its lower twin', () => {
    expect(nobleVerifiers.p256(key, message, signature)).toBe(true);
    const low = (p256.Point.Fn.ORDER - BigInt(`0x${s}`)).toString(16).padStart(64, '0');
    expect(nobleVerifiers.p256(key, message, `3045022100${r}0220${low}`)).toBe(true);
    expect(nobleVerifiers.p256(key, utf8ToBytes('test'), signature)).toBe(false);
  });

  test.each([
    ['bytes after the signature', key, `${signature}00`],
    ['a length in the long form', key, `308146${signature.slice(4)}`],
    ['a number with a superfluous zero', key, `304702220000${r}022100${s}`],
    ['a negative number', key, `30450220${r}022100${s}`],
    ['zero', key, '3006020100020100'],
    ['a compact signature', key, r + s],
    ['a point off the curve', `${key.slice(0, -2)}98`, signature],
    ['a compressed point', `02${key.slice(2, 66)}`, signature],
    ['the point at infinity', `04${'00'.repeat(64)}`, signature],
    ['upper case', key, signature.toUpperCase()],
    ['nothing', key, ''],
  ])('refuses %s without an exception', (_name, publicKey, changed) => {
    expect(nobleVerifiers.p256(publicKey, message, changed)).toBe(false);
  });
});
