import { describe, expect, test } from 'vitest';
import { baseUnits } from '../../money/base-units.ts';
import type { ParsedBlock } from './parse-block.ts';
import type { ParsedTransaction } from './parse-transaction.ts';
import { candidates, scanBitcoinBlock } from './scan.ts';

const alice = { script: '5120aa', address: 'alice' };
const change = { script: '5120cc', address: 'change' };
const stranger = '001499';

const watch = {
  addressOfScript: (script: string) =>
    [alice, change].map((one) => ({ ...one, kind: 'deposit' })).find((one) => one.script === script),
  coinAt: (outpoint: string) => (outpoint === 'old:1' ? { address: 'alice', amount: baseUnits(700n) } : undefined),
};

const tx = (
  txid: string,
  inputs: [string, number][],
  outputs: [string, bigint][],
  isCoinbase = false,
): ParsedTransaction => ({
  txid,
  inputs: inputs.map(([from, vout]) => ({ txid: from, vout })),
  outputs: outputs.map(([script, amountSats]) => ({ script, amountSats })),
  isCoinbase,
});
const block = (...txs: ParsedTransaction[]): ParsedBlock => ({ hash: 'h', prev: 'p', timeMs: 5_000, txs });
const scan = (parsed: ParsedBlock) => scanBitcoinBlock(parsed, { height: 9, watch, asset: 'BTC' });

test('names the block and keeps only transactions of ours', () => {
  const scanned = scan(
    block(
      tx('cb', [], [[stranger, 50n]], true),
      tx(
        't',
        [['x', 0]],
        [
          [stranger, 1n],
          [alice.script, 2n],
        ],
      ),
    ),
  );
  expect(scanned).toEqual({
    height: 9,
    hash: 'h',
    parentHash: 'p',
    timeMs: 5_000,
    transactions: [
      {
        txid: 't',
        refs: ['tx:t'],
        transfers: [{ index: 'vout:1', asset: 'BTC', direction: 'in', address: 'alice', amount: 2n }],
      },
    ],
  });
});

test('finds what leaves: outs before ins, by input number', () => {
  const [found] = scan(
    block(
      tx(
        't',
        [
          ['x', 0],
          ['old', 1],
        ],
        [
          [stranger, 600n],
          [change.script, 90n],
        ],
      ),
    ),
  ).transactions;
  expect(found?.transfers).toEqual([
    { index: 'vin:1', asset: 'BTC', direction: 'out', address: 'alice', amount: 700n },
    { index: 'vout:1', asset: 'BTC', direction: 'in', address: 'change', amount: 90n },
  ]);
});

test('an output paid and spent within one block comes in and goes out', () => {
  const { transactions } = scan(
    block(tx('first', [['x', 0]], [[alice.script, 40n]]), tx('second', [['first', 0]], [[stranger, 39n]])),
  );
  expect(transactions.map((one) => one.transfers)).toEqual([
    [{ index: 'vout:0', asset: 'BTC', direction: 'in', address: 'alice', amount: 40n }],
    [{ index: 'vin:0', asset: 'BTC', direction: 'out', address: 'alice', amount: 40n }],
  ]);
});

test('a coinbase output of ours carries its maturity', () => {
  const [found] = scan(block(tx('cb', [], [[alice.script, 50n]], true))).transactions;
  expect(found?.transfers).toEqual([expect.objectContaining({ index: 'vout:0', amount: 50n, maturity: 100 })]);
});

test('two payments to one address in one transaction are two transfers', () => {
  const [found] = scan(
    block(
      tx(
        't',
        [['x', 0]],
        [
          [alice.script, 1n],
          [alice.script, 1n],
        ],
      ),
    ),
  ).transactions;
  expect(found?.transfers.map((one) => one.index)).toEqual(['vout:0', 'vout:1']);
});

describe('candidates', () => {
  test('are every script once and every spent output', () => {
    const parsed = block(
      tx('cb', [], [[stranger, 50n]], true),
      tx(
        't',
        [
          ['x', 0],
          ['y', 3],
        ],
        [
          [stranger, 1n],
          [alice.script, 2n],
        ],
      ),
    );
    expect(candidates(parsed)).toEqual({ scripts: [stranger, alice.script], outpoints: ['x:0', 'y:3'] });
  });
});
