import type { NetworkConfig } from '../config.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { isAlarmOpen, raiseAlarm } from '../store/alarms.ts';
import { type AppliedBlock, appliedAt, highestEver, tipBlock } from '../store/blocks.ts';
import type { Sql } from '../store/database.ts';

const code = 'reorg-below-finality';
const subjectOf = (network: Network): string => `${network.id} finality`;

/** Depth at which everything of a network counts for good: what is credited at the last tier and settled payments. */
export function finalDepth(config: Pick<NetworkConfig, 'final_confirmations' | 'assets'>): number {
  const tiers = config.assets.flatMap((rule) => rule.confirmations.map(({ confirmations }) => confirmations));
  return Math.max(config.final_confirmations, ...tiers);
}

/** Above every block: without a tag the depth alone decides. */
const noTag = Number.MAX_SAFE_INTEGER;

/**
 * The highest block that the nodes themselves call final, where the network goes by such a tag; what is above it does not
 * count for good, however deep. There is no falling back to the depth: a chain that finalises nothing is what the tag is for.
 * @returns -1 while the nodes call another block final than the one applied there.
 * @throws Failure node-quorum-lost.
 */
export async function taggedHeight(ctx: Context, network: Network): Promise<number> {
  if (!network.finalBlock) return noTag;
  const { height, hash } = await network.finalBlock();
  const tip = await tipBlock(ctx.db, network.id);
  // Not yet applied so far: everything that is applied lies below.
  if (!tip || tip.height < height) return (await isOnBranch(network, tip)) ? height : -1;
  return (await appliedAt(ctx.db, network.id, height))?.hash === hash ? height : -1;
}

async function isOnBranch(network: Network, tip: AppliedBlock | null): Promise<boolean> {
  return tip !== null && (await network.hashAt(tip.height)) === tip.hash;
}

/** By asset: confirmations of the last tier, whose deposits wait for the tag too. */
export function lastTiers({ assets }: Pick<NetworkConfig, 'assets'>): Map<string, number> {
  return new Map(assets.map(({ asset, confirmations }) => [asset, confirmations.at(-1)?.confirmations ?? 0]));
}

/**
 * Opens an alarm when the tip that is taken off lay deeper than what counts for good, in the caller's transaction. The
 * highest block ever stands for the tip before the reorg, so that a restart half-way changes nothing.
 */
export async function noteDepth(ctx: Context, sql: Sql, network: Network, tip: AppliedBlock): Promise<void> {
  const depth = ((await highestEver(sql, network.id)) ?? tip.height) - tip.height + 1;
  const final = finalDepth(network.config);
  if (depth <= final) return;
  const message = `${depth} blocks of ${network.id} from ${tip.height} on left the chain, and ${final} count for good: nothing is credited and no payment is built there until this alarm is closed`;
  await raiseAlarm(sql, { id: ctx.newId(), code, subject: subjectOf(network), message }, ctx.now());
}

/** Whether an operator has yet to decide about a reorg that was deeper than what counts for good. */
export function isBelowFinality(sql: Sql, network: Network): Promise<boolean> {
  return isAlarmOpen(sql, code, subjectOf(network));
}
