/**
 * Target of a block header's `bits` (8 hex digits, most significant byte first): the smaller, the more work.
 * @returns null for a form that no header may have: negative, zero, or above 256 bits (Bitcoin Core, arith_uint256 SetCompact).
 */
export function compactTarget(bits: string): bigint | null {
  const compact = Number.parseInt(bits, 16);
  const exponent = compact >>> 24;
  const mantissa = BigInt(compact & 0x7fffff);
  if ((compact & 0x800000) !== 0) return null;
  const target = exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3));
  return target > 0n && target < 1n << 256n ? target : null;
}
