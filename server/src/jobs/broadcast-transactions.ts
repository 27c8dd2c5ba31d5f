import { invariant } from '@holdfast/core/invariant.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { markBroadcast, noteProblem, transactionsIn } from '../store/chain-transactions.ts';
import { insertEvents } from '../store/events.ts';
import { withdrawalsOf } from '../store/withdrawals.ts';

/** Bytes that no block shows are offered again, always the same bytes. */
const rebroadcastMs = 5_000;

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
      await markBroadcast(sql, transaction.id, nowMs + rebroadcastMs, nowMs);
      if (!outcome.accepted) await noteProblem(sql, transaction.id, outcome.objections.join('; '), nowMs + rebroadcastMs);
      if (transaction.state !== 'signed') return;
      const paid = await withdrawalsOf(sql, transaction.id);
      await insertEvents(sql, paid.map((row) => ({ id: ctx.newId(), type: 'withdrawal.broadcast', resource: 'withdrawal', resourceId: row.id })), nowMs);
    });
    ctx.step('broadcast-after-commit');
    if (transaction.state === 'signed') ctx.log('broadcast', { network: network.id, transaction: transaction.id, txid: transaction.txid, ...outcome });
  }
  return due.length;
}
