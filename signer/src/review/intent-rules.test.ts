import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { verifyEd25519 } from './intent-rules.ts';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const raw = Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url');
const message = new Uint8Array(32).fill(3);
const signature = sign(null, message, privateKey).toString('hex');

test('accepts the signature of the key over the message, and no other', () => {
  expect(verifyEd25519(raw, message, signature)).toBe(true);
  expect(verifyEd25519(raw, new Uint8Array(32).fill(4), signature)).toBe(false);
  expect(verifyEd25519(raw, message, `00${signature.slice(2)}`)).toBe(false);
  expect(verifyEd25519(new Uint8Array(32).fill(9), message, signature)).toBe(false);
});

test('refuses a second form of a signature: s plus the order of the group, RFC 8032 section 5.1.7', () => {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const s = BigInt(`0x${Buffer.from(signature.slice(64), 'hex').reverse().toString('hex')}`);
  const other = Buffer.from((s + order).toString(16).padStart(64, '0'), 'hex')
    .reverse()
    .toString('hex');
  expect(verifyEd25519(raw, message, signature.slice(0, 64) + other)).toBe(false);
});
