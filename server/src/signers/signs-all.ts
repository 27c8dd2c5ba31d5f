import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hexToBytes } from '@noble/hashes/utils.js';

/**
 * Whether a signer's answer is one ECDSA signature an input, each of its key over the input's hash; a high s is none, nodes do
 * not relay it (BIP-146).
 * @param answer `key`: compressed, hex; `signatures`: r and s, 64 bytes in hex.
 */
export function signsAll(
  { key, signatures }: { readonly key: string; readonly signatures: readonly string[] },
  sighashes: readonly Uint8Array[],
): boolean {
  if (signatures.length !== sighashes.length) return false;
  return sighashes.every((sighash, at) => {
    try {
      return secp256k1.verify(hexToBytes(signatures[at]!), sighash, hexToBytes(key), { prehash: false, lowS: true });
    } catch {
      // Not a point, or r or s out of range.
      return false;
    }
  });
}
