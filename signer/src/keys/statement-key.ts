import { createPrivateKey, createPublicKey, randomBytes, sign as signEd25519, verify } from 'node:crypto';
import { bytesToHex } from '@noble/hashes/utils.js';
import { invariant } from '@holdfast/core/invariant.ts';

/**
 * What this signer vouches with: addresses, heads of journals, tree heads, that it has signed. It signs no payment, so
 * whoever stole it could lie to clients and peers but move nothing.
 */
export interface StatementKey {
  /** Ed25519, 64 hex digits. */
  readonly publicKey: string;
  /** Ed25519 (RFC 8032) over the 32 digest bytes, hex. */
  readonly sign: (digest: Uint8Array) => string;
}

/** PrivateKeyInfo of an Ed25519 key up to its 32 bytes, RFC 8410, 7. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const secretBytes = 32;

export function createStatementSecret(): Uint8Array {
  return randomBytes(secretBytes);
}

/** @param secret 32 bytes, the seed of RFC 8032, 5.1.5; not kept. */
export function statementKey(secret: Uint8Array): StatementKey {
  invariant(secret.length === secretBytes, 'an Ed25519 seed has 32 bytes');
  const der = Buffer.concat([pkcs8Prefix, secret]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  const publicKey = createPublicKey(privateKey);
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const sign = (digest: Uint8Array): string => {
    invariant(digest.length === 32, 'a digest has 32 bytes');
    const signature = signEd25519(null, digest, privateKey);
    // Two signatures of one message, one of them faulty, would give the key away.
    invariant(verify(null, digest, publicKey, signature), 'the signature does not verify');
    return bytesToHex(signature);
  };
  return { publicKey: bytesToHex(spki.subarray(-secretBytes)), sign };
}
