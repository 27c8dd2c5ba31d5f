import {
  EvmBlockAnswer,
  EvmProofAnswer,
  EvmReceiptAnswer,
  EvmTransactionAnswer,
  type EvmProvenLog,
} from '@holdfast/core/chains/evm/node-answers.ts';
import { verifyReceipts, verifyTransactions } from '@holdfast/core/chains/evm/verify-block-lists.ts';
import { verifyHeader, type VerifiedHeader } from '@holdfast/core/chains/evm/verify-header.ts';
import { verifyStateProof, type ProvenAccount } from '@holdfast/core/chains/evm/verify-state-proof.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { createBoundedCache } from './bounded-cache.ts';
import { firstThatProves } from './first-that-proves.ts';
import type { SendRpc } from './json-rpc.ts';

const Receipts = Type.Array(EvmReceiptAnswer);
const FullBlock = Type.Object({ transactions: Type.Array(EvmTransactionAnswer) });

/**
 * The header of a height, which every endpoint must give alike.
 * @throws Failure node-proof-invalid when a header does not hash to its name, node-disagreement, node-unavailable.
 */
export async function agreeOnHeader(endpoints: readonly SendRpc[], height: number): Promise<VerifiedHeader> {
  const headers = await Promise.all(
    endpoints.map(async (send) => {
      const [header] = await readHeaders(send, [height]);
      invariant(header, 'one answer a call');
      return header;
    }),
  );
  const [first] = headers;
  invariant(first, 'a network has at least one endpoint');
  if (headers.some(({ hash }) => hash !== first.hash)) {
    throw new Failure('node-disagreement', `the signer's nodes disagree about block ${height}`);
  }
  return first;
}

/** Headers of one endpoint, each hashed. @throws Failure node-proof-invalid, node-unavailable. */
export async function readHeaders(send: SendRpc, heights: readonly number[]): Promise<VerifiedHeader[]> {
  const answers = await send(
    heights.map((height) => ({ method: 'eth_getBlockByNumber', params: [`0x${height.toString(16)}`, false] })),
  );
  return answers.map((answer, at) => {
    const header = verifyHeader(parseValue(EvmBlockAnswer, answer, 'node-unavailable', 'eth_getBlockByNumber'));
    if (header.number !== heights[at]) {
      throw new Failure('node-proof-invalid', `block ${header.hash} has number ${header.number}, not ${heights[at]}`);
    }
    return header;
  });
}

/** The block before. @throws Failure node-proof-invalid, node-unavailable. */
export async function readParent(endpoints: readonly SendRpc[], header: VerifiedHeader): Promise<VerifiedHeader> {
  return firstThatProves(endpoints, async (send) => {
    const [answer] = await send([{ method: 'eth_getBlockByHash', params: [header.parentHash, false] }]);
    const parent = verifyHeader(parseValue(EvmBlockAnswer, answer, 'node-unavailable', 'eth_getBlockByHash'));
    if (parent.hash !== header.parentHash) throw new Failure('node-proof-invalid', `block ${parent.hash} is no parent`);
    return parent;
  });
}

/**
 * An account and slots of its storage after a block, EIP-1186.
 * @param header agreed on. @param slots 64 hex digits each.
 * @throws Failure node-proof-invalid, node-unavailable.
 */
export async function readAccount(
  endpoints: readonly SendRpc[],
  header: VerifiedHeader,
  address: string,
  slots: readonly string[],
): Promise<ProvenAccount> {
  const keys = slots.map((slot) => `0x${slot}`);
  return firstThatProves(endpoints, async (send) => {
    const [answer] = await send([{ method: 'eth_getProof', params: [address, keys, { blockHash: header.hash }] }]);
    const proof = parseValue(EvmProofAnswer, answer, 'node-unavailable', 'eth_getProof');
    return verifyStateProof(header.stateRoot, address, slots, proof);
  });
}

/** By block hash: a proven list stays what it is. */
const provenLogs = createBoundedCache<readonly EvmProvenLog[]>(64);

/**
 * All logs of a block, its transactions and receipts computed up to the header's roots.
 * @throws Failure node-proof-invalid, node-unavailable.
 */
export async function readLogs(
  endpoints: readonly SendRpc[],
  header: VerifiedHeader,
): Promise<readonly EvmProvenLog[]> {
  const known = provenLogs.get(header.hash);
  if (known) return known;
  const logs = await firstThatProves(endpoints, async (send) => {
    const [receiptsAnswer, blockAnswer] = await send([
      { method: 'eth_getBlockReceipts', params: [header.hash] },
      { method: 'eth_getBlockByHash', params: [header.hash, true] },
    ]);
    const receipts = parseValue(Receipts, receiptsAnswer, 'node-unavailable', 'eth_getBlockReceipts');
    const { transactions } = parseValue(FullBlock, blockAnswer, 'node-unavailable', 'eth_getBlockByHash');
    verifyTransactions(header, transactions);
    verifyReceipts(header, receipts);
    return receipts.flatMap((receipt) => receipt.logs);
  });
  provenLogs.set(header.hash, logs);
  return logs;
}
