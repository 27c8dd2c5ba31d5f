import { Failure } from '../../failure.ts';
import { doubleSha256, hashToText } from './txid.ts';
import { cursorOf, expectEnd, readBytes } from './wire.ts';

export interface BitcoinHeader {
  /** Display order, as `prev`. */
  readonly hash: string;
  readonly prev: string;
  /** In header order. */
  readonly merkleRoot: Uint8Array;
  readonly timeMs: number;
  /** The number that the hash does not exceed. */
  readonly target: bigint;
}

/** Bytes of a serialised header. */
export const headerBytes = 80;

/**
 * Reads a block header and checks that its work was done.
 * @param header 80 bytes, hex. @param easiestBits compact target that the header's own may not exceed, hex as nodes show it.
 * @throws Failure transaction-malformed when it is not 80 bytes, node-proof-invalid when it lacks work.
 */
export function parseBitcoinHeader(header: string, easiestBits: string): BitcoinHeader {
  const cursor = cursorOf(header);
  const bytes = readBytes(cursor, headerBytes);
  expectEnd(cursor);
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const target = workTarget(view.getUint32(72, true));
  const hash = hashToText(doubleSha256(bytes));
  if (target > workTarget(Number.parseInt(easiestBits, 16))) {
    throw new Failure('node-proof-invalid', `block ${hash} claims less work than bits ${easiestBits} ask for`);
  }
  if (BigInt(`0x${hash}`) > target)
    throw new Failure('node-proof-invalid', `block ${hash} does not meet its own target`);
  return {
    hash,
    prev: hashToText(bytes.subarray(4, 36)),
    merkleRoot: bytes.slice(36, 68),
    timeMs: view.getUint32(68, true) * 1_000,
    target,
  };
}

/** The number that a block's hash must not exceed, from the compact form in the header. */
export function workTarget(nBits: number): bigint {
  const exponent = nBits >>> 24;
  const mantissa = BigInt(nBits & 0x7f_ffff);
  // The sign bit makes a target that no hash can meet.
  if (nBits & 0x80_0000) return -1n;
  return exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3));
}
