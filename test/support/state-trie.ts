import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { hexPrefix, nibblesOf } from '@holdfast/core/chains/evm/hex-prefix.ts';
import { RLP, type RLPInput } from 'micro-eth-signer/core/rlp.js';

/** A Merkle-Patricia trie that proves what it holds, for stub nodes; keys of one length. */
export interface StateTrie {
  readonly root: Uint8Array;
  /** Nodes on the key's path, 0x hex, as eth_getProof gives them. */
  prove(key: Uint8Array): string[];
}

interface Entry {
  readonly path: readonly number[];
  readonly value: Uint8Array;
}

export function stateTrie(entries: Iterable<readonly [key: Uint8Array, value: Uint8Array]>): StateTrie {
  const list = Array.from(entries, ([key, value]): Entry => ({ path: nibblesOf(key), value }));
  if (list.length === 0) return { root: keccak_256(RLP.encode('')), prove: () => [] };
  return {
    root: keccak_256(RLP.encode(nodeOf(list, 0))),
    prove: (key) => proofOf(list, 0, nibblesOf(key)).map((node) => `0x${bytesToHex(node)}`),
  };
}

function nodeOf(entries: readonly Entry[], depth: number): RLPInput {
  const [first] = entries as [Entry];
  if (entries.length === 1) return [hexPrefix(first.path.slice(depth), true), first.value];
  const end = commonEnd(entries, depth);
  if (end > depth) return [hexPrefix(first.path.slice(depth, end), false), reference(nodeOf(entries, end))];
  return [...childrenOf(entries, depth).map((some) => (some.length ? reference(nodeOf(some, depth + 1)) : '')), ''];
}

function proofOf(entries: readonly Entry[], depth: number, path: readonly number[]): Uint8Array[] {
  const encoded = RLP.encode(nodeOf(entries, depth));
  const own = depth === 0 || encoded.length >= 32 ? [encoded] : [];
  if (entries.length === 1) return own;
  const end = commonEnd(entries, depth);
  if (end === depth) {
    const next = childrenOf(entries, depth)[path[depth] ?? 0] ?? [];
    return next.length ? [...own, ...proofOf(next, depth + 1, path)] : own;
  }
  const follows = (entries[0] as Entry).path.slice(depth, end).every((nibble, at) => path[depth + at] === nibble);
  return follows ? [...own, ...proofOf(entries, end, path)] : own;
}

function reference(node: RLPInput): RLPInput {
  const encoded = RLP.encode(node);
  return encoded.length < 32 ? node : keccak_256(encoded);
}

function childrenOf(entries: readonly Entry[], depth: number): Entry[][] {
  return Array.from({ length: 16 }, (_, nibble) => entries.filter(({ path }) => path[depth] === nibble));
}

function commonEnd(entries: readonly Entry[], from: number): number {
  const [first, ...others] = entries.map(({ path }) => path);
  let at = from;
  while (first?.[at] !== undefined && others.every((path) => path[at] === first[at])) at += 1;
  return at;
}
