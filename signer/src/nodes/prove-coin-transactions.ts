import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { askAll } from './agree.ts';
import {
  readHeaderChain,
  readProvenTransaction,
  readProvenTransactions,
  type ProvenTransaction,
} from './bitcoin-proofs.ts';
import { createBoundedCache } from './bounded-cache.ts';
import type { SendRpc } from './json-rpc.ts';

const Place = Type.Object({ height: Type.Integer({ minimum: 0 }), confirmations: Type.Integer({ minimum: -1 }) });
/** Consensus: a coinbase output is spent 100 blocks later at the earliest. */
const coinbaseMaturity = 100;
/** By network and txid: what a block held it holds for ever; whether the block still counts is asked each time. */
const transactions = createBoundedCache<ProvenTransaction>(4_096);
/** By block and depth. */
const provenDepths = createBoundedCache<true>(4_096);

/**
 * The transactions of coins, each in a block of the chain that all endpoints follow and that is buried under the work of
 * `min_confirmations` blocks, its own counted, or of as many as there are.
 * @param tip the smallest of any endpoint.
 * @throws Failure node-unavailable, node-disagreement, node-proof-invalid.
 */
export async function proveCoinTransactions(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  txids: ReadonlySet<string>,
  tip: number,
): Promise<ReadonlyMap<string, ProvenTransaction>> {
  const known = new Map<string, ProvenTransaction>();
  for (const txid of txids) {
    const cached = transactions.get(`${network.network} ${txid}`);
    if (cached) known.set(txid, cached);
  }
  const places = await placesOf(endpoints, [...known.values()]);
  // A reorg may have moved it to another block.
  for (const [txid, { blockHash }] of known) if (!places.has(blockHash)) known.delete(txid);
  const missing = [...txids].filter((txid) => !known.has(txid));
  for (let at = 0; at < missing.length; at += atOnce) {
    for (const proven of await readGroup(endpoints, network, missing.slice(at, at + atOnce))) {
      const { txid } = proven.transaction;
      transactions.set(`${network.network} ${txid}`, proven);
      known.set(txid, proven);
    }
  }
  const newBlocks = [...known.values()].filter(({ blockHash }) => !places.has(blockHash));
  for (const [hash, height] of await placesOf(endpoints, newBlocks)) places.set(hash, height);
  // Coins of one block share its depth, but for a coinbase, which needs more.
  const blocks = new Map([...known.values()].map((one) => [`${one.blockHash} ${one.transaction.isCoinbase}`, one]));
  await inGroups([...blocks.values()], (proven) => proveDepth(endpoints, network, proven, places, tip));
  return known;
}

/** Heights of the blocks that are in the chain of every endpoint, by hash. @throws Failure node-disagreement. */
async function placesOf(
  endpoints: readonly SendRpc[],
  proven: readonly ProvenTransaction[],
): Promise<Map<string, number>> {
  const hashes = [...new Set(proven.map(({ blockHash }) => blockHash))];
  if (hashes.length === 0) return new Map();
  const heights = await askAll('the blocks of the coins to spend', endpoints, async (send) => {
    const answers = await send(hashes.map((hash) => ({ method: 'getblockheader', params: [hash, true] }))).catch(
      (error: unknown) => {
        // One that the node no longer knows at all spoils the batch: all are proven again.
        if (error instanceof Failure) return hashes.map(() => ({ height: 0, confirmations: -1 }));
        throw error;
      },
    );
    return answers.map((answer) => {
      const { height, confirmations } = parseValue(Place, answer, 'node-unavailable', 'getblockheader');
      return confirmations > 0 ? height : null;
    });
  });
  return new Map(hashes.flatMap((hash, at) => (typeof heights[at] === 'number' ? [[hash, heights[at]] as const] : [])));
}

async function proveDepth(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  { blockHash, transaction }: ProvenTransaction,
  places: ReadonlyMap<string, number>,
  tip: number,
): Promise<void> {
  const height = places.get(blockHash);
  if (height === undefined) {
    throw new Failure('node-disagreement', `block ${blockHash} is not in the chain that the signer's nodes follow`);
  }
  const wanted = Math.max(network.min_confirmations, transaction.isCoinbase ? coinbaseMaturity : 1);
  const count = Math.max(1, Math.min(wanted, tip - height + 1));
  const key = `${network.network} ${blockHash} ${height} ${count}`;
  if (provenDepths.get(key)) return;
  await readHeaderChain(endpoints, network, { from: height, count }, { height, hash: blockHash });
  provenDepths.set(key, true);
}

const atOnce = 16;

/** One by one what does not come in one batch: each then from whichever endpoint has it, and within the answer's bound. */
async function readGroup(
  endpoints: readonly SendRpc[],
  network: BitcoinNetworkPolicy,
  txids: readonly string[],
): Promise<ProvenTransaction[]> {
  try {
    return await readProvenTransactions(endpoints, network, txids);
  } catch (error) {
    if (!(error instanceof Failure) || txids.length === 1) throw error;
    return Promise.all(txids.map((txid) => readProvenTransaction(endpoints, network, txid, null)));
  }
}

/** A transaction may spend hundreds of coins; a node's work queue holds 64 calls. */
async function inGroups<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += atOnce) await Promise.all(items.slice(at, at + atOnce).map(run));
}
