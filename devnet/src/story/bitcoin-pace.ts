import type { Miner } from '../bitcoin/miner.ts';

/** Blocks on top of one that held transactions, so that what is in it confirms. */
const blocksAfter = 3;

/** Mines a block a second while there is something to confirm. @returns a function that ends it. */
export function keepMining(miner: Miner, everyMs = 1_000): () => Promise<void> {
  let owed = 0;
  let stopped = false;
  let wake: () => void = () => undefined;
  const run = async (): Promise<void> => {
    while (!stopped) {
      const waiting = (await miner.rpc<string[]>('getrawmempool')).length;
      if (waiting > 0) owed = blocksAfter;
      if (waiting > 0 || owed-- > 0) await miner.mine(1);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, everyMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  // A node that is being stopped refuses the last call; that ends the miner too.
  const running = run().catch(() => undefined);
  return async () => {
    stopped = true;
    wake();
    await running;
  };
}
