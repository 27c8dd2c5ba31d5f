import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

export function doubleSha256(bytes: Uint8Array): Uint8Array {
  return sha256(sha256(bytes));
}

/** Bitcoin shows hashes (txid, block hash) with their bytes reversed. */
export function hashToText(hash: Uint8Array): string {
  return bytesToHex(hash.toReversed());
}
