import * as crypto from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { currentProcess, world } from '../world/world.ts';

/** In place of node:crypto: what is random there follows from the seed, and nothing goes through a thread. */
export * from 'node:crypto';

export function randomBytes(length: number): Buffer {
  return currentProcess() ? world().random.bytes(length) : crypto.randomBytes(length);
}

export function randomUUID(): string {
  if (!currentProcess()) return crypto.randomUUID();
  const bytes = randomBytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function argon2(
  algorithm: crypto.Argon2Algorithm,
  parameters: crypto.Argon2Parameters,
  callback: (error: Error | null, key: Buffer) => void,
): void {
  callback(null, crypto.argon2Sync(algorithm, parameters));
}

/** SubjectPublicKeyInfo of a P-256 key up to its point (RFC 5480). */
const spkiOfP256 = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');

/** A certificate's key (transport/src/certificate.ts); TLS is not simulated, so its secret is only ever copied. */
export function generateKeyPairSync(): { publicKey: Buffer; privateKey: string } {
  const secret = randomBytes(32);
  secret[0] = 1;
  return {
    publicKey: Buffer.concat([spkiOfP256, p256.getPublicKey(secret, false)]),
    privateKey: secret.toString('hex'),
  };
}

export function sign(algorithm: string | null, data: Uint8Array, key: unknown): Buffer {
  const held = typeof key === 'object' && key !== null && 'key' in key ? key.key : undefined;
  if (typeof held !== 'string') return crypto.sign(algorithm, data, key as crypto.KeyObject);
  return Buffer.from(p256.sign(data, Buffer.from(held, 'hex'), { format: 'der' }));
}
