import type { Miner } from './miner.ts';
import { until } from './until.ts';

export interface Reorg {
  /** Hashes that left the chain, oldest first. */
  readonly orphaned: readonly string[];
  /** Hashes that took their place, oldest first; one more than left. */
  readonly adopted: readonly string[];
}

/**
 * A real reorg: the nodes are parted, both mine, the longer branch wins when they meet again. What was unconfirmed or in
 * the losing branch goes back to the mempool unless the winning branch spends its coins.
 * @param options.depth blocks mined on the losing side.
 * @param options.transactions raw transactions (hex) of the winning branch's first block; its other blocks are empty.
 * @param options.whileParted runs when both branches are mined and neither node knows the other's.
 */
export async function reorgByTwoNodes(
  losing: Miner,
  winning: Miner,
  options: {
    depth: number;
    p2pPortOfLosing: number;
    transactions?: readonly string[];
    whileParted?: () => Promise<void>;
  },
): Promise<Reorg> {
  await untilSameTip(losing, winning);
  await part(losing, winning);
  try {
    const orphaned = await losing.mine(options.depth);
    const adopted = await mineExactly(winning, options.depth + 1, options.transactions ?? []);
    await options.whileParted?.();
    return { orphaned, adopted };
  } finally {
    await join(losing, winning, options.p2pPortOfLosing);
    await untilSameTip(losing, winning);
  }
}

/**
 * A reorg without a second node: the last `depth` blocks are declared invalid and replaced by one more.
 * @param options.transactions as in `reorgByTwoNodes`.
 */
export async function reorgByInvalidation(
  miner: Miner,
  options: { depth: number; transactions?: readonly string[] },
): Promise<Reorg> {
  const height = await miner.rpc<number>('getblockcount');
  const orphaned: string[] = [];
  for (let at = height - options.depth + 1; at <= height; at++)
    orphaned.push(await miner.rpc<string>('getblockhash', [at]));
  await miner.rpc('invalidateblock', [orphaned[0]]);
  return { orphaned, adopted: await mineExactly(miner, options.depth + 1, options.transactions ?? []) };
}

/** Waits until both nodes follow the same block. */
export async function untilSameTip(a: Miner, b: Miner): Promise<void> {
  await until('both nodes have the same tip', async () => {
    const [one, other] = await Promise.all([a.rpc('getbestblockhash'), b.rpc('getbestblockhash')]);
    return one === other;
  });
}

/** Blocks with these transactions only, whatever the mempool holds. */
async function mineExactly(miner: Miner, blocks: number, transactions: readonly string[]): Promise<string[]> {
  const hashes: string[] = [];
  for (let i = 0; i < blocks; i++) {
    const { hash } = await miner.rpc<{ hash: string }>('generateblock', [miner.address, i === 0 ? transactions : []]);
    hashes.push(hash);
  }
  return hashes;
}

async function part(...miners: Miner[]): Promise<void> {
  for (const { rpc } of miners) await rpc('setnetworkactive', [false]);
  for (const { rpc } of miners)
    await until('the nodes are parted', async () => (await rpc<number>('getconnectioncount')) === 0);
}

async function join(losing: Miner, winning: Miner, p2pPortOfLosing: number): Promise<void> {
  for (const { rpc } of [losing, winning]) await rpc('setnetworkactive', [true]);
  // An -addnode peer is tried again only after a minute.
  await winning.rpc('addnode', [`127.0.0.1:${p2pPortOfLosing}`, 'onetry']);
}
