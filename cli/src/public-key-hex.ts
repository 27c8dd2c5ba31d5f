import { createPublicKey, type KeyObject } from 'node:crypto';

/** The Ed25519 public key of a private one as the policy lists it: 64 hex digits. */
export function publicKeyHex(privateKey: KeyObject): string {
  // SubjectPublicKeyInfo of an Ed25519 key ends with its 32 bytes (RFC 8410, section 4).
  return createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
}
