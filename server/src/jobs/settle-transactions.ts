import { formatId } from '@holdfast/core/contract/ids.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import type { Posting } from '@holdfast/core/ledger/posting.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { taggedHeight } from './finality.ts';
import { closeAlarms } from '../store/alarms.ts';
import { timeAt, tipBlock } from '../store/blocks.ts';
import { lockFinal, markLapsed, markReplaced, setTransactionState } from '../store/chain-transactions.ts';
import type { Sql } from '../store/database.ts';
import { insertEvents, type NewEvent } from '../store/events.ts';
import { mustPost } from '../store/ledger/post-batch.ts';
import { moveWithdrawals, requeue, withdrawalsOf } from '../store/withdrawals.ts';

/** Consumes the holds of withdrawals whose transaction is final: the amount has left, the fee is earned. */
export async function settleTransactions(ctx: Context, network: Network): Promise<number> {
  const nowMs = ctx.now();
  const tagged = await taggedHeight(ctx, network);
  const count = await ctx.db.transaction(async (sql) => {
    const tip = await tipBlock(sql, network.id);
    if (!tip) return 0;
    const finalHeight = Math.min(tip.height - network.config.final_confirmations + 1, tagged);
    const final = await lockFinal(sql, network.id, finalHeight);
    const postings: Posting[] = [];
    const events: NewEvent[] = [];
    for (const transaction of final) {
      await closeAlarms(sql, `${transaction.id} broadcast`, nowMs);
      await closeAlarms(sql, `${transaction.first_version} fee`, nowMs);
      await setTransactionState(sql, transaction.id, ['included'], 'final');
      // The application of the block names the settlement, so that a reorg below finality undoes this one.
      const cause = `settle:${transaction.id}:${transaction.block_id}`;
      for (const row of await withdrawalsOf(sql, transaction.id)) {
        const hold = accountCodes.hold(formatId('cus', row.customer_id), row.asset);
        const idem = `settle/${row.id}/${transaction.block_id}`;
        postings.push({
          idem: `${idem}/amount`,
          cause,
          debit: hold,
          credit: accountCodes.inFlight(network.id, row.asset),
          amount: baseUnits(row.amount),
        });
        if (row.fee > 0n)
          postings.push({
            idem: `${idem}/fee`,
            cause,
            debit: hold,
            credit: accountCodes.feeRevenue(row.asset),
            amount: baseUnits(row.fee),
          });
        events.push({ id: ctx.newId(), type: 'withdrawal.settled', resource: 'withdrawal', resourceId: row.id });
      }
      await moveWithdrawals(sql, transaction.id, 'settled', nowMs);
      const why = 'its transaction was excluded by a final one';
      for (const id of await markReplaced(sql, transaction.id)) await endUnpaid(sql, network, id, why, nowMs);
    }
    const lapsed = await lapse(sql, network, finalHeight, nowMs);
    await insertEvents(sql, events, nowMs);
    await mustPost(sql, postings, nowMs);
    if (final.length > 0) ctx.step('settle-before-commit');
    return final.length + lapsed;
  });
  if (count > 0) ctx.step('settle-after-commit');
  return count;
}

/** Withdrawals whose transaction missed its deadline are paid by another, or given back when they have expired too. */
async function lapse(sql: Sql, network: Network, finalHeight: number, nowMs: number): Promise<number> {
  const finalTimeMs = await timeAt(sql, network.id, finalHeight);
  if (finalTimeMs === null) return 0;
  const ids = await markLapsed(sql, network.id, finalTimeMs, nowMs);
  for (const id of ids) {
    await endUnpaid(sql, network, id, 'no block took its transaction before the deadline', nowMs);
  }
  return ids.length;
}

async function endUnpaid(sql: Sql, network: Network, id: string, reason: string, nowMs: number): Promise<void> {
  await closeAlarms(sql, `${id} broadcast`, nowMs);
  await network.abandon(sql, id);
  await requeue(sql, id, reason, { pauseMs: () => 0, split: false }, nowMs);
}
