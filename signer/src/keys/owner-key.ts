import { randomBytes } from 'node:crypto';
import { invariant } from '@holdfast/core/invariant.ts';
import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** This signer's owner key of the Safe. The secret stays inside the closure. */
export interface OwnerKey {
  /** EIP-55. */
  readonly address: string;
  /** Signs a 32-byte hash: 65 bytes r s v as hex, v 27 or 28, low s, RFC 6979. */
  readonly sign: (hash: Uint8Array) => string;
}

export function createOwnerSecret(): Uint8Array {
  return secp256k1.utils.randomSecretKey(randomBytes(48));
}

export function ownerKey(secret: Uint8Array): OwnerKey {
  const publicKey = secp256k1.getPublicKey(secret, false);
  const address = parseEvmAddress(`0x${bytesToHex(keccak_256(publicKey.subarray(1)).subarray(12))}`);
  const sign = (hash: Uint8Array): string => {
    invariant(hash.length === 32, 'a hash has 32 bytes');
    // Recovery id first, then r and s.
    const signature = secp256k1.sign(hash, secret, { prehash: false, lowS: true, format: 'recovered' });
    const recovered = secp256k1.recoverPublicKey(signature, hash, { prehash: false });
    const own = secp256k1.Point.fromBytes(publicKey).toBytes(true);
    // A fault while signing could give the key away or a signature that the Safe refuses: check before it leaves.
    invariant(bytesToHex(recovered) === bytesToHex(own), 'the signature does not recover to the owner key');
    return `${bytesToHex(signature.subarray(1))}${(27 + (signature[0] ?? 0)).toString(16)}`;
  };
  return { address, sign };
}
