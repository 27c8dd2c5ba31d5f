import type { Workload } from './exchange.ts';
import type { MachineFaults } from './system.ts';
import type { NetworkFaults } from './world/network.ts';
import { randomOf } from './world/random.ts';

/** What goes wrong in one seed's world, and how often. */
export interface Profile {
  readonly network: NetworkFaults;
  readonly machines: MachineFaults;
  readonly workload: Workload;
  /** Chances per write of a signer's disk. */
  readonly disk: { readonly crash: number; readonly failure: number };
  /** Chance around a statement that the server dies. */
  readonly statementCrash: number;
  /** Between two of each, milliseconds on average; infinite: none. */
  readonly every: {
    readonly block: number;
    readonly reorganisation: number;
    readonly crash: number;
    readonly partition: number;
    readonly lie: number;
    readonly feeChange: number;
    readonly eviction: number;
  };
  /** Chance that a displaced payment of somebody outside is taken back. */
  readonly forget: number;
  readonly leavesOut: number;
  /** Chance that the branch changes when the server has read a block. */
  readonly duringRead: number;
}

/** Each seed has some faults often, some seldom and some not at all: all at once would hide what one of them does. */
export function profileOf(seed: string): Profile {
  const random = randomOf(`profile ${seed}`);
  const often = (probability: number, low: number, high: number): number =>
    random.chance(probability) ? low + random.next() * (high - low) : Number.POSITIVE_INFINITY;
  const rate = (probability: number, low: number, high: number): number =>
    random.chance(probability) ? low + random.next() * (high - low) : 0;
  return {
    network: {
      drop: rate(0.5, 0.002, 0.08),
      duplicate: rate(0.5, 0.01, 0.15),
      fastestMs: 1,
      slowestMs: random.pick([10, 40, 150]),
    },
    machines: {
      step: rate(0.5, 0.005, 0.06),
      slowness: { server: random.pick([8, 15, 30]), signer: random.pick([1, 3]) },
      clockMs: random.pick([0, 300, 900]),
      feeRateMax: random.pick([200, 200, 6]),
    },
    workload: {
      customers: random.between(2, 4),
      deposits: random.between(5, 12),
      withdrawals: random.between(5, 12),
      paceMs: random.pick([4_000, 8_000, 14_000]),
      contested: rate(0.4, 0.05, 0.3),
    },
    disk: { crash: rate(0.4, 0.001, 0.01), failure: rate(0.2, 0.0005, 0.003) },
    statementCrash: rate(0.4, 0.0005, 0.004),
    every: {
      block: random.pick([6_000, 12_000, 20_000]),
      reorganisation: often(0.85, 8_000, 40_000),
      crash: often(0.5, 10_000, 60_000),
      partition: often(0.4, 15_000, 60_000),
      lie: often(0.4, 20_000, 60_000),
      feeChange: often(0.5, 10_000, 40_000),
      eviction: often(0.4, 5_000, 30_000),
    },
    forget: rate(0.5, 0.1, 0.6),
    leavesOut: random.pick([0.05, 0.2, 0.5]),
    duringRead: rate(0.5, 0.03, 0.2),
  };
}
