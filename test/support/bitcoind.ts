import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMiner, type Miner } from '@holdfast/devnet/bitcoin/miner.ts';
import { untilSameTip } from '@holdfast/devnet/bitcoin/reorg.ts';
import { startBitcoindPair, type BitcoinNode } from '@holdfast/devnet/bitcoin/start.ts';
import { startSupervisor } from '@holdfast/devnet/processes.ts';

export interface BitcoinDevnet {
  readonly nodes: readonly [BitcoinNode, BitcoinNode];
  /** Miners of the nodes in their order; only the first has coins. */
  readonly miners: readonly [Miner, Miner];
  stop(): Promise<void>;
}

/** Two peered regtest nodes in a folder of their own, the first with coins; they end with the test process, however it ends. */
export async function startBitcoinDevnet(): Promise<BitcoinDevnet> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bitcoin-'));
  const supervisor = await startSupervisor({ runDir: join(folder, 'run') });
  const stop = async (): Promise<void> => {
    await supervisor.stopAll();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const nodes = await startBitcoindPair({ supervisor, dataDir: folder });
    const miners = [await openMiner(nodes[0].rpc), await openMiner(nodes[1].rpc, { funded: false })] as const;
    await untilSameTip(...miners);
    return { nodes, miners, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
