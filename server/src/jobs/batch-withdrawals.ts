import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { choosePayouts } from '@holdfast/core/withdrawals/choose-payouts.ts';
import { releasePosting } from '@holdfast/core/withdrawals/release-posting.ts';
import type { Context } from '../context.ts';
import type { BatchOutlook, Network } from '../networks/network.ts';
import { isBelowFinality } from './finality.ts';
import {
  hasOpenWithdrawalTransaction,
  holdsConflictKey,
  insertTransaction,
  lockBatching,
} from '../store/chain-transactions.ts';
import { holdDearAssets } from './hold-dear-assets.ts';
import { assetsSetAside } from './set-aside.ts';
import type { HaltView } from '../signers/halt-view.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import type { Sql } from '../store/database.ts';
import { insertEvents } from '../store/events.ts';
import { mustPost } from '../store/ledger/post-batch.ts';
import {
  assignToTransaction,
  expiredUnapproved,
  lockQueued,
  lockWithdrawal,
  owingNow,
  postpone,
  type QueuedWithdrawal,
  queuedWithdrawals,
  releaseUnpayable,
} from '../store/withdrawals.ts';

/** Pause of a withdrawal that cannot be paid now: the wallet is short of coins, fees are too high, ... */
const waitingMs = 3_000;

/**
 * Builds the next payment of a network out of queued withdrawals. One is under way at a time, so that every rebuild of
 * a refused one meets the same Safe nonce or coins and conflicts with it.
 * @param isHalted what is halted is not built: the signers would refuse it.
 * @returns the id of the transaction that was built, null when there is nothing to build.
 */
export async function batchWithdrawals(
  ctx: Context,
  network: Network,
  isHalted: HaltView['isHalted'],
): Promise<string | null> {
  const nowMs = ctx.now();
  if (await hasOpenWithdrawalTransaction(ctx.db, network.id)) return null;
  for (const id of await expiredUnapproved(ctx.db, network.id, nowMs, network.config.batch_size_max)) {
    await release(ctx, id, { reason: 'intent-expired', expired: true });
  }
  if (isHalted(network.id, null) || (await isBelowFinality(ctx.db, network))) return null;
  const halted = network.config.assets.filter(({ caip19 }) => isHalted(network.id, caip19)).map(({ asset }) => asset);
  const aside = await assetsSetAside(ctx.db, network);
  const kept = [...halted, ...aside, ...(await holdDearAssets(ctx, network, nowMs))];
  const queued = await queuedWithdrawals(ctx.db, network.id, nowMs, network.config.batch_size_max, kept);
  const { expired, groups } = choosePayouts(queued.map(candidate), {
    nowMs,
    waitMs: network.config.batch_wait_ms,
    sizeMax: network.config.batch_size_max,
    endsWithFirst: network.config.family === 'evm' && network.config.guard !== undefined,
  });
  for (const id of expired) await release(ctx, id, { reason: 'intent-expired', expired: true });
  const byId = new Map(queued.map((row) => [row.id, row]));
  for (const group of groups) {
    const built = await batchGroup(
      ctx,
      network,
      group.map((id) => byId.get(id)!),
      nowMs,
    );
    if (built !== null) return built;
  }
  return null;
}

/** Builds a transaction for as many of these as can be paid now; the others step aside for a while. */
async function batchGroup(
  ctx: Context,
  network: Network,
  rows: readonly QueuedWithdrawal[],
  nowMs: number,
): Promise<string | null> {
  const outlook = await network.surveyBatch(
    rows.map(({ id, asset, amount, destination, expires_at_ms }) => ({
      id,
      asset,
      amount: baseUnits(amount),
      destination,
      expiresAtMs: Number(expires_at_ms),
    })),
  );
  await tellOfPause(ctx, network, outlook.paused ?? null, nowMs);
  for (const { id, reason } of outlook.impossible) await release(ctx, id, { reason, expired: false });
  for (const { id, reason } of outlook.waiting) ctx.log('withdrawal-waits', { id, reason });
  await postpone(ctx.db, [...outlook.impossible, ...outlook.waiting], nowMs + waitingMs);
  if (outlook.payable.length === 0) return null;

  const transactionId = ctx.newId();
  const built = await ctx.db.transaction(async (sql) => {
    const done = await build(ctx, sql, network, outlook, transactionId, nowMs);
    ctx.step('batch-before-commit');
    return done;
  });
  if (!built) {
    await postpone(
      ctx.db,
      outlook.payable.map(({ id }) => ({ id, reason: null })),
      nowMs + waitingMs,
    );
    return null;
  }
  ctx.step('batch-after-commit');
  ctx.log('batch-built', { network: network.id, transaction: transactionId, withdrawals: built });
  return transactionId;
}

/** Keeps an alarm open while the chain lets nothing through; it closes with the first withdrawal that is tried afterwards. */
async function tellOfPause(ctx: Context, network: Network, paused: string | null, nowMs: number): Promise<void> {
  const subject = `${network.id} guard`;
  if (paused === null) await closeAlarms(ctx.db, subject, nowMs);
  else await raiseAlarm(ctx.db, { id: ctx.newId(), code: 'guard-paused', subject, message: paused }, nowMs);
}

const candidate = (row: QueuedWithdrawal) => ({
  id: row.id,
  createdAtMs: Number(row.created_at_ms),
  expiresAtMs: Number(row.expires_at_ms),
  attempted: row.attempted,
  mayBeSigned: row.may_be_signed,
  companyMax: row.company_max,
});

async function build(
  ctx: Context,
  sql: Sql,
  network: Network,
  outlook: BatchOutlook,
  transactionId: string,
  nowMs: number,
): Promise<number> {
  // Under locks: another server may have built or taken some meanwhile.
  await lockBatching(sql, network.id);
  const locked = new Set(
    (
      await lockQueued(
        sql,
        outlook.payable.map((payout) => payout.id),
      )
    ).map((row) => row.id),
  );
  const owing = await owingNow(sql, [...locked]);
  const payouts = outlook.payable.filter((payout) => locked.has(payout.id) && !owing.has(payout.id));
  if (payouts.length === 0 || (await hasOpenWithdrawalTransaction(sql, network.id))) return 0;
  const plan = await outlook.build(sql, transactionId, payouts);
  // During a reorg the nodes may offer a nonce that a payment of ours still uses in the applied chain.
  if (!plan || (await holdsConflictKey(sql, network.id, plan.conflictKeys))) return 0;
  await insertTransaction(
    sql,
    {
      id: transactionId,
      network: network.id,
      kind: 'withdrawal',
      unsigned: plan.unsigned,
      conflictKeys: plan.conflictKeys,
      refs: plan.refs,
    },
    nowMs,
  );
  await assignToTransaction(sql, plan.pays, transactionId, nowMs);
  await insertEvents(
    sql,
    plan.pays.map((id) => ({ id: ctx.newId(), type: 'withdrawal.signing', resource: 'withdrawal', resourceId: id })),
    nowMs,
  );
  return plan.pays.length;
}

/** Gives a withdrawal back that no transaction can pay; one that may be paid keeps its hold. */
async function release(ctx: Context, id: string, how: { reason: string; expired: boolean }): Promise<void> {
  const nowMs = ctx.now();
  const released = await ctx.db.transaction(async (sql) => {
    // Queued, or expired while it waited for approvals.
    const row = await lockWithdrawal(sql, id);
    if (!row || !(await releaseUnpayable(sql, id, how, nowMs))) return false;
    await insertEvents(
      sql,
      [{ id: ctx.newId(), type: 'withdrawal.released', resource: 'withdrawal', resourceId: id }],
      nowMs,
    );
    await mustPost(sql, [releasePosting(row)], nowMs);
    return true;
  });
  if (released) ctx.log('withdrawal-released', { id, reason: how.reason });
}
