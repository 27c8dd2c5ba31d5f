import { p256 } from '@noble/curves/nist.js';
import { bytesToNumberBE, numberToBytesBE } from '@noble/curves/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';

/**
 * ECDSA with SHA-256 on P-256, DER, for tests only. Written out, because the library blinds secrets with random bytes,
 * which the tests of core may not draw. @param secretKey a scalar of 32 bytes; the nonce is made from it and the message.
 */
export function signP256(message: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const { Fn, BASE } = p256.Point;
  const hash = sha256(message);
  const nonce = Fn.create(bytesToNumberBE(sha256(concatBytes(secretKey, hash))));
  const r = Fn.create(BASE.multiplyUnsafe(nonce).toAffine().x);
  const s = Fn.mul(Fn.inv(nonce), Fn.add(Fn.create(bytesToNumberBE(hash)), Fn.mul(r, bytesToNumberBE(secretKey))));
  return derSequence([r, s]);
}

function derSequence(numbers: readonly bigint[]): Uint8Array {
  const body = concatBytes(
    ...numbers.map((number) => {
      const bytes = numberToBytesBE(number, 33);
      const first = bytes.findIndex((byte, at) => byte !== 0 || (bytes[at + 1] ?? 0x80) >= 0x80);
      const integer = bytes.subarray(first);
      return Uint8Array.of(0x02, integer.length, ...integer);
    }),
  );
  return Uint8Array.of(0x30, body.length, ...body);
}
