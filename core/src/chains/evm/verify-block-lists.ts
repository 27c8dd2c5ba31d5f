import { concatBytes } from '@noble/hashes/utils.js';
import { RLP, type RLPInput } from 'micro-eth-signer/core/rlp.js';
import { Failure } from '../../failure.ts';
import type { EvmReceiptAnswer, EvmTransactionAnswer } from './node-answers.ts';
import { orderedTrieRootHex } from './trie-root.ts';

/** Roots of a header that is believed, 0x and lower case. */
interface Roots {
  readonly hash: string;
  readonly transactionsRoot: string;
  readonly receiptsRoot: string;
}

/** @throws Failure node-proof-invalid unless these are the receipts of the block, all of them, in their order. */
export function verifyReceipts(header: Roots, receipts: readonly EvmReceiptAnswer[]): void {
  const root = orderedTrieRootHex(receipts.map(encodeReceipt));
  if (root !== header.receiptsRoot) throw invalid(`receipts of block ${header.hash} have root ${root}`);
}

/** @throws Failure node-proof-invalid unless these are the transactions of the block, all of them, in their order. */
export function verifyTransactions(header: Roots, transactions: readonly EvmTransactionAnswer[]): void {
  const root = orderedTrieRootHex(transactions.map(encodeTransaction));
  if (root !== header.transactionsRoot) throw invalid(`transactions of block ${header.hash} have root ${root}`);
}

/** The bytes that the trie holds: EIP-2718, inside as in the yellow paper 4.4.1 (status instead of a root, EIP-658). */
export function encodeReceipt(receipt: EvmReceiptAnswer): Uint8Array {
  return typed(receipt.type ?? '0x0', [
    BigInt(receipt.status),
    BigInt(receipt.cumulativeGasUsed),
    receipt.logsBloom,
    receipt.logs.map(({ address, topics, data }) => [address, [...topics], data]),
  ]);
}

/** The signed transaction, EIP-2718 types 0 to 4. @throws Failure node-proof-invalid for others and missing fields. */
export function encodeTransaction(tx: EvmTransactionAnswer): Uint8Array {
  return typed(tx.type, fieldsOf(tx));
}

function fieldsOf(tx: EvmTransactionAnswer): RLPInput[] {
  const type = Number(tx.type);
  const payment = [tx.to ?? '0x', BigInt(tx.value), tx.input];
  const signature = [BigInt(tx.r), BigInt(tx.s)];
  if (type === 0) {
    return [BigInt(tx.nonce), number(tx.gasPrice), BigInt(tx.gas), ...payment, number(tx.v), ...signature];
  }
  const fees = type === 1 ? [number(tx.gasPrice)] : [number(tx.maxPriorityFeePerGas), number(tx.maxFeePerGas)];
  return [
    number(tx.chainId),
    BigInt(tx.nonce),
    ...fees,
    BigInt(tx.gas),
    ...payment,
    (tx.accessList ?? []).map(({ address, storageKeys }) => [address, [...storageKeys]]),
    // EIP-4844, EIP-7702.
    ...(type === 3 ? [number(tx.maxFeePerBlobGas), [...(tx.blobVersionedHashes ?? [])]] : []),
    ...(type === 4 ? [authorizationsOf(tx)] : []),
    number(tx.yParity ?? tx.v),
    ...signature,
  ];
}

function authorizationsOf(tx: EvmTransactionAnswer): RLPInput[] {
  return (tx.authorizationList ?? []).map(({ chainId, address, nonce, yParity, r, s }) => [
    BigInt(chainId),
    address,
    BigInt(nonce),
    BigInt(yParity),
    BigInt(r),
    BigInt(s),
  ]);
}

function typed(type: string, fields: RLPInput[]): Uint8Array {
  const byte = BigInt(type);
  if (byte > 4n) throw invalid(`a transaction of type ${byte} cannot be proven`);
  const encoded = RLP.encode(fields);
  return byte === 0n ? encoded : concatBytes(Uint8Array.of(Number(byte)), encoded);
}

function number(text: string | null | undefined): bigint {
  if (text === undefined || text === null) throw invalid('a transaction lacks a field of its type');
  return BigInt(text);
}

function invalid(message: string): Failure {
  return new Failure('node-proof-invalid', message);
}
