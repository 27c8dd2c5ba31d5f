import type { SignedTransaction } from '@holdfast/core/signing/journal-state.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { nonceOfKey } from '../review/review-evm.ts';
import { askAll } from './agree.ts';
import { nonceAt, readFinalHeight } from './evm-node.ts';
import type { SendRpc } from './json-rpc.ts';
import { executedTopics } from './read-safe-executions.ts';

const Word = Type.String({ pattern: '^0x[0-9a-f]{64}$' });
/** Safe 1.5.0 indexes the hash; up to 1.3.0 it was data, and such a log would name no transaction here. */
const Logs = Type.Array(
  Type.Object({
    address: Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' }),
    topics: Type.Tuple([Word, Word]),
    blockNumber: Type.String({ pattern: '^0x[0-9a-f]{1,13}$' }),
    removed: Type.Optional(Type.Literal(false)),
  }),
);
/**
 * Which transactions of the Safe can never execute: their nonce was used, in a final block, by another one. Proof takes
 * every execution since the review, as many as nonces were used meanwhile, so a node without old logs proves nothing; and
 * every endpoint must say the same.
 * @throws Failure node-unavailable, node-disagreement.
 */
export async function findDeadSafeTransactions(
  endpoints: readonly SendRpc[],
  network: Pick<EvmNetworkPolicy, 'network' | 'safe'>,
  earlier: readonly SignedTransaction[],
  finalityBlocks: number,
): Promise<SignedTransaction[]> {
  const { safe } = network;
  const final = Math.min(...(await Promise.all(endpoints.map((send) => readFinalHeight(send, finalityBlocks)))));
  if (final < 0) return [];
  const dead = await askAll('what became of earlier transactions', endpoints, async (send) => {
    const nextNonce = await nonceAt(send, safe, final);
    const found: string[] = [];
    for (const one of earlier) {
      const nonces = [...one.conflictKeys].map((key) => nonceOfKey(network, key));
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

/**
 * Hashes of the Safe's transactions that executed in a range of blocks.
 * @throws Failure node-unavailable when one log is not exactly what was asked for: it could be the one that matters.
 */
async function executions(send: SendRpc, safe: string, from: number, to: number): Promise<string[]> {
  const range = { fromBlock: `0x${from.toString(16)}`, toBlock: `0x${to.toString(16)}` };
  const [answer] = await send([
    { method: 'eth_getLogs', params: [{ address: safe, ...range, topics: [executedTopics] }] },
  ]);
  const logs = parseValue(Logs, answer, 'node-unavailable', 'eth_getLogs');
  const asked = logs.every(({ address, topics, blockNumber }) => {
    const height = Number(blockNumber);
    const ofSafe = address.toLowerCase() === safe.toLowerCase();
    return ofSafe && executedTopics.includes(topics[0]) && height >= from && height <= to;
  });
  if (!asked) throw new Failure('node-unavailable', 'eth_getLogs gave a log that was not asked for');
  return logs.map(({ topics }) => topics[1]);
}
