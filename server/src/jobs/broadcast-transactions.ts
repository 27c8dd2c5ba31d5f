import { invariant } from '@holdfast/core/invariant.ts';
import { offerOutcome } from '@holdfast/core/withdrawals/offer-outcome.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import { tipBlock } from '../store/blocks.ts';
import type { Sql } from '../store/database.ts';
import { type ChainTransactionRow, markBroadcast, noteProblem, transactionsIn } from '../store/chain-transactions.ts';
import { insertEvents } from '../store/events.ts';
import { moveWithdrawals, withdrawalsOf } from '../store/withdrawals.ts';

/** Bytes that no block shows are offered again, always the same bytes. */
const rebroadcastMs = 5_000;

/** No node takes the bytes: they may be on their way all the same, or cannot be mined as they are. A person has to see it. */
async function noteRefusal(
  ctx: Context,
  sql: Sql,
  network: string,
  refused: { readonly id: string; readonly objections: string; readonly state: 'broadcast' | 'uncertain' },
  nowMs: number,
): Promise<void> {
  const { id, objections, state } = refused;
  await noteProblem(sql, id, objections, nowMs + rebroadcastMs);
  const code = state === 'uncertain' ? 'broadcast-uncertain' : 'broadcast-refused';
  const message = `${network}: no node takes ${id}: ${objections}`;
  await raiseAlarm(sql, { id: ctx.newId(), code, subject: `${id} broadcast`, message }, nowMs);
}

/**
 * Offers stored bytes to every endpoint, and again, always the same bytes. An objection proves nothing (the node may know the
 * transaction already, or be wrong), so the transaction counts as in flight from the first offer on and only a block ends
 * that. What no node was known to take is uncertain: nothing is built for what it pays, not at another fee either.
 */
export async function broadcastTransactions(ctx: Context, network: Network): Promise<number> {
  const due = await transactionsIn(ctx.db, network.id, ['signed', 'broadcast', 'uncertain'], ctx.now());
  for (const transaction of due) {
    invariant(transaction.raw, `transaction ${transaction.id} is ${transaction.state} without bytes`);
    const outcome = await network.broadcast(transaction.raw);
    ctx.step('broadcast-after-send');
    await noteOffered(ctx, network, transaction, outcome);
    ctx.step('broadcast-after-commit');
    if (transaction.state === 'signed')
      ctx.log('broadcast', { network: network.id, transaction: transaction.id, txid: transaction.txid, ...outcome });
  }
  return due.length;
}

async function noteOffered(
  ctx: Context,
  network: Network,
  { id, state: before }: ChainTransactionRow,
  outcome: { readonly accepted: boolean; readonly objections: readonly string[] },
): Promise<void> {
  const nowMs = ctx.now();
  const made = offerOutcome(outcome);
  await ctx.db.transaction(async (sql) => {
    const height = (await tipBlock(sql, network.id))?.height ?? 0;
    const state = await markBroadcast(sql, id, { made, height, nextAttemptAtMs: nowMs + rebroadcastMs }, nowMs);
    if (made === 'taken') await closeAlarms(sql, `${id} broadcast`, nowMs);
    // Otherwise a block took it meanwhile, or it was given up: nobody would close an alarm about it.
    else if (state)
      await noteRefusal(ctx, sql, network.id, { id, objections: outcome.objections.join('; '), state }, nowMs);
    if (state === null || state === before) return;
    await moveWithdrawals(sql, id, state, nowMs);
    const paid = await withdrawalsOf(sql, id);
    await insertEvents(
      sql,
      paid.map((row) => ({ id: ctx.newId(), type: `withdrawal.${state}`, resource: 'withdrawal', resourceId: row.id })),
      nowMs,
    );
  });
}
