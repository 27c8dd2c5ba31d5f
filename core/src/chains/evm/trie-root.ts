import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { RLP, type RLPInput } from 'micro-eth-signer/core/rlp.js';
import { invariant } from '../../invariant.ts';
import { hexPrefix, nibblesOf } from './hex-prefix.ts';

interface Entry {
  readonly path: readonly number[];
  readonly value: Uint8Array;
}

/**
 * Root of the Merkle-Patricia trie of these keys and values (yellow paper, appendix D), 32 bytes.
 * @param entries keys all different, values not empty.
 */
export function trieRoot(entries: Iterable<readonly [key: Uint8Array, value: Uint8Array]>): Uint8Array {
  const list = Array.from(entries, ([key, value]): Entry => {
    invariant(value.length > 0, 'a trie holds no empty value');
    return { path: nibblesOf(key), value };
  });
  invariant(new Set(list.map(({ path }) => path.join())).size === list.length, 'a trie holds a key once');
  return keccak_256(RLP.encode(list.length === 0 ? '' : nodeOf(list, 0)));
}

/** Root of a list, as a header names its transactions and receipts: the keys are the RLP of 0, 1, 2, ... */
export function orderedTrieRoot(values: readonly Uint8Array[]): Uint8Array {
  return trieRoot(values.map((value, at) => [RLP.encode(at), value] as const));
}

/** The same as 0x and 64 digits. */
export function orderedTrieRootHex(values: readonly Uint8Array[]): string {
  return `0x${bytesToHex(orderedTrieRoot(values))}`;
}

/** Structure c of the yellow paper for entries that agree in their first `depth` nibbles. */
function nodeOf(entries: readonly Entry[], depth: number): RLPInput {
  const [first] = entries;
  invariant(first !== undefined, 'a node has entries');
  if (entries.length === 1) return [hexPrefix(first.path.slice(depth), true), first.value];
  const common = commonNibbles(entries, depth);
  if (common > depth) return [hexPrefix(first.path.slice(depth, common), false), childOf(entries, common)];
  const children = Array.from({ length: 16 }, (_, nibble) => entries.filter(({ path }) => path[depth] === nibble));
  const own = entries.find(({ path }) => path.length === depth);
  return [...children.map((child) => (child.length === 0 ? '' : childOf(child, depth + 1))), own?.value ?? ''];
}

/** A node of 32 bytes or more is named by its hash, a shorter one stands in its parent. */
function childOf(entries: readonly Entry[], depth: number): RLPInput {
  const node = nodeOf(entries, depth);
  const encoded = RLP.encode(node);
  return encoded.length < 32 ? node : keccak_256(encoded);
}

function commonNibbles(entries: readonly Entry[], from: number): number {
  const [first, ...others] = entries.map(({ path }) => path);
  let at = from;
  while (first?.[at] !== undefined && others.every((path) => path[at] === first[at])) at += 1;
  return at;
}
