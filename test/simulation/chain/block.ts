import { workTarget } from '@holdfast/core/chains/bitcoin/block-header.ts';
import { doubleSha256, hashToText } from '@holdfast/core/chains/bitcoin/txid.ts';
import { compactSize, u32le } from '@holdfast/core/chains/bitcoin/wire.ts';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import type { Output, Transaction } from './transaction.ts';

export interface Block {
  readonly hash: string;
  readonly height: number;
  readonly parent: Block | null;
  readonly header: Uint8Array;
  readonly transactions: readonly Transaction[];
  /** Of the merkle tree, from the leaves up. */
  readonly levels: readonly (readonly Uint8Array[])[];
  /** Unspent after it, by `txid:vout`, with the height of its block. */
  readonly coins: ReadonlyMap<string, Output & { readonly height: number; readonly coinbase: boolean }>;
}

/** Regtest's: every second header has the work. */
const bits = 0x207fffff;

export function mineBlock(parent: Block | null, transactions: readonly Transaction[], timeMs: number): Block {
  const levels = merkleLevels(transactions.map(({ txid }) => txid));
  const root = levels.at(-1)?.[0] ?? new Uint8Array(32);
  const before = parent ? doubleSha256(parent.header) : new Uint8Array(32);
  const timeS = u32le(Math.floor(timeMs / 1_000));
  for (let nonce = 0; ; nonce++) {
    const header = concatBytes(u32le(0x2000_0000), before, root, timeS, u32le(bits), u32le(nonce));
    const hash = hashToText(doubleSha256(header));
    if (BigInt(`0x${hash}`) > workTarget(bits)) continue;
    const height = parent ? parent.height + 1 : 0;
    return { hash, height, parent, header, transactions, levels, coins: coinsAfter(parent, transactions, height) };
  }
}

function coinsAfter(parent: Block | null, transactions: readonly Transaction[], height: number): Block['coins'] {
  const coins = new Map(parent?.coins);
  for (const { txid, inputs, outputs } of transactions) {
    for (const input of inputs) coins.delete(input);
    for (const [vout, output] of outputs.entries())
      if (output.script !== '6a') coins.set(`${txid}:${vout}`, { ...output, height, coinbase: inputs.length === 0 });
  }
  return coins;
}

function merkleLevels(txids: readonly string[]): Uint8Array[][] {
  const levels: Uint8Array[][] = [txids.map((txid) => hexToBytes(txid).reverse())];
  for (let level = levels[0] ?? []; level.length > 1; level = levels.at(-1) ?? []) {
    levels.push(
      Array.from({ length: Math.ceil(level.length / 2) }, (_, at) => {
        const left = level[2 * at] as Uint8Array;
        return doubleSha256(concatBytes(left, level[2 * at + 1] ?? left));
      }),
    );
  }
  return levels;
}

export const rawBlock = ({ header, transactions }: Block): string =>
  bytesToHex(concatBytes(header, compactSize(transactions.length), ...transactions.map(({ raw }) => hexToBytes(raw))));

/** CMerkleBlock of BIP-37 for one transaction. */
export function merkleProof({ header, transactions, levels }: Block, txid: string): string {
  const leaf = transactions.findIndex((one) => one.txid === txid);
  const flags: number[] = [];
  const hashes: Uint8Array[] = [];
  const visit = (height: number, position: number): void => {
    const isAbove = leaf >> height === position;
    flags.push(isAbove ? 1 : 0);
    if (!isAbove || height === 0) {
      hashes.push(levels[height]![position]!);
      return;
    }
    visit(height - 1, 2 * position);
    if (levels[height - 1]![2 * position + 1]) visit(height - 1, 2 * position + 1);
  };
  visit(levels.length - 1, 0);
  const bytes = new Uint8Array(Math.ceil(flags.length / 8));
  for (const [at, flag] of flags.entries()) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (flag << (at & 7));
  const counts = [u32le(transactions.length), compactSize(hashes.length), ...hashes, compactSize(bytes.length)];
  return bytesToHex(concatBytes(header, ...counts, bytes));
}

/** Blocks from the first one up to this one. */
export function chainOf(tip: Block): Block[] {
  const blocks: Block[] = [];
  for (let block: Block | null = tip; block; block = block.parent) blocks.push(block);
  return blocks.reverse();
}

/** Whether one block is the other or below it. */
export function isBelow(block: Block, tip: Block): boolean {
  let at: Block | null = tip;
  while (at && at.height > block.height) at = at.parent;
  return at === block;
}
