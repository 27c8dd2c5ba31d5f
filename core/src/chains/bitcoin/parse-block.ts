import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import { Failure } from '../../failure.ts';
import { doubleSha256, hashToText } from './txid.ts';
import {
  cursorOf,
  expectEnd,
  malformed,
  readBytes,
  readCompactSize,
  readU32,
  readU64,
  readU8,
  type Cursor,
} from './wire.ts';

export interface ParsedInput {
  readonly txid: string;
  readonly vout: number;
}

export interface ParsedOutput {
  /** Hex. */
  readonly script: string;
  readonly amountSats: bigint;
}

export interface ParsedTransaction {
  readonly txid: string;
  /** Empty for the coinbase. */
  readonly inputs: readonly ParsedInput[];
  readonly outputs: readonly ParsedOutput[];
  readonly isCoinbase: boolean;
}

export interface ParsedBlock {
  readonly hash: string;
  readonly prev: string;
  readonly timeMs: number;
  readonly txs: readonly ParsedTransaction[];
}

const headerBytes = 80;

/**
 * Reads a whole block (`getblock` with verbosity 0) and believes the node nothing but the hash that was asked for: the
 * header must hash to it and meet the target in its own nBits, the transactions must hash to the header's merkle root.
 * Witnesses are skipped; they move no money.
 * @throws Failure transaction-malformed for bytes that do not decode to the last one; node-disagreement when they are a
 * different block than `expectedHash`.
 */
export function parseBitcoinBlock(rawBlock: string, expectedHash: string): ParsedBlock {
  const cursor = cursorOf(rawBlock);
  const header = readBytes(cursor, headerBytes);
  const hash = hashToText(doubleSha256(header));
  if (hash !== expectedHash) throw disagreement(`the node sent block ${hash} for ${expectedHash}`);
  const view = new DataView(header.buffer, header.byteOffset, headerBytes);
  if (BigInt(`0x${hash}`) > workTarget(view.getUint32(72, true)))
    throw disagreement(`block ${hash} does not meet its own target`);

  const count = readCompactSize(cursor);
  const txs: ParsedTransaction[] = [];
  const txHashes: Uint8Array[] = [];
  for (let i = 0; i < count; i++) txs.push(readTransaction(cursor, i === 0, txHashes));
  expectEnd(cursor);
  const root = merkleRoot(txHashes);
  if (root !== bytesToHex(header.subarray(36, 68)))
    throw disagreement(`transactions of block ${hash} do not match its merkle root`);
  return { hash, prev: hashToText(header.subarray(4, 36)), timeMs: view.getUint32(68, true) * 1_000, txs };
}

function disagreement(message: string): Failure {
  return new Failure('node-disagreement', message);
}

/** The number that a block's hash must not exceed, from the compact form in the header. */
export function workTarget(nBits: number): bigint {
  const exponent = nBits >>> 24;
  const mantissa = BigInt(nBits & 0x7f_ffff);
  // The sign bit makes a target that no hash can meet.
  if (nBits & 0x80_0000) return -1n;
  return exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3));
}

/** Appends the transaction's hash to `txHashes` in the byte order of the merkle tree. */
function readTransaction(cursor: Cursor, isCoinbase: boolean, txHashes: Uint8Array[]): ParsedTransaction {
  const start = cursor.offset;
  // Version.
  readBytes(cursor, 4);
  let inputCount = readCompactSize(cursor);
  // BIP-144: a count of 0 is the marker of a transaction with witnesses.
  const hasWitness = inputCount === 0;
  if (hasWitness) {
    if (readU8(cursor) !== 1) throw malformed('unknown flag in a transaction');
    inputCount = readCompactSize(cursor);
  }
  const bodyStart = hasWitness ? start + 6 : start + 4;
  const inputs: ParsedInput[] = [];
  for (let i = 0; i < inputCount; i++) {
    const previous = readBytes(cursor, 32);
    const vout = readU32(cursor);
    // scriptSig, sequence.
    readBytes(cursor, readCompactSize(cursor));
    readBytes(cursor, 4);
    if (!isCoinbase) inputs.push({ txid: hashToText(previous), vout });
  }
  const outputs = readOutputs(cursor);
  const bodyEnd = cursor.offset;
  if (hasWitness) for (let i = 0; i < inputCount; i++) skipWitness(cursor);
  const lockTime = readBytes(cursor, 4);
  const stripped = hasWitness
    ? concatBytes(cursor.bytes.subarray(start, start + 4), cursor.bytes.subarray(bodyStart, bodyEnd), lockTime)
    : cursor.bytes.subarray(start, cursor.offset);
  const hash = doubleSha256(stripped);
  txHashes.push(hash);
  return { txid: hashToText(hash), inputs, outputs, isCoinbase };
}

function readOutputs(cursor: Cursor): ParsedOutput[] {
  const outputs: ParsedOutput[] = [];
  const count = readCompactSize(cursor);
  for (let i = 0; i < count; i++) {
    const amountSats = readU64(cursor);
    outputs.push({ amountSats, script: bytesToHex(readBytes(cursor, readCompactSize(cursor))) });
  }
  return outputs;
}

function skipWitness(cursor: Cursor): void {
  const items = readCompactSize(cursor);
  for (let i = 0; i < items; i++) readBytes(cursor, readCompactSize(cursor));
}

/** Hex in header order; empty for no transactions. */
function merkleRoot(hashes: readonly Uint8Array[]): string {
  let level = hashes;
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] as Uint8Array;
      const right = level[i + 1];
      // CVE-2012-2459: a repeated pair hashes to the root of the block without the repetition.
      if (right && bytesToHex(left) === bytesToHex(right)) throw disagreement('the block repeats transactions');
      next.push(doubleSha256(concatBytes(left, right ?? left)));
    }
    level = next;
  }
  return level[0] ? bytesToHex(level[0]) : '';
}
