import { invariant } from '../invariant.ts';
import { createHashList, type HashList } from './hash-list.ts';
import { emptyRoot, nodeHash } from './leaf-hash.ts';

/** The tree of RFC 6962, section 2.1, over a list that only grows. All hashes have 32 bytes; leaves count from 0. */
export interface MerkleTree {
  readonly size: () => number;
  /** Adds the leaf hash (`leafHash`) of the next entry. */
  readonly append: (leaf: Uint8Array) => void;
  /** Root of the first `size` leaves, MTH(D[size]). @throws InvariantError beyond the list. */
  readonly rootAt: (size: number) => Uint8Array;
  /** PATH(index, D[size]), section 2.1.1, leaf to root. @throws InvariantError unless index < size <= the list's. */
  readonly inclusion: (index: number, size: number) => Uint8Array[];
  /** PROOF(from, D[to]), section 2.1.2; empty from 0. @throws InvariantError unless from <= to <= the list's size. */
  readonly consistency: (from: number, to: number) => Uint8Array[];
}

/** Of the complete subtrees only those of every fourth height are kept: 2 bytes a leaf on top, 15 hashes to make another. */
const heightStride = 4;

/** An empty tree; append, root and proofs take O(log n) hashes. */
export function createMerkleTree(): MerkleTree {
  /** Leaf hashes, then roots of complete subtrees of 16, 256, ... leaves. */
  const kept: HashList[] = [createHashList()];
  const leaves = kept[0] as HashList;

  const node = (height: number, index: number): Uint8Array => {
    if (height % heightStride === 0) {
      const list = kept[height / heightStride];
      if (list && index < list.size()) return list.at(index);
    }
    return nodeHash(node(height - 1, index * 2), node(height - 1, index * 2 + 1));
  };
  /** MTH(D[from:to]), where `from` is a multiple of the largest power of two that fits: how the RFC's recursion cuts. */
  const rangeRoot = (from: number, to: number): Uint8Array => {
    const count = to - from;
    const split = splitOf(count);
    if (split * 2 === count || count === 1) {
      const height = Math.round(Math.log2(count));
      return node(height, from / count);
    }
    return nodeHash(rangeRoot(from, from + split), rangeRoot(from + split, to));
  };
  const path = (index: number, from: number, to: number): Uint8Array[] => {
    if (to - from === 1) return [];
    const middle = from + splitOf(to - from);
    return index < middle
      ? [...path(index, from, middle), rangeRoot(middle, to)]
      : [...path(index, middle, to), rangeRoot(from, middle)];
  };
  /** SUBPROOF(old - from, D[from:to], known). */
  const subproof = (old: number, from: number, to: number, known: boolean): Uint8Array[] => {
    if (old === to) return known ? [] : [rangeRoot(from, to)];
    const middle = from + splitOf(to - from);
    return old <= middle
      ? [...subproof(old, from, middle, known), rangeRoot(middle, to)]
      : [...subproof(old, middle, to, false), rangeRoot(from, middle)];
  };

  return {
    size: leaves.size,
    append: (leaf) => {
      leaves.push(leaf);
      let size = leaves.size();
      for (let level = 1; size % 2 ** heightStride === 0; level++) {
        size /= 2 ** heightStride;
        const root = node(level * heightStride, size - 1);
        (kept[level] ??= createHashList()).push(root);
      }
    },
    rootAt: (size) => {
      checkSize(size, leaves.size());
      return size === 0 ? emptyRoot() : rangeRoot(0, size);
    },
    inclusion: (index, size) => {
      checkSize(size, leaves.size());
      invariant(Number.isSafeInteger(index) && index >= 0 && index < size, `no leaf ${index} among ${size}`);
      return path(index, 0, size);
    },
    consistency: (from, to) => {
      checkSize(to, leaves.size());
      checkSize(from, to);
      return from === 0 ? [] : subproof(from, 0, to, true);
    },
  };
}

function checkSize(size: number, sizeMax: number): void {
  invariant(Number.isSafeInteger(size) && size >= 0 && size <= sizeMax, `no tree of ${size} leaves among ${sizeMax}`);
}

/** The largest power of two below `count`; 1 for 1. */
function splitOf(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}
