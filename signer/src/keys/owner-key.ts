import { randomBytes } from 'node:crypto';
import { invariant } from '@holdfast/core/invariant.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { accountOf, type DigestSigner } from './digest-signer.ts';

export function createOwnerSecret(): Uint8Array {
  return secp256k1.utils.randomSecretKey(randomBytes(48));
}

/** This signer's owner key of the Safe, in software: RFC 6979. The secret stays inside the closure. */
export function ownerKey(secret: Uint8Array): DigestSigner {
  const publicKey = secp256k1.getPublicKey(secret, true);
  const sign = async (digest: Uint8Array): Promise<Uint8Array> => {
    invariant(digest.length === 32, 'a digest has 32 bytes');
    // Recovery id first, then r and s.
    const signature = secp256k1.sign(digest, secret, { prehash: false, lowS: true, format: 'recovered' });
    const recovered = secp256k1.recoverPublicKey(signature, digest, { prehash: false });
    // A fault while signing could give the key away or a signature that the Safe refuses: check before it leaves.
    invariant(bytesToHex(recovered) === bytesToHex(publicKey), 'the signature does not recover to the owner key');
    return Uint8Array.of(...signature.subarray(1), 27 + (signature[0] ?? 0));
  };
  return { publicKey, address: accountOf(publicKey), sign };
}
