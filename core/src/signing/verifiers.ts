/**
 * Verification of the two kinds of signatures that people and machines give. Malformed keys, points off the curve,
 * encodings that are not canonical and wrong lengths are `false`, never an exception.
 */
export interface Verifiers {
  /** Ed25519 (RFC 8032) of a signature of 128 hex digits; small-order keys verify nothing. */
  ed25519(publicKey: Uint8Array, message: Uint8Array, signatureHex: string): boolean;
  /** ECDSA with SHA-256 on P-256 (WebAuthn's ES256): uncompressed point and DER signature in hex. Both halves of s count. */
  p256(publicKeyHex: string, message: Uint8Array, derSignatureHex: string): boolean;
}
