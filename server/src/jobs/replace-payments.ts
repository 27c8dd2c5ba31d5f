import { Failure } from '@holdfast/core/failure.ts';
import { isBumpDue } from '@holdfast/core/withdrawals/fee-bump.ts';
import { bumpRule } from '../config.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { HaltView } from '../signers/halt-view.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import { tipBlock } from '../store/blocks.ts';
import { insertTransaction, lockBatching } from '../store/chain-transactions.ts';
import { takeBump, type WaitingTransaction, waitingTransactions } from '../store/fee-bumps.ts';
import { attemptAgain } from '../store/withdrawals.ts';

/**
 * Builds the next version of each payment that no block took in time, at a higher fee; signers judge it like every other
 * transaction. Until it is signed the version before counts and is offered. Whichever a block takes pays the withdrawals.
 * @returns how many were built.
 */
export async function replacePayments(ctx: Context, network: Network, isHalted: HaltView['isHalted']): Promise<number> {
  if (!network.replacePayment || isHalted(network.id, null)) return 0;
  const tip = await tipBlock(ctx.db, network.id);
  if (!tip) return 0;
  const rule = bumpRule(network.config);
  let built = 0;
  for (const one of await waitingTransactions(ctx.db, network.id, ['withdrawal'])) {
    const waited = {
      blocks: tip.height - Number(one.waiting_from_height),
      ms: ctx.now() - Number(one.waiting_from_ms),
      tries: one.versions - 1,
      feeRefused: one.fee_refused,
    };
    if (isBumpDue(waited, rule) && (await replaceOne(ctx, network, one, rule.percent, tip.height))) built++;
  }
  return built;
}

async function replaceOne(
  ctx: Context,
  network: Network,
  one: WaitingTransaction,
  percent: number,
  height: number,
): Promise<boolean> {
  const subject = `${one.first_version} fee`;
  let build;
  try {
    build = await network.replacePayment!(one.unsigned, percent);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'fee-too-high') throw error;
    const nowMs = ctx.now();
    await raiseAlarm(ctx.db, { id: ctx.newId(), code: 'fee-bump-capped', subject, message: error.message }, nowMs);
    return false;
  }
  const id = ctx.newId();
  const isBuilt = await ctx.db.transaction(async (sql) => {
    await lockBatching(sql, network.id);
    const nowMs = ctx.now();
    if (!(await takeBump(sql, one, height, nowMs))) return false;
    const plan = await build(sql, id);
    // The turn is spent: it is tried again after the wait.
    if (!plan) return false;
    await insertTransaction(
      sql,
      {
        id,
        network: network.id,
        kind: 'withdrawal',
        ...plan,
        versionOf: { firstVersion: one.first_version, version: one.versions + 1 },
      },
      nowMs,
    );
    await attemptAgain(sql, one.id, id);
    await closeAlarms(sql, subject, nowMs);
    ctx.step('bump-before-commit');
    return true;
  });
  if (!isBuilt) return false;
  ctx.step('bump-after-commit');
  ctx.log('fee-bump-built', { network: network.id, transaction: id, replaces: one.txid, version: one.versions + 1 });
  return true;
}
