import { Failure } from '@holdfast/core/failure.ts';
import { isBumpDue } from '@holdfast/core/withdrawals/fee-bump.ts';
import { bumpRule } from '../config.ts';
import type { Context } from '../context.ts';
import type { LaneFunctions, Network, StoredTransaction } from '../networks/network.ts';
import { taggedHeight } from './finality.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import { type AppliedBlock, appliedAt, tipBlock } from '../store/blocks.ts';
import { type ChainTransactionRow, insertTransaction, storeSigned } from '../store/chain-transactions.ts';
import type { Sql } from '../store/database.ts';
import { insertEvents } from '../store/events.ts';
import { type WaitingTransaction, waitingTransactions } from '../store/fee-bumps.ts';
import {
  type CallInFlight,
  callsInFlight,
  gapBelow,
  givenUpBytes,
  type Lane,
  lockLanes,
  storeVersion,
} from '../store/relayer-lanes.ts';
import { moveWithdrawals, withdrawalsOf } from '../store/withdrawals.ts';

/**
 * Keeps the relayer's accounts moving: a call that no block takes is offered at a higher price with the same nonce, a nonce that
 * nothing carries below one that something does is used up, and a call whose nonce was used by something else gets another.
 * What the call pays is bound by what the signers signed, whichever envelope a block takes.
 * @returns how many envelopes were made.
 */
export async function repairLanes(ctx: Context, network: Network): Promise<number> {
  const tip = network.lanes ? await tipBlock(ctx.db, network.id) : null;
  if (!tip) return 0;
  let made = 0;
  for (const lane of network.lanes ?? []) {
    const [lowest, ...others] = await callsInFlight(ctx.db, { network: network.id, lane: lane.lane });
    if (!lowest) continue;
    if (await renonceOne(ctx, network, lane, [lowest, ...others], tip)) made++;
    const chainNonce = await lane.chainNonce();
    if (await fillGap(ctx, network, lane, chainNonce, tip)) made++;
    // One that a block has used already is waited for, and the ones above the lowest wait for it, not for a higher price.
    if (lowest.relayer_nonce === chainNonce && (await reprice(ctx, network, lane, lowest.id, tip))) made++;
  }
  return made;
}

/** What final blocks used a nonce for was not the call that we stored with it: those bytes are dead, the call is not. */
async function renonceOne(
  ctx: Context,
  network: Network,
  lane: LaneFunctions,
  calls: readonly CallInFlight[],
  tip: AppliedBlock,
): Promise<boolean> {
  const final = await appliedAt(
    ctx.db,
    network.id,
    Math.min(tip.height - network.config.final_confirmations + 1, await taggedHeight(ctx, network)),
  );
  if (!final) return false;
  const finalNonce = await lane.chainNonce(final.hash);
  const dead = calls.find((one) => one.relayer_nonce < finalNonce && !isPastDeadline(one, ctx.now()));
  if (!dead) return false;
  const seal = await lane.renonce(dead.raw);
  const stored = await ctx.db.transaction(async (sql) => {
    // Still in flight under the lock: a block that shows it would have ended that.
    const nowMs = ctx.now();
    await lockLanes(sql, network.id);
    return store(ctx, sql, dead, await seal(sql), tip.height, nowMs);
  });
  if (stored)
    ctx.log('relayer-nonce-moved', { network: network.id, transaction: dead.id, from: String(dead.relayer_nonce) });
  return stored;
}

function isPastDeadline({ unsigned }: ChainTransactionRow, nowMs: number): boolean {
  const notAfterMs = 'not_after_ms' in unsigned ? unsigned.not_after_ms : null;
  return typeof notAfterMs === 'string' && Number(notAfterMs) <= nowMs;
}

/** A payment that missed its deadline leaves its nonce behind; unless another call takes it soon, a transfer of nothing does. */
async function fillGap(
  ctx: Context,
  network: Network,
  lane: LaneFunctions,
  chainNonce: bigint,
  tip: AppliedBlock,
): Promise<boolean> {
  const where: Lane = { network: network.id, lane: lane.lane };
  const gap = await gapBelow(ctx.db, where, chainNonce);
  if (gap === null) return false;
  const made = await lane.fill(gap, await givenUpBytes(ctx.db, where, gap));
  const id = ctx.newId();
  const filled = await ctx.db.transaction(async (sql) => {
    await lockLanes(sql, network.id);
    if ((await gapBelow(sql, where, chainNonce)) !== gap) return false;
    const nowMs = ctx.now();
    await insertTransaction(
      sql,
      { id, network: network.id, kind: 'filler', unsigned: {}, conflictKeys: [], refs: [] },
      nowMs,
    );
    await storeSigned(sql, id, made, nowMs);
    ctx.step('lane-before-commit');
    return true;
  });
  if (!filled) return false;
  ctx.step('lane-after-commit');
  ctx.log('relayer-gap-filled', { network: network.id, lane: lane.lane, nonce: String(gap), height: tip.height });
  return true;
}

async function reprice(
  ctx: Context,
  network: Network,
  lane: LaneFunctions,
  id: string,
  tip: AppliedBlock,
): Promise<boolean> {
  const rule = bumpRule(network.config);
  const [lowest] = await waitingTransactions(ctx.db, network.id, laneKinds, id);
  if (!lowest) return false;
  const waited = {
    blocks: tip.height - Number(lowest.waiting_from_height),
    ms: ctx.now() - Number(lowest.waiting_from_ms),
    tries: lowest.version - 1,
    feeRefused: lowest.fee_refused,
  };
  if (!isBumpDue(waited, rule)) return false;
  const made = await repriced(ctx, lane, lowest, rule.percent);
  if (!made) return false;
  const stored = await ctx.db.transaction(async (sql) => {
    const nowMs = ctx.now();
    await lockLanes(sql, network.id);
    const done = await store(ctx, sql, lowest, made, tip.height, nowMs);
    if (done) await closeAlarms(sql, `${lowest.id} fee`, nowMs);
    ctx.step('lane-before-commit');
    return done;
  });
  if (!stored) return false;
  ctx.step('lane-after-commit');
  ctx.log('relayer-repriced', { network: network.id, transaction: lowest.id, txid: made.txid, replaces: lowest.txid });
  return true;
}

async function repriced(
  ctx: Context,
  lane: LaneFunctions,
  one: WaitingTransaction,
  percent: number,
): Promise<StoredTransaction | null> {
  try {
    return await lane.reprice(one.raw!, percent);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'fee-too-high') throw error;
    const alarm = { id: ctx.newId(), code: 'fee-bump-capped', subject: `${one.id} fee`, message: error.message };
    await raiseAlarm(ctx.db, alarm, ctx.now());
    return null;
  }
}

const laneKinds = ['withdrawal', 'sweep', 'skim', 'emergency', 'filler'];

async function store(
  ctx: Context,
  sql: Sql,
  seen: ChainTransactionRow,
  made: StoredTransaction,
  height: number,
  nowMs: number,
): Promise<boolean> {
  if (!(await storeVersion(sql, seen, made, height, nowMs))) return false;
  await moveWithdrawals(sql, seen.id, 'broadcast', nowMs);
  const paid = await withdrawalsOf(sql, seen.id);
  await insertEvents(
    sql,
    paid.map((row) => ({ id: ctx.newId(), type: 'withdrawal.replaced', resource: 'withdrawal', resourceId: row.id })),
    nowMs,
  );
  return true;
}
