import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** A secp256k1 key that signs digests, wherever the secret is: in this process (owner-key.ts) or in an HSM (pkcs11). */
export interface DigestSigner {
  /** 33 bytes, SEC 1 compressed. */
  readonly publicKey: Uint8Array;
  /** Its EVM account, EIP-55. */
  readonly address: string;
  /**
   * Signs a 32-byte digest.
   * @returns 65 bytes r s v: s low (EIP-2), v 27 or 28. It was verified to recover to `publicKey`.
   * @throws Failure hsm-unavailable, hsm-pin-refused, hsm-key-missing or hsm-key-differs when the key is in an HSM.
   */
  readonly sign: (digest: Uint8Array) => Promise<Uint8Array>;
}

/** The account of a key: the last 20 bytes of the Keccak-256 of its coordinates (Yellow Paper, appendix F). */
export function accountOf(publicKey: Uint8Array): string {
  const coordinates = secp256k1.Point.fromBytes(publicKey).toBytes(false).subarray(1);
  return parseEvmAddress(`0x${bytesToHex(keccak_256(coordinates).subarray(12))}`);
}

/**
 * Makes an ECDSA signature what the chains take: s in the lower half, and v, which says what key it recovers to (SEC 1, 4.1.6).
 * @param compact r and s, 64 bytes. PKCS#11 leaves s as it came out, high half of the times.
 * @param publicKey 33 bytes, of the key that is said to have signed.
 * @returns 65 bytes r s v; null when it is no signature of the key over the digest.
 */
export function recoverableSignature(
  compact: Uint8Array,
  digest: Uint8Array,
  publicKey: Uint8Array,
): Uint8Array | null {
  invariant(digest.length === 32, 'a digest has 32 bytes');
  const low = lowS(compact);
  if (!low) return null;
  const expected = bytesToHex(publicKey);
  for (const bit of [0, 1]) {
    // The other two candidates have an r above the group order: nobody will ever see one, and a Safe takes none.
    if (recoveredKey(low, bit, digest) === expected) return Uint8Array.of(...low.toBytes('compact'), 27 + bit);
  }
  return null;
}

type Signature = ReturnType<typeof secp256k1.Signature.fromBytes>;

function lowS(compact: Uint8Array): Signature | null {
  try {
    const signature = secp256k1.Signature.fromBytes(Uint8Array.from(compact), 'compact');
    if (!signature.hasHighS()) return signature;
    return new secp256k1.Signature(signature.r, secp256k1.Point.Fn.neg(signature.s));
  } catch {
    // Not 64 bytes, or r or s out of range.
    return null;
  }
}

function recoveredKey(signature: Signature, bit: number, digest: Uint8Array): string | null {
  try {
    return signature.addRecoveryBit(bit).recoverPublicKey(digest).toHex(true);
  } catch {
    return null;
  }
}
