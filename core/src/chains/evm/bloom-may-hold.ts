import { keccak_256 } from '@noble/hashes/sha3.js';
import { hexToBytes } from '@noble/hashes/utils.js';

/**
 * Whether a block may have a log with this address or topic (0x hex): false is certain, true is not (yellow paper 4.4.1).
 * @param logsBloom 256 bytes, 0x hex, of a header that is believed.
 */
export function bloomMayHold(logsBloom: string, item: string): boolean {
  const bloom = hexToBytes(logsBloom.slice(2));
  return bloomBits(item).every((bit) => ((bloom[255 - (bit >> 3)] ?? 0) >> (bit & 7)) & 1);
}

/** The three of 2,048 bits that stand for an address or a topic. */
export function bloomBits(item: string): number[] {
  const hash = keccak_256(hexToBytes(item.slice(2)));
  return [0, 2, 4].map((at) => (((hash[at] ?? 0) << 8) | (hash[at + 1] ?? 0)) & 2_047);
}
