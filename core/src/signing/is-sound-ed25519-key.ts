import { ed25519 } from '@noble/curves/ed25519.js';

/**
 * Whether 32 bytes are the canonical encoding of a point that is not of small order. Under a small-order key one
 * signature holds for messages that nobody signed (RFC 8032, 8.9), and OpenSSL does not refuse such keys.
 */
export function isSoundEd25519Key(publicKey: Uint8Array): boolean {
  if (publicKey.length !== 32) return false;
  try {
    return !ed25519.Point.fromBytes(publicKey, false).isSmallOrder();
  } catch {
    return false;
  }
}
