import { randomBytes } from 'node:crypto';
import { invariant } from '@holdfast/core/invariant.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { accountOf, recoverableSignature, type DigestSigner } from './digest-signer.ts';

export function createOwnerSecret(): Uint8Array {
  return secp256k1.utils.randomSecretKey(randomBytes(48));
}

/** This signer's owner key of the Safe, in software: RFC 6979. The secret stays inside the closure. */
export function ownerKey(secret: Uint8Array): DigestSigner {
  const publicKey = secp256k1.getPublicKey(secret, true);
  const sign = async (digest: Uint8Array): Promise<Uint8Array> => {
    const signature = secp256k1.sign(digest, secret, { prehash: false, lowS: true, format: 'compact' });
    const checked = recoverableSignature(signature, digest, publicKey);
    // A fault while signing could give the key away or a signature that the Safe refuses: check before it leaves.
    invariant(checked, 'the signature does not recover to the owner key');
    return checked;
  };
  return { publicKey, address: accountOf(publicKey), sign };
}
