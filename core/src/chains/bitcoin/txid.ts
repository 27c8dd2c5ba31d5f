import { sha256 } from '@noble/hashes/sha2.js';

const hexDigits = '0123456789abcdef';

export function doubleSha256(bytes: Uint8Array): Uint8Array {
  return sha256(sha256(bytes));
}

/** Bitcoin shows hashes (txid, block hash) with their bytes reversed. */
export function hashToText(hash: Uint8Array): string {
  // At once, not digit by digit: the text is hashed and compared next, and a block has thousands.
  const codes: number[] = [];
  for (let at = hash.length - 1; at >= 0; at--) {
    const byte = hash[at]!;
    codes.push(hexDigits.charCodeAt(byte >> 4), hexDigits.charCodeAt(byte & 15));
  }
  return String.fromCharCode(...codes);
}
