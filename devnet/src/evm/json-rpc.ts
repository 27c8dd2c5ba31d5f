import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '@holdfast/core/failure.ts';

/** One JSON-RPC call of an Ethereum dev node. @throws Failure node-unavailable with the node's own words. */
export async function rpcCall<T>(rpcUrl: string, method: string, params: readonly unknown[] = []): Promise<T> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  let answer: { result?: T; error?: { message: string } };
  try {
    const response = await fetch(rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    answer = (await response.json()) as typeof answer;
  } catch (cause) {
    throw new Failure('node-unavailable', `${method} at ${rpcUrl}: no JSON-RPC answer`, { cause });
  }
  if (answer.error !== undefined) throw new Failure('node-unavailable', `${method}: ${answer.error.message}`);
  return answer.result as T;
}

/** What the devnet reads of a receipt; quantities as 0x hex. */
export interface Receipt {
  readonly transactionHash: string;
  readonly blockHash: string;
  readonly blockNumber: string;
  readonly status: string;
  readonly gasUsed: string;
  readonly effectiveGasPrice: string;
  readonly contractAddress: string | null;
  readonly logs: readonly { readonly address: string; readonly topics: readonly string[]; readonly data: string }[];
}

const receiptWithinMs = 30_000;
const pollMs = 25;

/**
 * Waits until a transaction is in a block. Works while the node mines by itself; a node that mines on demand needs
 * mine() first.
 * @throws Failure node-unavailable when it is not mined in 30 s.
 */
export async function waitForReceipt(rpcUrl: string, txid: string): Promise<Receipt> {
  const until = Date.now() + receiptWithinMs;
  while (Date.now() < until) {
    const receipt = await rpcCall<Receipt | null>(rpcUrl, 'eth_getTransactionReceipt', [txid]);
    if (receipt !== null) return receipt;
    await delay(pollMs);
  }
  throw new Failure('node-unavailable', `${txid} was not mined in ${receiptWithinMs} ms`);
}
