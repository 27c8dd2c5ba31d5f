import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Transaction } from 'micro-eth-signer';
import { describe, expect, test } from 'vitest';
import type { EvmReceiptAnswer, EvmTransactionAnswer } from '@holdfast/core/chains/evm/node-answers.ts';
import { orderedTrieRootHex } from '@holdfast/core/chains/evm/trie-root.ts';
import {
  encodeReceipt,
  encodeTransaction,
  verifyReceipts,
  verifyTransactions,
} from '@holdfast/core/chains/evm/verify-block-lists.ts';

const key = `0x${'46'.repeat(32)}`;
const to = `0x${'35'.repeat(20)}`;
const quantity = (value: number | bigint | undefined): string => `0x${(value ?? 0).toString(16)}`;
const refused = expect.objectContaining({ code: 'node-proof-invalid' });

/** What every type has. */
const common = { nonce: 9n, gasLimit: 90_000n, to, value: 10n ** 18n, data: '0xabcd', chainId: 5n };
const fees = { maxFeePerGas: 20n, maxPriorityFeePerGas: 2n };
const accessList = [{ address: to, storageKeys: [`0x${'01'.repeat(32)}`, `0x${'00'.repeat(32)}`] }];
const signed = {
  '0x0': Transaction.prepare({ ...common, type: 'legacy', gasPrice: 20n }, false),
  '0x1': Transaction.prepare({ ...common, type: 'eip2930', gasPrice: 20n, accessList }, false),
  '0x2': Transaction.prepare({ ...common, type: 'eip1559', ...fees, accessList }, false),
  '0x3': Transaction.prepare(
    { ...common, type: 'eip4844', ...fees, maxFeePerBlobGas: 3n, blobVersionedHashes: [`0x01${'22'.repeat(31)}`] },
    false,
  ),
  '0x4': Transaction.prepare(
    {
      ...common,
      type: 'eip7702',
      ...fees,
      authorizationList: [{ chainId: 5n, address: to, nonce: 0n, yParity: 1, r: 7n, s: 8n }],
    },
    false,
  ),
};

/** As eth_getBlockByHash shows it. */
function answerOf(type: keyof typeof signed): { answer: EvmTransactionAnswer; bytes: string } {
  const tx = signed[type].signBy(key, false);
  const raw = tx.raw as unknown as Record<string, bigint & number>;
  const { authorizationList = [] } = tx.raw as {
    authorizationList?: { chainId: bigint; address: string; nonce: bigint; yParity: number; r: bigint; s: bigint }[];
  };
  const optional = Object.fromEntries(
    ['gasPrice', 'maxFeePerGas', 'maxPriorityFeePerGas', 'maxFeePerBlobGas', 'v', 'yParity']
      .filter((name) => raw[name] !== undefined)
      .map((name) => [name, quantity(raw[name])]),
  );
  const bytes = tx.toHex({ includeSignature: true });
  const answer: EvmTransactionAnswer = {
    hash: `0x${bytesToHex(keccak_256(hexToBytes(bytes.slice(2))))}`,
    type,
    chainId: '0x5',
    nonce: '0x9',
    gas: quantity(90_000),
    to,
    value: quantity(10n ** 18n),
    input: '0xabcd',
    r: quantity(raw['r']),
    s: quantity(raw['s']),
    ...optional,
    // EIP-155.
    ...(type === '0x0' ? { v: quantity(5 * 2 + 35 + (raw['yParity'] ?? 0)) } : {}),
    ...(type === '0x1' || type === '0x2' ? { accessList } : {}),
    ...(type === '0x3' ? { blobVersionedHashes: [`0x01${'22'.repeat(31)}`] } : {}),
    ...(type === '0x4'
      ? {
          authorizationList: authorizationList.map((one) => ({
            chainId: quantity(one.chainId),
            address: one.address,
            nonce: quantity(one.nonce),
            yParity: quantity(one.yParity),
            r: quantity(one.r),
            s: quantity(one.s),
          })),
        }
      : {}),
  };
  return { answer, bytes };
}
const types = Object.keys(signed) as (keyof typeof signed)[];

test.each(types)('a transaction of type %s is encoded as it was signed', (type) => {
  const { answer, bytes } = answerOf(type);
  expect(`0x${bytesToHex(encodeTransaction(answer))}`).toBe(bytes);
});

describe('a block’s lists', () => {
  const transactions = types.map((type) => answerOf(type).answer);
  const receipt: EvmReceiptAnswer = {
    type: '0x2',
    status: '0x1',
    cumulativeGasUsed: '0x5208',
    logsBloom: `0x${'00'.repeat(256)}`,
    logs: [{ address: to, topics: [`0x${'0a'.repeat(32)}`], data: '0x01' }],
  };
  const receipts = [receipt, { ...receipt, type: '0x0', status: '0x0' }];
  const header = {
    hash: `0x${'00'.repeat(32)}`,
    transactionsRoot: orderedTrieRootHex(transactions.map(encodeTransaction)),
    receiptsRoot: orderedTrieRootHex(receipts.map(encodeReceipt)),
  };

  test('are those of the header', () => {
    verifyTransactions(header, transactions);
    verifyReceipts(header, receipts);
  });

  test.each<[string, EvmReceiptAnswer[]]>([
    ['one missing', receipts.slice(1)],
    ['one too many', [...receipts, receipt]],
    ['another order', receipts.toReversed()],
    ['another status', [{ ...receipt, status: '0x0' }, ...receipts.slice(1)]],
    ['another type', [{ ...receipt, type: '0x1' }, ...receipts.slice(1)]],
    ['no log', [{ ...receipt, logs: [] }, ...receipts.slice(1)]],
    [
      'another amount',
      [{ ...receipt, logs: [{ address: to, topics: [`0x${'0a'.repeat(32)}`], data: '0x02' }] }, ...receipts.slice(1)],
    ],
    ['a type that is not known', [{ ...receipt, type: '0x7e' }, ...receipts.slice(1)]],
  ])('are refused with %s of the receipts', (_what, changed) => {
    expect(() => verifyReceipts(header, changed)).toThrow(refused);
  });

  test('are refused with a transaction changed, of an unknown type or without a field of its type', () => {
    for (const [at, tx] of transactions.entries()) {
      const { gasPrice: _price, maxFeePerGas: _fee, ...poor } = tx;
      for (const changed of [{ ...tx, value: '0x1' }, { ...tx, type: '0x5' }, poor]) {
        expect(() => verifyTransactions(header, transactions.with(at, changed))).toThrow(refused);
      }
    }
  });
});
