import { describeLag, quorumHeight } from '@holdfast/core/chains/endpoint-heights.ts';
import { type BlockChanges, decideBlock, type Inclusion } from '@holdfast/core/deposits/decide-block.ts';
import { confirmationsRequired } from '@holdfast/core/deposits/confirmations.ts';
import { refusedPauseMs } from '@holdfast/core/withdrawals/refused-pause.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import type { LoadedBlock, Network } from '../networks/network.ts';
import { raiseAlarm } from '../store/alarms.ts';
import { type AppliedBlock, insertBlock, lockTip, tipBlock } from '../store/blocks.ts';
import { abandonReverted, markIncluded, ownByRefs } from '../store/chain-transactions.ts';
import { noteTerms, sweptDeposits, upsertSeenDeposits } from '../store/deposits.ts';
import type { Sql } from '../store/database.ts';
import { insertEvents, type NewEvent } from '../store/events.ts';
import { schedulesInForce } from '../store/fee-schedules.ts';
import { mustPost } from '../store/ledger/post-batch.ts';
import { recordStrays } from '../store/recoverables.ts';
import { markPaidBy, requeue } from '../store/withdrawals.ts';
import { rollBackTip } from './roll-back-tip.ts';

/** Blocks applied in one pass at the most, so that other jobs get their turn during a long catch-up. */
const blocksPerPass = 200;

/**
 * Follows one network by hash: takes blocks off while the nodes agree on another one at the applied tip's height, then
 * applies new ones in order, each in one transaction. A lagging or shorter chain is waited for; only a different block
 * undoes one.
 * @returns how many blocks were applied or rolled back.
 * @throws Failure node-quorum-lost: nothing was applied that fewer than a quorum of the endpoints agree on. A quorum that
 * stays behind another endpoint or behind what is applied is that too, once what it has is applied.
 */
export async function followChain(ctx: Context, network: Network): Promise<number> {
  const heights = await network.nodes.heights();
  const { quorum } = network.nodes;
  const height = quorumHeight(heights, quorum) ?? 0;
  let changed = 0;
  let tip = await tipBlock(ctx.db, network.id);
  while (tip && tip.height <= height && (await network.hashAt(tip.height)) !== tip.hash) {
    if (!(await rollBackTip(ctx, network, tip))) return changed;
    tip = await tipBlock(ctx.db, network.id);
    changed++;
  }
  let next = tip ? tip.height + 1 : network.config.start_height;
  let hash = next <= height ? await network.hashAt(next) : '';
  for (; next <= height && changed < blocksPerPass; next++) {
    const ahead = next < height ? fetchAhead(network, next + 1) : null;
    const loaded = await network.loadBlock(next, hash);
    if (tip && loaded.block.parentHash !== tip.hash) return changed; // The branch changed under us; the next pass rolls back.
    tip = await applyBlock(ctx, network, loaded, tip);
    if (!tip) return changed;
    changed++;
    if (ahead) hash = (await ahead) ?? (await network.hashAt(next + 1));
  }
  const ours = tip ? [{ endpoint: 'the applied chain', height: tip.height }] : [];
  // With an endpoint to spare, one that is far off is named by itself and holds nobody up.
  const needed = heights.length > quorum ? [{ endpoint: 'the quorum', height }] : heights;
  const lag = changed === 0 ? describeLag([...needed, ...ours]) : null;
  if (lag !== null) throw new Failure('node-quorum-lost', lag);
  return changed;
}

/** The node brings the next block while this one is looked up and written. @returns its hash; null when that has to be asked again. */
async function fetchAhead(network: Network, height: number): Promise<string | null> {
  try {
    const hash = await network.hashAt(height);
    network.fetchAhead?.(hash);
    return hash;
  } catch {
    // Whoever needs it meets the same trouble, and says so.
    return null;
  }
}

/** @returns the new tip; null when it was moved meanwhile. */
async function applyBlock(
  ctx: Context,
  network: Network,
  loaded: LoadedBlock,
  tip: AppliedBlock | null,
): Promise<AppliedBlock | null> {
  const { block } = loaded;
  const nowMs = ctx.now();
  ctx.step('block-before-apply');
  const applied = await ctx.db.transaction(async (sql) => {
    if (!(await lockTip(sql, network.id, tip))) return null;
    const blockId = await insertBlock(sql, { network: network.id, ...block }, nowMs);
    if (block.transactions.length > 0) await applyTransactions(ctx, sql, network, loaded, blockId, nowMs);
    await loaded.record(sql, blockId);
    await keepStrays(ctx, sql, network, loaded);
    ctx.step('block-before-commit');
    return { id: blockId, height: block.height, hash: block.hash };
  });
  if (!applied) return null;
  ctx.step('block-after-commit');
  if (block.transactions.length > 0)
    ctx.log('block-applied', { network: network.id, height: block.height, transactions: block.transactions.length });
  return applied;
}

/** Unlisted tokens at deposit addresses; of what is too many only that it was. */
export async function keepStrays(
  ctx: Context,
  sql: Sql,
  network: Network,
  { block, strays }: LoadedBlock,
): Promise<void> {
  if (!strays) return;
  const nowMs = ctx.now();
  const leftOut = await recordStrays(sql, network.id, block.height, strays.kept, ctx.newId, nowMs);
  if (leftOut + strays.dropped === 0) return;
  const message = `block ${block.height} showed ${leftOut + strays.dropped} unlisted tokens at deposit addresses beyond what is kept`;
  await raiseAlarm(sql, { id: ctx.newId(), code: 'recoverables-full', subject: network.id, message }, nowMs);
}

/** What a block means to what the database knows now. */
export async function decideLoaded(
  sql: Sql,
  network: Network,
  { block, ownerOf }: LoadedBlock,
  blockId: bigint,
): Promise<BlockChanges> {
  const refs = block.transactions.flatMap((transaction) => transaction.refs);
  return decideBlock(block, {
    network: network.id,
    family: network.family,
    nativeAsset: network.nativeAsset,
    blockId,
    ownerOf,
    ownByRef: await ownByRefs(sql, network.id, refs),
    confirmationsFor: (asset, amount) => {
      const rule = network.config.assets.find((one) => one.asset === asset);
      if (!rule) throw new Failure('unknown-asset', `${asset} has no rule on ${network.id}`);
      return confirmationsRequired(
        rule.confirmations.map(({ below, confirmations }) => ({
          below: below === null ? null : BigInt(below),
          confirmations,
        })),
        amount,
      );
    },
  });
}

/** Records deposits of a block, with the terms that they are seen under. @returns their events. */
export async function seeDeposits(
  ctx: Context,
  sql: Sql,
  network: Network,
  block: { readonly id: bigint; readonly height: number },
  deposits: BlockChanges['deposits'],
): Promise<NewEvent[]> {
  if (deposits.length === 0) return [];
  const nowMs = ctx.now();
  const ids = await upsertSeenDeposits(sql, network.id, block, deposits, ctx.newId, nowMs);
  const inForce = await schedulesInForce(sql, network.id, nowMs);
  await noteTerms(sql, ids, new Map([...inForce].map(([asset, { id }]) => [asset, id])));
  return deposits.map(({ state }, i) => ({
    id: ctx.newId(),
    type: `deposit.${state}`,
    resource: 'deposit',
    resourceId: ids[i]!,
  }));
}

async function applyTransactions(
  ctx: Context,
  sql: Sql,
  network: Network,
  loaded: LoadedBlock,
  blockId: bigint,
  nowMs: number,
): Promise<void> {
  const { block } = loaded;
  const changes = await decideLoaded(sql, network, loaded, blockId);
  const events: NewEvent[] = [];
  events.push(...(await seeDeposits(ctx, sql, network, { id: blockId, height: block.height }, changes.deposits)));
  events.push(...(await applyInclusions(ctx, sql, network, loaded, { id: blockId, changes }, nowMs)));
  for (const alarm of changes.alarms) {
    await raiseAlarm(sql, { id: ctx.newId(), ...alarm }, nowMs);
    ctx.log('alarm', { code: alarm.code, message: alarm.message });
  }
  await insertEvents(sql, events, nowMs);
  await mustPost(sql, changes.postings, nowMs);
}

/** Our own transactions that the block shows; adds to the alarms of `changes`. @returns events of their withdrawals. */
async function applyInclusions(
  ctx: Context,
  sql: Sql,
  network: Network,
  loaded: LoadedBlock,
  applied: { id: bigint; changes: BlockChanges },
  nowMs: number,
): Promise<NewEvent[]> {
  const { id: blockId, changes } = applied;
  const events: NewEvent[] = [];
  for (const inclusion of changes.inclusions) {
    if (inclusion.succeeded) {
      if (!(await markIncluded(sql, inclusion, { id: blockId, height: loaded.block.height }))) continue;
      for (const left of await leftBehind(sql, loaded, inclusion)) {
        changes.alarms.push({
          code: 'sweep-moved-nothing',
          subject: `${left.address} ${left.asset}`,
          message: `sweep ${inclusion.txid} left ${left.asset} on ${left.address}; it is not tried again by itself`,
        });
      }
      for (const id of await markPaidBy(sql, inclusion.transactionId, nowMs)) {
        events.push({ id: ctx.newId(), type: 'withdrawal.included', resource: 'withdrawal', resourceId: id });
      }
    } else if (await abandonReverted(sql, inclusion.transactionId, `${inclusion.txid} was mined and reverted`)) {
      await network.abandon(sql, inclusion.transactionId);
      await requeue(
        sql,
        inclusion.transactionId,
        `${inclusion.txid} reverted`,
        { pauseMs: refusedPauseMs, split: true },
        nowMs,
      );
      changes.alarms.push({
        code: 'payment-reverted',
        subject: inclusion.transactionId,
        message: `${inclusion.txid} was mined and reverted; its withdrawals are tried in smaller batches`,
      });
    }
  }
  return events;
}

/**
 * Addresses that a sweep was to empty and that still hold coins. One that it did not move may be empty all the same: an
 * earlier sweep took this deposit along, or a stranger flushed it.
 */
async function leftBehind(
  sql: Sql,
  loaded: LoadedBlock,
  inclusion: Inclusion,
): Promise<{ address: string; asset: string }[]> {
  const unmoved = (await sweptDeposits(sql, inclusion.transactionId)).filter(
    ({ address, asset }) => !inclusion.emptied.has(`${address} ${asset}`),
  );
  if (unmoved.length === 0 || !loaded.holdings) return [];
  const held = await loaded.holdings(unmoved);
  return unmoved.filter((_, i) => (held[i] ?? 0n) > 0n);
}
