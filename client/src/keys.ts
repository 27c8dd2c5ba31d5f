import { createPrivateKey, type KeyObject } from 'node:crypto';
import { Failure } from '@holdfast/core/failure.ts';

// PrivateKeyInfo of an Ed25519 key is this and the 32-byte seed (RFC 8410, section 7).
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An Ed25519 private key: as Node holds it, or its 32-byte seed in hex (RFC 8032, 5.1.5). */
export type PrivateKey = KeyObject | string;

/** @throws Failure invalid-request when the text is no seed or the key is not Ed25519. */
export function ed25519PrivateKey(key: PrivateKey): KeyObject {
  if (typeof key !== 'string') {
    if (key.asymmetricKeyType === 'ed25519' && key.type === 'private') return key;
    throw new Failure('invalid-request', 'not an Ed25519 private key');
  }
  if (!/^[0-9a-f]{64}$/i.test(key)) throw new Failure('invalid-request', 'an Ed25519 seed has 64 hex digits');
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, Buffer.from(key, 'hex')]), format: 'der', type: 'pkcs8' });
}
