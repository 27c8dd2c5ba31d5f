import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { isSoundEd25519Key } from '@holdfast/core/signing/is-sound-ed25519-key.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';

/** DER of a SubjectPublicKeyInfo up to the key: RFC 8410 for Ed25519, RFC 5480 for an uncompressed point on P-256. */
const ed25519Prefix = Buffer.from('302a300506032b6570032100', 'hex');
const p256Prefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');

/** Decoding a key costs as much as using it; customers' keys are many, so old ones make room. */
const keysMax = 4_096;
/** By the key's hex, whose length tells the two curves apart; null for what is no key. */
const keys = new Map<string, KeyObject | null>();

/**
 * Signatures that were found to hold: a signer meets those of one batch in its own review and in both peers' reservations.
 * By key, message and signature in full, so nothing else passes for one of them.
 */
const holding = new Set<string>();
const holdingMax = 4_096;
/** A longer message is verified each time. */
const rememberedBytesMax = 128;

/** By OpenSSL, for signers and the server. */
export const opensslVerifiers: Verifiers = {
  ed25519(publicKey, message, signatureHex) {
    if (publicKey.length !== 32 || !/^[0-9a-f]{128}$/.test(signatureHex)) return false;
    const name = Buffer.from(publicKey).toString('hex');
    return remembered(name, message, signatureHex, () => {
      const key = keyOf(name, () => (isSoundEd25519Key(publicKey) ? Buffer.concat([ed25519Prefix, publicKey]) : null));
      return key !== null && verifies(null, message, key, signatureHex);
    });
  },
  p256(publicKeyHex, message, derSignatureHex) {
    if (!/^04[0-9a-f]{128}$/.test(publicKeyHex) || !/^([0-9a-f]{2}){8,72}$/.test(derSignatureHex)) return false;
    return remembered(publicKeyHex, message, derSignatureHex, () => {
      const key = keyOf(publicKeyHex, () => Buffer.concat([p256Prefix, Buffer.from(publicKeyHex, 'hex')]));
      return key !== null && verifies('sha256', message, key, derSignatureHex);
    });
  },
};

/** @param key its length tells the curve. */
function remembered(key: string, message: Uint8Array, signatureHex: string, verifyNow: () => boolean): boolean {
  if (message.length > rememberedBytesMax) return verifyNow();
  const name = `${key} ${Buffer.from(message).toString('hex')} ${signatureHex}`;
  if (holding.has(name)) return true;
  if (!verifyNow()) return false;
  const [oldest] = holding;
  if (holding.size >= holdingMax && oldest !== undefined) holding.delete(oldest);
  holding.add(name);
  return true;
}

function verifies(algorithm: 'sha256' | null, message: Uint8Array, key: KeyObject, signatureHex: string): boolean {
  try {
    return verify(algorithm, message, key, Buffer.from(signatureHex, 'hex'));
  } catch {
    return false;
  }
}

function keyOf(name: string, encode: () => Buffer | null): KeyObject | null {
  const known = keys.get(name);
  if (known !== undefined) return known;
  const key = decode(encode());
  const [oldest] = keys.keys();
  if (keys.size >= keysMax && oldest !== undefined) keys.delete(oldest);
  keys.set(name, key);
  return key;
}

function decode(spki: Buffer | null): KeyObject | null {
  if (spki === null) return null;
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}
