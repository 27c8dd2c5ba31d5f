import { equalBytes } from '@noble/curves/utils.js';
import { emptyRoot, nodeHash } from './leaf-hash.ts';

/** That a tree only grew: its first `from` leaves are those of the older tree. */
export interface ConsistencyProof {
  readonly from: number;
  readonly fromRoot: Uint8Array;
  readonly to: number;
  readonly toRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/**
 * Whether the proof holds: RFC 9162, 2.1.4.2, which checks the proofs of RFC 6962, 2.1.2. Every tree grew from the empty
 * one, without a proof. Never throws.
 */
export function verifyConsistency({ from, fromRoot, to, toRoot, proof }: ConsistencyProof): boolean {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || from > to) return false;
  if ([fromRoot, toRoot, ...proof].some((hash) => hash.length !== 32)) return false;
  if (from === 0)
    return proof.length === 0 && equalBytes(fromRoot, emptyRoot()) && (to > 0 || equalBytes(toRoot, fromRoot));
  if (from === to) return proof.length === 0 && equalBytes(fromRoot, toRoot);
  // A complete old tree is itself the first node of the path.
  const [first, ...rest] = isPowerOfTwo(from) ? [fromRoot, ...proof] : proof;
  if (first === undefined || proof.length === 0) return false;
  let place = from - 1;
  let last = to - 1;
  while (place % 2 === 1) {
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  let oldHash = first;
  let newHash = first;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      oldHash = nodeHash(sibling, oldHash);
      newHash = nodeHash(sibling, newHash);
      while (place % 2 === 0 && place !== 0) {
        place /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newHash = nodeHash(newHash, sibling);
    }
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(oldHash, fromRoot) && equalBytes(newHash, toRoot);
}

function isPowerOfTwo(count: number): boolean {
  // Math.log2 rounds: near 2^50 it takes other counts for powers.
  let odd = count;
  while (odd % 2 === 0) odd /= 2;
  return odd === 1;
}
