import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import vectors from './data/bip-340.json' with { type: 'json' };

test.each(vectors.vectors)('BIP-340 vector $index verifies: $valid $comment', (vector) => {
  const verdict = schnorr.verify(
    hexToBytes(vector.signature),
    hexToBytes(vector.message),
    hexToBytes(vector.publicKey),
  );
  expect(verdict).toBe(vector.valid);
});

test.each(vectors.vectors.filter(({ secretKey }) => secretKey !== ''))(
  'BIP-340 vector $index signs to the published bytes',
  (vector) => {
    const secret = hexToBytes(vector.secretKey);
    expect(bytesToHex(schnorr.getPublicKey(secret))).toBe(vector.publicKey);
    expect(bytesToHex(schnorr.sign(hexToBytes(vector.message), secret, hexToBytes(vector.auxRand)))).toBe(
      vector.signature,
    );
  },
);
