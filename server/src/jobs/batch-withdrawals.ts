import { formatId } from '@holdfast/core/contract/ids.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { choosePayouts } from '@holdfast/core/withdrawals/choose-payouts.ts';
import type { Context } from '../context.ts';
import type { BatchOutlook, Network } from '../networks/network.ts';
import { hasOpenWithdrawalTransaction, insertTransaction, lockBatching } from '../store/chain-transactions.ts';
import type { Sql } from '../store/database.ts';
import { insertEvents } from '../store/events.ts';
import { mustPost } from '../store/ledger/post-batch.ts';
import { assignToTransaction, lockQueued, type QueuedWithdrawal, queuedWithdrawals, releaseUnattempted, type WithdrawalRow } from '../store/withdrawals.ts';

/**
 * Builds the next payment of a network out of queued withdrawals. One is under way at a time, so that every rebuild of
 * a refused one meets the same Safe nonce or coins and conflicts with it.
 * @returns the id of the transaction that was built, null when there is nothing to build.
 */
export async function batchWithdrawals(ctx: Context, network: Network): Promise<string | null> {
  const nowMs = ctx.now();
  if (await hasOpenWithdrawalTransaction(ctx.db, network.id)) return null;
  const queued = await queuedWithdrawals(ctx.db, network.id, nowMs, network.config.batch_size_max);
  const { expired, chosen } = choosePayouts(queued.map(candidate), { nowMs, waitMs: network.config.batch_wait_ms, sizeMax: network.config.batch_size_max });
  for (const id of expired) await release(ctx, id, 'intent-expired');
  if (chosen.length === 0) return null;
  const byId = new Map(queued.map((row) => [row.id, row]));
  const payouts = chosen.map((id) => byId.get(id)!).map((row) => ({ id: row.id, asset: row.asset, amount: baseUnits(row.amount), destination: row.destination }));
  const outlook = await network.surveyBatch(payouts);
  for (const { id, reason } of outlook.impossible) await release(ctx, id, reason);
  for (const { id, reason } of outlook.waiting) ctx.log('withdrawal-waits', { id, reason });
  if (outlook.payable.length === 0) return null;

  const transactionId = ctx.newId();
  const built = await ctx.db.transaction(async (sql) => {
    const done = await build(ctx, sql, network, outlook, transactionId, nowMs);
    ctx.step('batch-before-commit');
    return done;
  });
  if (!built) return null;
  ctx.step('batch-after-commit');
  ctx.log('batch-built', { network: network.id, transaction: transactionId, withdrawals: built });
  return transactionId;
}

const candidate = (row: QueuedWithdrawal) => ({
  id: row.id,
  createdAtMs: Number(row.created_at_ms),
  expiresAtMs: Number(row.expires_at_ms),
  attempted: row.earlier_keys.length > 0,
});

async function build(ctx: Context, sql: Sql, network: Network, outlook: BatchOutlook, transactionId: string, nowMs: number): Promise<number> {
  // Under locks: another server may have built or taken some meanwhile.
  await lockBatching(sql, network.id);
  const locked = new Set((await lockQueued(sql, outlook.payable.map((payout) => payout.id))).map((row) => row.id));
  const payouts = outlook.payable.filter((payout) => locked.has(payout.id));
  if (payouts.length === 0 || (await hasOpenWithdrawalTransaction(sql, network.id))) return 0;
  const plan = await outlook.build(sql, transactionId, payouts);
  if (!plan) return 0;
  await insertTransaction(sql, { id: transactionId, network: network.id, kind: 'withdrawal', unsigned: plan.unsigned, conflictKeys: plan.conflictKeys, refs: plan.refs }, nowMs);
  await assignToTransaction(sql, plan.pays, transactionId, nowMs);
  await insertEvents(sql, plan.pays.map((id) => ({ id: ctx.newId(), type: 'withdrawal.signing', resource: 'withdrawal', resourceId: id })), nowMs);
  return plan.pays.length;
}

/** Gives a withdrawal back that was never part of a transaction; one that was keeps its hold. */
async function release(ctx: Context, id: string, reason: string): Promise<void> {
  const nowMs = ctx.now();
  await ctx.db.transaction(async (sql) => {
    const [row] = await lockQueued(sql, [id]);
    if (!row || !(await releaseUnattempted(sql, id, reason, nowMs))) return;
    await insertEvents(sql, [{ id: ctx.newId(), type: 'withdrawal.released', resource: 'withdrawal', resourceId: id }], nowMs);
    await mustPost(sql, [releasePosting(row)], nowMs);
  });
  ctx.log('withdrawal-released', { id, reason });
}

/** The whole hold, fee included, back to the customer. */
export function releasePosting(row: WithdrawalRow) {
  const customer = formatId('cus', row.customer_id);
  return {
    idem: `withdrawal/${row.id}/release`,
    cause: `withdrawal:${row.id}`,
    debit: accountCodes.hold(customer, row.asset),
    credit: accountCodes.customer(customer, row.asset),
    amount: baseUnits(row.amount + row.fee),
  };
}
