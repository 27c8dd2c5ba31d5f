import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import { workTarget } from './block-header.ts';
import { parseBitcoinBlock } from './parse-block.ts';
import { compactSize, u32le } from './wire.ts';

/** Bitcoin's first block. */
const genesis =
  '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c' +
  '0101000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000';
const genesisHash = '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f';

const hash = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));
const u32 = (value: number): string => bytesToHex(u32le(value));
const easiest = 0x207fffff;

/** A block around these transactions (hex), mined at the easiest difficulty; `stripped` is a transaction without witnesses. */
function mine(txs: readonly { raw: string; stripped?: string }[]): { raw: string; hash: string } {
  let level = txs.map(({ raw, stripped }) => hash(hexToBytes(stripped ?? raw)));
  while (level.length > 1) {
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) =>
      hash(concatBytes(level[2 * i]!, level[2 * i + 1] ?? level[2 * i]!)),
    );
  }
  const root = bytesToHex(level[0]!);
  const count = bytesToHex(compactSize(txs.length));
  for (let nonce = 0; nonce < 1_000; nonce++) {
    const header = hexToBytes(`${u32(4)}${'77'.repeat(32)}${root}${u32(1_700_000_000)}${u32(easiest)}${u32(nonce)}`);
    const name = bytesToHex(hash(header).reverse());
    if (BigInt(`0x${name}`) > workTarget(easiest)) continue;
    return { raw: bytesToHex(header) + count + txs.map(({ raw }) => raw).join(''), hash: name };
  }
  throw new Error('no nonce');
}

const coinbase = {
  raw: `01000000${'01'}${'00'.repeat(32)}ffffffff020151ffffffff01${'00f2052a01000000'}0151${'00000000'}`,
};
const body = `01${'ab'.repeat(32)}0500000000fdffffff02e8030000000000000151d00700000000000016${`0014${'12'.repeat(20)}`}`;
const spend = {
  raw: `02000000${'0001'}${body}0241${'aa'.repeat(65)}03010203${'09000000'}`,
  stripped: `02000000${body}09000000`,
};

describe('the genesis block', () => {
  test('is read', () => {
    const block = parseBitcoinBlock(genesis, genesisHash);
    expect(block).toMatchObject({ hash: genesisHash, prev: '00'.repeat(32), timeMs: Date.UTC(2009, 0, 3, 18, 15, 5) });
    expect(block.txs).toHaveLength(1);
    expect(block.txs[0]).toMatchObject({
      txid: '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b',
      isCoinbase: true,
      inputs: [],
    });
    expect(block.txs[0]?.outputs[0]?.amountSats).toBe(5_000_000_000n);
  });

  test('is refused under another hash', () => {
    expect(() => parseBitcoinBlock(genesis, genesisHash.replace('e26f', 'e260'))).toThrow(
      expect.objectContaining({ code: 'node-disagreement' }),
    );
  });

  test('is refused with another amount, because its merkle root differs', () => {
    expect(() => parseBitcoinBlock(genesis.replace('00f2052a01', '00f2052a02'), genesisHash)).toThrow('merkle root');
  });

  test.each([2, 200, 8])('is refused when %i digits are cut', (digits) => {
    expect(() => parseBitcoinBlock(genesis.slice(0, -digits), genesisHash)).toThrow(
      expect.objectContaining({ code: 'transaction-malformed' }),
    );
  });

  test('is refused with a byte after the end', () => {
    expect(() => parseBitcoinBlock(`${genesis}00`, genesisHash)).toThrow('1 bytes after the end');
  });
});

test('skips witnesses and gives the txid without them', () => {
  const mined = mine([coinbase, spend]);
  const block = parseBitcoinBlock(mined.raw, mined.hash);
  expect(block.txs[1]).toEqual({
    txid: bytesToHex(hash(hexToBytes(spend.stripped)).reverse()),
    inputs: [{ txid: 'ab'.repeat(32), vout: 5 }],
    outputs: [
      { script: '51', amountSats: 1_000n },
      { script: `0014${'12'.repeat(20)}`, amountSats: 2_000n },
    ],
    isCoinbase: false,
  });
});

test('a header without the work that it claims is refused', () => {
  const header = genesis.slice(0, 160).replace('1dac2b7c', '1dac2b7d');
  const name = bytesToHex(hash(hexToBytes(header)).reverse());
  expect(() => parseBitcoinBlock(header + genesis.slice(160), name)).toThrow('does not meet its own target');
});

test('a block that repeats transactions is refused though its merkle root fits', () => {
  const honest = mine([
    coinbase,
    spend,
    { raw: spend.raw.replace('09000000', '0a000000'), stripped: spend.stripped.replace('09000000', '0a000000') },
  ]);
  const third = spend.raw.replace('09000000', '0a000000');
  const forged = honest.raw.slice(0, 160) + '04' + honest.raw.slice(162) + third;
  expect(parseBitcoinBlock(honest.raw, honest.hash).txs).toHaveLength(3);
  expect(() => parseBitcoinBlock(forged, honest.hash)).toThrow('repeats');
});

test.each([
  [0x1d00ffff, 0xffffn << 208n],
  [0x207fffff, 0x7fffffn << 232n],
  [0x03123456, 0x123456n],
  [0x02123456, 0x1234n],
  [0x04923456, -1n],
])('the target of nBits %i', (nBits, target) => {
  expect(workTarget(nBits)).toBe(target);
});

test('reads a full block of 4 MB', () => {
  // 3,000 spends of two inputs and 40 outputs each.
  const outputs = `28${`e803000000000000${'16'}0014${'12'.repeat(20)}`.repeat(40)}`;
  const spends = Array.from({ length: 3_000 }, (_, n) => {
    const inputs = `02${[0, 1].map((vout) => `${u32(n).repeat(8)}${u32(vout)}00fdffffff`).join('')}`;
    return { raw: `02000000${inputs}${outputs}00000000` };
  });
  const block = mine([coinbase, ...spends]);
  expect(block.raw.length / 2).toBeGreaterThan(3_900_000);
  expect(parseBitcoinBlock(block.raw, block.hash).txs).toHaveLength(3_001);
});
