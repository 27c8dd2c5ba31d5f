import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { signP256 } from './sign-p256.test-support.ts';
import { nobleVerifiers } from './noble-verifiers.ts';

test('signs on P-256 what the verifier accepts', () => {
  // The key of RFC 6979, A.2.5.
  const secret = hexToBytes('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721');
  const key =
    '0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299';
  for (const text of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
    const message = utf8ToBytes(text);
    expect(nobleVerifiers.p256(key, message, bytesToHex(signP256(message, secret)))).toBe(true);
  }
});
