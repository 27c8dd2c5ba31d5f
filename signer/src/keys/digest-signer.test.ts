import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import { accountOf, recoverableSignature } from './digest-signer.ts';
import { ownerKey } from './owner-key.ts';

const secret = new Uint8Array(32).fill(1);
const publicKey = secp256k1.getPublicKey(secret, true);
const digests = Array.from({ length: 32 }, (_, at) => sha256(Uint8Array.of(at)));
const raw = (digest: Uint8Array) => secp256k1.sign(digest, secret, { prehash: false, lowS: false });

test('makes s low whatever the key gave, and finds the recovery id', () => {
  const wasHigh = digests.filter((digest) => secp256k1.Signature.fromBytes(raw(digest), 'compact').hasHighS());
  expect(wasHigh.length).toBeGreaterThan(4);
  expect(wasHigh.length).toBeLessThan(28);
  for (const digest of digests) {
    const signature = recoverableSignature(raw(digest), digest, publicKey);
    expect(signature).toHaveLength(65);
    const compact = signature!.subarray(0, 64);
    expect(secp256k1.verify(compact, digest, publicKey, { prehash: false, lowS: true })).toBe(true);
    const recovered = Uint8Array.of(signature![64]! - 27, ...compact);
    expect(secp256k1.recoverPublicKey(recovered, digest, { prehash: false })).toEqual(publicKey);
  }
});

const [digest, other] = digests as [Uint8Array, Uint8Array];
const changed = (at: number): Uint8Array => raw(digest).map((byte, index) => (index === at ? byte ^ 1 : byte));
test.each<[string, Uint8Array, Uint8Array, Uint8Array]>([
  ['over another digest', raw(other), digest, publicKey],
  ['of another key', raw(digest), digest, secp256k1.getPublicKey(new Uint8Array(32).fill(2), true)],
  ['with another r', changed(5), digest, publicKey],
  ['with another s', changed(40), digest, publicKey],
  ['with an r of zero', Uint8Array.of(...new Uint8Array(32), ...raw(digest).subarray(32)), digest, publicKey],
  ['with an s above the order', new Uint8Array(64).fill(0xff), digest, publicKey],
  ['that is too short', raw(digest).subarray(1), digest, publicKey],
  ['that is too long', Uint8Array.of(...raw(digest), 0), digest, publicKey],
])('takes no signature %s', (_, compact, signed, key) => {
  expect(recoverableSignature(compact, signed, key)).toBeNull();
});

test('the software key signs by RFC 6979 and knows its account', async () => {
  const owner = ownerKey(secret);
  // The account of the secret 0x0101..01, computed by other software.
  expect(owner.address).toBe('0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1');
  expect(accountOf(owner.publicKey)).toBe(owner.address);
  expect(await owner.sign(digest)).toEqual(await owner.sign(digest));
  await expect(owner.sign(digest.subarray(1))).rejects.toThrow(/32 bytes/);
});
