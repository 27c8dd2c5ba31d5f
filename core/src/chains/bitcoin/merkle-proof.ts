import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import { Failure } from '../../failure.ts';
import { headerBytes, parseBitcoinHeader, type BitcoinHeader } from './block-header.ts';
import { readTransaction } from './parse-transaction.ts';
import { doubleSha256, hashToText } from './txid.ts';
import { cursorOf, expectEnd, readBytes, readCompactSize, readU32 } from './wire.ts';

export interface MerkleProof {
  readonly header: BitcoinHeader;
  /** Transactions that the proof shows in the block, in their order. */
  readonly txids: readonly string[];
}

/** No block has more transactions: 4,000,000 weight units of at least 4 x 60. */
const transactionsMax = 16_667;

interface Tree {
  readonly count: number;
  readonly hashes: readonly Uint8Array[];
  readonly bits: readonly boolean[];
  usedHashes: number;
  usedBits: number;
  readonly matched: Uint8Array[];
}

/**
 * Reads a merkle block (BIP-37; `gettxoutproof`) and checks it up to the header's work.
 * @param proof hex. @param easiestBits see `parseBitcoinHeader`.
 * @throws Failure transaction-malformed for bytes that do not decode to the last one, node-proof-invalid otherwise.
 */
export function verifyMerkleProof(proof: string, easiestBits: string): MerkleProof {
  const header = parseBitcoinHeader(proof.slice(0, 2 * headerBytes), easiestBits);
  const cursor = cursorOf(proof.slice(2 * headerBytes));
  const count = readU32(cursor);
  if (count === 0 || count > transactionsMax) throw invalid(`a block of ${count} transactions`);
  const hashCount = readCompactSize(cursor);
  if (hashCount > count) throw invalid(`${hashCount} hashes for ${count} transactions`);
  const hashes = Array.from({ length: hashCount }, () => readBytes(cursor, 32));
  const flags = readBytes(cursor, readCompactSize(cursor));
  expectEnd(cursor);
  const bits = Array.from(flags).flatMap((byte) => Array.from({ length: 8 }, (_, at) => ((byte >> at) & 1) === 1));
  const tree: Tree = { count, hashes, bits, usedHashes: 0, usedBits: 0, matched: [] };
  const root = hashOf(tree, heightOf(count), 0);
  // What is left over could be anything: one proof has one form.
  const bitsLeft = bits.slice(tree.usedBits);
  if (tree.usedHashes !== hashes.length || bitsLeft.length >= 8 || bitsLeft.includes(true)) {
    throw invalid('a merkle proof with parts that prove nothing');
  }
  if (bytesToHex(root) !== bytesToHex(header.merkleRoot)) throw invalid(`not the merkle root of block ${header.hash}`);
  return { header, txids: tree.matched.map(hashToText) };
}

/** Nodes at a height above the leaves. */
function widthAt(count: number, height: number): number {
  return Math.ceil(count / 2 ** height);
}

function heightOf(count: number): number {
  let height = 0;
  while (widthAt(count, height) > 1) height += 1;
  return height;
}

/** BIP-37, parsing a partial merkle tree: depth first, one bit a node, hashes where nothing below is of interest. */
function hashOf(tree: Tree, height: number, position: number): Uint8Array {
  const wanted = tree.bits[tree.usedBits++];
  if (wanted === undefined) throw invalid('a merkle proof with too few bits');
  if (!wanted || height === 0) {
    const hash = tree.hashes[tree.usedHashes++];
    if (!hash) throw invalid('a merkle proof with too few hashes');
    if (wanted) tree.matched.push(hash);
    return hash;
  }
  const left = hashOf(tree, height - 1, position * 2);
  const hasRight = position * 2 + 1 < widthAt(tree.count, height - 1);
  const right = hasRight ? hashOf(tree, height - 1, position * 2 + 1) : left;
  // CVE-2012-2459: the same hash twice would let one transaction stand at two places.
  if (hasRight && bytesToHex(left) === bytesToHex(right)) throw invalid('a merkle proof repeats a hash');
  const pair = concatBytes(left, right);
  if (isTransaction(pair)) throw invalid('a merkle proof goes on below a transaction');
  return doubleSha256(pair);
}

/**
 * CVE-2017-12842: a mined transaction of 64 bytes could pose as two hashes, and anything as its leaves. Two real hashes
 * read as a transaction once in 2^40 or so.
 */
function isTransaction(pair: Uint8Array): boolean {
  // 64 bytes hold one input: its count follows the version of four bytes.
  if (pair[4] !== 1) return false;
  try {
    const cursor = cursorOf(bytesToHex(pair));
    const { transaction } = readTransaction(cursor, false);
    expectEnd(cursor);
    return transaction.inputs.length > 0 && transaction.outputs.length > 0;
  } catch {
    return false;
  }
}

function invalid(message: string): Failure {
  return new Failure('node-proof-invalid', message);
}
