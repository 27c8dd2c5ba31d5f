import { concatBytes } from '@noble/hashes/utils.js';
import { doubleSha256, hashToText } from './txid.ts';
import {
  cursorOf,
  expectEnd,
  malformed,
  readBytes,
  readCompactSize,
  readHex,
  readU32,
  readU64,
  readU8,
  skipBytes,
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

const coinbaseOutpoint = `${'00'.repeat(32)}ffffffff`;
/** Two hashes of the merkle tree side by side are as long. */
const innerNodeBytes = 64;

/**
 * Reads a transaction as `getrawtransaction` gives it; its txid is computed, so these are the outputs that the txid names.
 * @throws Failure transaction-malformed, also for 64 bytes without witnesses: they could be an inner node of the merkle
 * tree (CVE-2017-12842).
 */
export function parseBitcoinTransaction(rawTx: string): ParsedTransaction {
  const cursor = cursorOf(rawTx);
  // Version, marker and flag, count of inputs: where the first outpoint starts.
  const outpointAt = rawTx.slice(8, 10) === '00' ? 14 : 10;
  const isCoinbase = rawTx.slice(outpointAt, outpointAt + 72) === coinbaseOutpoint;
  const { transaction, strippedBytes } = readTransaction(cursor, isCoinbase);
  expectEnd(cursor);
  if (strippedBytes === innerNodeBytes) throw malformed('a transaction of 64 bytes');
  return transaction;
}

/** Reads one transaction, with or without witnesses; `hash` is its txid in the byte order of the merkle tree. */
export function readTransaction(
  cursor: Cursor,
  isCoinbase: boolean,
): { transaction: ParsedTransaction; hash: Uint8Array; strippedBytes: number } {
  const start = cursor.offset;
  // Version.
  skipBytes(cursor, 4);
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
    skipBytes(cursor, readCompactSize(cursor));
    skipBytes(cursor, 4);
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
  return { transaction: { txid: hashToText(hash), inputs, outputs, isCoinbase }, hash, strippedBytes: stripped.length };
}

function readOutputs(cursor: Cursor): ParsedOutput[] {
  const outputs: ParsedOutput[] = [];
  const count = readCompactSize(cursor);
  for (let i = 0; i < count; i++) {
    const amountSats = readU64(cursor);
    outputs.push({ amountSats, script: readHex(cursor, readCompactSize(cursor)) });
  }
  return outputs;
}

function skipWitness(cursor: Cursor): void {
  const items = readCompactSize(cursor);
  for (let i = 0; i < items; i++) skipBytes(cursor, readCompactSize(cursor));
}
