import type { HotRule } from '../policy/policy.ts';

/** One asset on one network, base units. */
export interface HotPosition {
  /** What customers are owed of the asset, over all networks. */
  readonly owed: bigint;
  /** What the hot wallet of the network has that is credited. */
  readonly hot: bigint;
  /** What withdrawals on the network wait to take of it. */
  readonly queued: bigint;
  /** At cold addresses of the network. */
  readonly cold: bigint;
}

export interface Rebalance {
  readonly kind: 'skim' | 'refill';
  readonly amount: bigint;
}

const whole = 10_000n;

/**
 * What should go between hot and cold: above the ceiling everything beyond the target, below the floor what is lacking to the
 * target, as far as cold has it. What the queue waits for counts as gone. Between floor and ceiling nothing moves, so
 * that an ordinary day costs no fees. While nobody is owed anything there is no share to keep to.
 */
export function decideRebalance(rule: HotRule, { owed, hot, queued, cold }: HotPosition): Rebalance | null {
  if (owed <= 0n) return null;
  const free = hot - queued;
  const target = (owed * BigInt(rule.target_bps)) / whole;
  if (free * whole > owed * BigInt(rule.ceiling_bps)) {
    const amount = free - target;
    return amount >= BigInt(rule.skim_min) ? { kind: 'skim', amount } : null;
  }
  if (free >= 0n && free * whole >= owed * BigInt(rule.floor_bps)) return null;
  const lacking = target - free;
  const amount = lacking < cold ? lacking : cold;
  return amount > 0n ? { kind: 'refill', amount } : null;
}
