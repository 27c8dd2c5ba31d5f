import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { createStatementSecret, statementKey } from './statement-key.ts';

test('derives the public key of RFC 8032, 7.1, test 1', () => {
  const key = statementKey(hexToBytes('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'));
  expect(key.publicKey).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
});

test('signs what another implementation verifies, and signs it the same way', () => {
  const secret = createStatementSecret();
  const key = statementKey(secret);
  const digest = new Uint8Array(32).fill(7);
  expect(key.sign(digest)).toBe(bytesToHex(ed25519.sign(digest, secret)));
  expect(ed25519.verify(hexToBytes(key.sign(digest)), digest, hexToBytes(key.publicKey))).toBe(true);
});

test('goes on signing after the caller has wiped the secret', () => {
  const secret = createStatementSecret();
  const key = statementKey(secret);
  const before = key.sign(new Uint8Array(32));
  secret.fill(0);
  expect(key.sign(new Uint8Array(32))).toBe(before);
});

test.each([31, 33, 64])('signs only digests: %i bytes are a bug', (length) => {
  const key = statementKey(createStatementSecret());
  expect(() => key.sign(new Uint8Array(length))).toThrow(/32 bytes/);
});
