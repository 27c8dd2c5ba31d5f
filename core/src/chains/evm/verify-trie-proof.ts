import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { RLP } from 'micro-eth-signer/core/rlp.js';
import { Failure } from '../../failure.ts';
import { nibblesOf, readHexPrefix } from './hex-prefix.ts';

/** What RLP decodes to. */
export type RlpItem = Uint8Array | RlpItem[];

/** Root of a trie that holds nothing: keccak256(RLP("")). */
export const emptyTrieRoot = '56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421';

/**
 * Reads one key of a Merkle-Patricia trie from the nodes on its path (yellow paper, appendix D).
 * @param root 32 bytes, from a source that is believed. @param nodes RLP, from the root down.
 * @returns the value, or null when the nodes prove that the trie does not hold the key.
 * @throws Failure node-proof-invalid when they prove neither.
 */
export function verifyTrieProof(root: Uint8Array, key: Uint8Array, nodes: readonly Uint8Array[]): Uint8Array | null {
  if (bytesToHex(root) === emptyTrieRoot) return null;
  const path = nibblesOf(key);
  let used = 0;
  const fetchNode = (reference: RlpItem): RlpItem | null => {
    // A child shorter than 32 bytes stands in its parent.
    if (Array.isArray(reference)) return reference;
    if (reference.length === 0) return null;
    const node = nodes[used++];
    if (!node) throw invalid(`the proof ends after ${nodes.length} nodes`);
    if (bytesToHex(keccak_256(node)) !== bytesToHex(reference))
      throw invalid(`node ${used} is not the one its parent names`);
    return decodeRlp(node);
  };
  let depth = 0;
  let node = fetchNode(root);
  while (node !== null) {
    const found = step(node, path, depth);
    if ('value' in found) return found.value;
    depth = found.depth;
    node = fetchNode(found.next);
  }
  return null;
}

/** Decodes RLP in its one canonical form. @throws Failure node-proof-invalid. */
export function decodeRlp(bytes: Uint8Array): RlpItem {
  try {
    return RLP.decode(bytes) as RlpItem;
  } catch (cause) {
    throw invalid('not RLP', cause);
  }
}

/** The fields of an RLP list of byte strings. @throws Failure node-proof-invalid. */
export function decodeFields(bytes: Uint8Array, count: number): Uint8Array[] {
  const item = decodeRlp(bytes);
  if (!Array.isArray(item) || item.length !== count) throw invalid(`not a list of ${count}`);
  return item.map(asBytes);
}

type Step = { readonly value: Uint8Array | null } | { readonly next: RlpItem; readonly depth: number };

function step(node: RlpItem, path: readonly number[], depth: number): Step {
  if (!Array.isArray(node)) throw invalid('a node is no list');
  if (node.length === 17) {
    const nibble = path[depth];
    if (nibble === undefined) return { value: valueOf(node[16]) };
    return { next: node[nibble] ?? new Uint8Array(), depth: depth + 1 };
  }
  const [prefix, content] = node;
  if (node.length !== 2 || prefix === undefined || content === undefined)
    throw invalid(`a node of ${node.length} items`);
  const { nibbles, isLeaf } = readHexPrefix(asBytes(prefix));
  const follows = nibbles.every((nibble, at) => path[depth + at] === nibble);
  if (isLeaf) {
    // Another leaf at the place where the key would be: the key is not there.
    return { value: follows && depth + nibbles.length === path.length ? valueOf(content) : null };
  }
  if (nibbles.length === 0) throw invalid('an extension of no length');
  if (!Array.isArray(content) && content.length !== 32) throw invalid('an extension that leads nowhere');
  return follows ? { next: content, depth: depth + nibbles.length } : { value: null };
}

function valueOf(item: RlpItem | undefined): Uint8Array | null {
  const bytes = asBytes(item ?? new Uint8Array());
  return bytes.length === 0 ? null : bytes;
}

function asBytes(item: RlpItem): Uint8Array {
  if (Array.isArray(item)) throw invalid('a list where bytes belong');
  return item;
}

function invalid(message: string, cause?: unknown): Failure {
  return new Failure('node-proof-invalid', message, cause === undefined ? {} : { cause });
}
