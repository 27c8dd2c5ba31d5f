import { RawOldTx } from '@scure/btc-signer/script.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { doubleSha256, hashToText } from './txid.ts';
import {
  cursorOf,
  expectEnd,
  malformed,
  readBytes,
  readCompactSize,
  readI32,
  readU32,
  readU64,
  type Cursor,
} from './wire.ts';

/** 21 million coins; no output of a valid transaction exceeds it. */
const satsMax = 2_100_000_000_000_000n;

export interface InspectedInput {
  /** Display order. */
  readonly txid: string;
  readonly vout: number;
  readonly sequence: number;
}

export interface InspectedOutput {
  /** Hex. */
  readonly script: string;
  readonly amountSats: bigint;
}

export interface InspectedTransaction {
  readonly txid: string;
  readonly version: number;
  readonly lockTime: number;
  readonly inputs: readonly InspectedInput[];
  readonly outputs: readonly InspectedOutput[];
}

/**
 * Decodes an unsigned transaction to its last byte: consensus encoding, no witness, empty scriptSigs (all our coins are
 * P2TR), counts in their shortest form, no coin spent twice. A signer's own reading: nothing of the builder is used, and
 * a second library must write the same bytes again.
 * @throws Failure transaction-malformed with the reason.
 */
export function inspectBitcoinTransaction(rawTx: string): InspectedTransaction {
  const cursor = cursorOf(rawTx);
  const version = readI32(cursor);
  const inputs = readList(cursor, 'inputs', readInput);
  const outputs = readList(cursor, 'outputs', readOutput);
  const lockTime = readU32(cursor);
  expectEnd(cursor);
  if (new Set(inputs.map((input) => `${input.txid}:${input.vout}`)).size !== inputs.length)
    throw malformed('a coin is spent twice');
  const total = outputs.reduce((sum, output) => sum + output.amountSats, 0n);
  if (total > satsMax) throw malformed(`outputs of ${total} sats`);
  if (!sameWhenEncodedAgain(cursor.bytes, rawTx)) throw malformed('another encoder writes other bytes');
  return { txid: hashToText(doubleSha256(cursor.bytes)), version, lockTime, inputs, outputs };
}

function readList<T>(cursor: Cursor, what: string, read: (cursor: Cursor) => T): T[] {
  const count = readCompactSize(cursor);
  // A segwit transaction has 0 in the place of its input count.
  if (count === 0) throw malformed(`no ${what}, or a witness is attached`);
  // Each entry has at least 9 bytes; a larger count would only allocate memory.
  if (count > cursor.bytes.length / 9) throw malformed(`${count} ${what} in ${cursor.bytes.length} bytes`);
  return Array.from({ length: count }, () => read(cursor));
}

function readInput(cursor: Cursor): InspectedInput {
  const txid = hashToText(readBytes(cursor, 32));
  const vout = readU32(cursor);
  if (vout === 0xffff_ffff) throw malformed('an input that names no coin');
  if (readCompactSize(cursor) !== 0) throw malformed('an input with a scriptSig');
  return { txid, vout, sequence: readU32(cursor) };
}

function readOutput(cursor: Cursor): InspectedOutput {
  const amountSats = readU64(cursor);
  return { amountSats, script: bytesToHex(readBytes(cursor, readCompactSize(cursor))) };
}

function sameWhenEncodedAgain(bytes: Uint8Array, rawTx: string): boolean {
  try {
    return bytesToHex(RawOldTx.encode(RawOldTx.decode(bytes))) === rawTx;
  } catch {
    return false;
  }
}
