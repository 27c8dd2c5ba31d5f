import type { SignedTransaction } from '@holdfast/core/signing/journal-state.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { nonceOfKey } from '../review/review-evm.ts';
import { askAll } from './agree.ts';
import { nonceAt, readHeight } from './evm-node.ts';
import type { SendRpc } from './json-rpc.ts';

const Logs = Type.Array(Type.Object({ topics: Type.Array(Type.String(), { maxItems: 4 }) }));
/** Safe.sol: ExecutionSuccess and ExecutionFailure, both with the transaction hash as second topic. */
const executedTopics = [
  '0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e',
  '0x23428b18acfb3ea64b08dc0c1d296ea9c09702c09083ca5272e64d115b687d23',
];

/**
 * Which transactions of the Safe can never execute: their nonce was used, `finalityBlocks` below the tip, by another one.
 * Proof takes every execution since the review, as many as nonces were used meanwhile, so a node without old logs proves
 * nothing; and every endpoint must say the same.
 * @throws Failure node-unavailable, node-disagreement.
 */
export async function findDeadSafeTransactions(
  endpoints: readonly SendRpc[],
  safe: string,
  earlier: readonly SignedTransaction[],
  finalityBlocks: number,
): Promise<SignedTransaction[]> {
  const final = Math.min(...(await Promise.all(endpoints.map(readHeight)))) - finalityBlocks;
  if (final < 0) return [];
  const dead = await askAll('what became of earlier transactions', endpoints, async (send) => {
    const nextNonce = await nonceAt(send, safe, final);
    const found: string[] = [];
    for (const one of earlier) {
      const nonces = [...one.conflictKeys].map((key) => nonceOfKey(safe, key));
      const [nonce] = nonces;
      if (nonces.length !== 1 || nonce === null || nonce === undefined || nonce >= nextNonce || one.height >= final) {
        continue;
      }
      const executed = await executions(send, safe, one.height + 1, final);
      // It was reviewed while its nonce was the next one, so since then exactly these many executed.
      if (BigInt(executed.length) === nextNonce - nonce && !executed.includes(`0x${one.txid}`)) found.push(one.txid);
    }
    return found;
  });
  return earlier.filter((one) => dead.includes(one.txid));
}

/** Hashes of the Safe's transactions that executed in a range of blocks. */
async function executions(send: SendRpc, safe: string, from: number, to: number): Promise<string[]> {
  const filter = { address: safe, fromBlock: `0x${from.toString(16)}`, toBlock: `0x${to.toString(16)}`, topics: [executedTopics] };
  const [logs] = await send([{ method: 'eth_getLogs', params: [filter] }]);
  return parseValue(Logs, logs, 'node-unavailable', 'eth_getLogs').map(({ topics }) => (topics[1] ?? '').toLowerCase());
}
