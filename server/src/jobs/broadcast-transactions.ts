import { invariant } from '@holdfast/core/invariant.ts';
import { offerOutcome } from '@holdfast/core/withdrawals/offer-outcome.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import { tipBlock } from '../store/blocks.ts';
import type { Sql } from '../store/database.ts';
import { markBroadcast, noteProblem, transactionsIn } from '../store/chain-transactions.ts';
import { insertEvents } from '../store/events.ts';
import { withdrawalsOf } from '../store/withdrawals.ts';

/** Bytes that no block shows are offered again, always the same bytes. */
const rebroadcastMs = 5_000;

/** No node takes the bytes: they cannot be mined as they are, which a person has to see. */
async function noteRefusal(
  ctx: Context,
  sql: Sql,
  network: string,
  id: string,
  objections: string,
  nowMs: number,
): Promise<void> {
  await noteProblem(sql, id, objections, nowMs + rebroadcastMs);
  await raiseAlarm(
    sql,
    {
      id: ctx.newId(),
      code: 'broadcast-refused',
      subject: `${id} broadcast`,
      message: `${network}: no node takes ${id}: ${objections}`,
    },
    nowMs,
  );
}

/**
 * Offers stored bytes to every endpoint. An objection proves nothing (the node may know the transaction already, or be
 * wrong), so the transaction counts as in flight from the first offer on and only a block ends that.
 */
export async function broadcastTransactions(ctx: Context, network: Network): Promise<number> {
  const due = await transactionsIn(ctx.db, network.id, ['signed', 'broadcast'], ctx.now());
  for (const transaction of due) {
    invariant(transaction.raw, `transaction ${transaction.id} is ${transaction.state} without bytes`);
    const outcome = await network.broadcast(transaction.raw);
    ctx.step('broadcast-after-send');
    const nowMs = ctx.now();
    await ctx.db.transaction(async (sql) => {
      const height = (await tipBlock(sql, network.id))?.height ?? 0;
      const made = offerOutcome(outcome);
      const offer = { feeRefused: made === 'fee-refused', height, nextAttemptAtMs: nowMs + rebroadcastMs };
      const inFlight = await markBroadcast(sql, transaction.id, offer, nowMs);
      if (made === 'taken') await closeAlarms(sql, `${transaction.id} broadcast`, nowMs);
      // Otherwise a block took it meanwhile, or it was given up: nobody would close an alarm about it.
      else if (inFlight) await noteRefusal(ctx, sql, network.id, transaction.id, outcome.objections.join('; '), nowMs);
      if (transaction.state !== 'signed') return;
      const paid = await withdrawalsOf(sql, transaction.id);
      await insertEvents(
        sql,
        paid.map((row) => ({
          id: ctx.newId(),
          type: 'withdrawal.broadcast',
          resource: 'withdrawal',
          resourceId: row.id,
        })),
        nowMs,
      );
    });
    ctx.step('broadcast-after-commit');
    if (transaction.state === 'signed')
      ctx.log('broadcast', { network: network.id, transaction: transaction.id, txid: transaction.txid, ...outcome });
  }
  return due.length;
}
