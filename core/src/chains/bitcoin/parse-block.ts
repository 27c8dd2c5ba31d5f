import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import { Failure } from '../../failure.ts';
import { workTarget } from './block-header.ts';
import { readTransaction, type ParsedTransaction } from './parse-transaction.ts';
import { doubleSha256, hashToText } from './txid.ts';
import { cursorOf, expectEnd, readBytes, readCompactSize } from './wire.ts';

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
  for (let i = 0; i < count; i++) {
    const { transaction, hash: txHash } = readTransaction(cursor, i === 0);
    txs.push(transaction);
    txHashes.push(txHash);
  }
  expectEnd(cursor);
  const root = merkleRoot(txHashes);
  if (root !== bytesToHex(header.subarray(36, 68)))
    throw disagreement(`transactions of block ${hash} do not match its merkle root`);
  return { hash, prev: hashToText(header.subarray(4, 36)), timeMs: view.getUint32(68, true) * 1_000, txs };
}

function disagreement(message: string): Failure {
  return new Failure('node-disagreement', message);
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
      if (right?.every((byte, at) => byte === left[at])) throw disagreement('the block repeats transactions');
      next.push(doubleSha256(concatBytes(left, right ?? left)));
    }
    level = next;
  }
  return level[0] ? bytesToHex(level[0]) : '';
}
