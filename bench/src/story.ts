import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDevnet } from '@holdfast/devnet/devnet.ts';
import { keepMining } from '@holdfast/devnet/story/bitcoin-pace.ts';
import { tellStory } from '@holdfast/devnet/story/tell-story.ts';
import type { BenchResult } from './result.ts';

/** The story of `npm start` from nothing to its end, with the node programs in place, and what each process holds. */
export async function run(): Promise<BenchResult[]> {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const devnet = await startDevnet({ folder: join(root, 'data'), log: () => undefined, blockTimeS: 1 });
  const up = seconds();
  const endMining = devnet.chains.bitcoin ? keepMining(devnet.chains.bitcoin.miner) : async () => undefined;
  try {
    const story = await tellStory(devnet, () => undefined);
    const end = seconds();
    return [
      { name: 'everything started', value: up, unit: 's', note: 'keys sealed at full strength' },
      {
        name: 'story ended',
        value: end,
        unit: 's',
        target: { max: 90 },
        note: 'from nothing; EVM and Bitcoin blocks every second',
      },
      ...story.rows.map((row) => ({ name: row.step, value: row.seconds, unit: 's' })),
      ...[...devnet.memory()].map(([name, bytes]) => ({
        name: `memory of ${name}`,
        value: bytes / 2 ** 20,
        unit: 'MiB',
      })),
    ];
  } finally {
    await endMining();
    await devnet.stop();
    rmSync(root, { recursive: true, force: true });
  }
}
