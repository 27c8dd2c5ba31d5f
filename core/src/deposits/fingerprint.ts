import { invariant } from '../invariant.ts';

/** Writes the 64-bit fingerprint of a piece of ASCII text into `out`: low half, high half. */
export type Fingerprint = (text: string, from: number, to: number, out: Int32Array) => void;

const keyBytes = 16;
/** Rounds a word, and rounds at the end: SipHash-2-4. */
const wordRounds = 2;
const lastRounds = 4;

/** 1 when the 32-bit sum of a and b passed 2^32. */
const carry = (a: number, b: number, sum: number): number => ((a & b) | ((a | b) & ~sum)) >>> 31;

/** Up to 4 characters from `at` on, the first in the lowest byte. */
function half(text: string, at: number, end: number): number {
  if (at + 4 <= end)
    return (
      text.charCodeAt(at) |
      (text.charCodeAt(at + 1) << 8) |
      (text.charCodeAt(at + 2) << 16) |
      (text.charCodeAt(at + 3) << 24)
    );
  let word = 0;
  for (let i = at; i < end; i++) word |= text.charCodeAt(i) << (8 * (i - at));
  return word;
}

/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012) under a key of 16 bytes, on halves of 32 bits: numbers are far faster here than
 * bigint. Whoever does not know the key cannot choose texts that meet.
 */
export function fingerprintUnder(key: Uint8Array): Fingerprint {
  invariant(key.length === keyBytes, `a fingerprint key of ${key.length} bytes`);
  const view = new DataView(key.buffer, key.byteOffset, keyBytes);
  const [k0, k1, k2, k3] = [0, 4, 8, 12].map((at) => view.getInt32(at, true)) as [number, number, number, number];

  return (text, from, to, out) => {
    let a = k0 ^ 0x70736575;
    let A = k1 ^ 0x736f6d65;
    let b = k2 ^ 0x6e646f6d;
    let B = k3 ^ 0x646f7261;
    let c = k0 ^ 0x6e657261;
    let C = k1 ^ 0x6c796765;
    let d = k2 ^ 0x79746573;
    let D = k3 ^ 0x74656462;
    const words = (to - from) >>> 3;
    // The words, the last one with the length in its highest byte, then the closing rounds.
    for (let word = 0; word <= words + 1; word++) {
      const at = from + word * 8;
      const closing = word > words;
      const low = closing ? 0 : half(text, at, to);
      const high = closing ? 0 : half(text, at + 4, to) | (word === words ? (to - from) << 24 : 0);
      d ^= low;
      D ^= high;
      if (closing) c ^= 0xff;
      for (let round = closing ? lastRounds : wordRounds; round > 0; round--) {
        // v0 += v1, v1 <<<= 13, v1 ^= v0, v0 <<<= 32
        let sum = (a + b) | 0;
        A = (A + B + carry(a, b, sum)) | 0;
        const lowA = sum;
        let rotated = (b << 13) | (B >>> 19);
        B = ((B << 13) | (b >>> 19)) ^ A;
        b = rotated ^ lowA;
        a = A;
        A = lowA;
        // v2 += v3, v3 <<<= 16, v3 ^= v2
        sum = (c + d) | 0;
        C = (C + D + carry(c, d, sum)) | 0;
        c = sum;
        rotated = (d << 16) | (D >>> 16);
        D = ((D << 16) | (d >>> 16)) ^ C;
        d = rotated ^ c;
        // v0 += v3, v3 <<<= 21, v3 ^= v0
        sum = (a + d) | 0;
        A = (A + D + carry(a, d, sum)) | 0;
        a = sum;
        rotated = (d << 21) | (D >>> 11);
        D = ((D << 21) | (d >>> 11)) ^ A;
        d = rotated ^ a;
        // v2 += v1, v1 <<<= 17, v1 ^= v2, v2 <<<= 32
        sum = (c + b) | 0;
        C = (C + B + carry(c, b, sum)) | 0;
        rotated = (b << 17) | (B >>> 15);
        B = ((B << 17) | (b >>> 15)) ^ C;
        b = rotated ^ sum;
        c = C;
        C = sum;
      }
      a ^= low;
      A ^= high;
    }
    out[0] = a ^ b ^ c ^ d;
    out[1] = A ^ B ^ C ^ D;
  };
}
