import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { HaltView } from '../signers/halt-view.ts';
import {
  insertTransaction,
  lockSweeping,
  openSweep,
  setTransactionState,
  storeSigned,
  type ChainTransactionRow,
} from '../store/chain-transactions.ts';

/**
 * Moves own coins to own addresses, one transaction at a time: coins of earlier key epochs to the newest (what a rotation left
 * behind, and what comes to a superseded address later), else many small coins into one. Coins of a payment that is under way
 * are left to it.
 * @returns how many were signed; the payments' loop broadcasts.
 * @throws Failure when the signers do not sign; what was built is offered again, or given up when they refuse it for good.
 */
export async function moveOwnCoins(ctx: Context, network: Network, isHalted: HaltView['isHalted']): Promise<number> {
  if (!network.moveOwnCoins || isHalted(network.id, null)) return 0;
  const open = (await openSweep(ctx.db, network.id)) ?? (await build(ctx, network, network.moveOwnCoins));
  // Until it is in a block, its coins are its own and others' change has not come.
  if (open?.state !== 'built') return 0;
  try {
    const signed = await network.sign(open.unsigned, []);
    ctx.step('move-after-quorum');
    await ctx.db.transaction(async (sql) => storeSigned(sql, open.id, await signed.seal(sql), ctx.now()));
    return 1;
  } catch (error) {
    if (error instanceof Failure && !errorRow(error.code).retryable) await giveUp(ctx, network, open, error);
    throw error;
  }
}

async function build(
  ctx: Context,
  network: Network,
  survey: NonNullable<Network['moveOwnCoins']>,
): Promise<ChainTransactionRow | null> {
  const buildPlan = await survey();
  await ctx.db.transaction(async (sql) => {
    await lockSweeping(sql, network.id);
    if (await openSweep(sql, network.id)) return;
    const id = ctx.newId();
    const plan = await buildPlan(sql, id);
    if (!plan) return;
    const { unsigned, conflictKeys, refs } = plan;
    await insertTransaction(sql, { id, network: network.id, kind: 'sweep', unsigned, conflictKeys, refs }, ctx.now());
  });
  return openSweep(ctx.db, network.id);
}

async function giveUp(ctx: Context, network: Network, open: ChainTransactionRow, failure: Failure): Promise<void> {
  const problem = `${failure.code}: ${failure.message}`;
  await ctx.db.transaction(async (sql) => {
    if (await setTransactionState(sql, open.id, ['built'], 'abandoned', problem)) await network.abandon(sql, open.id);
  });
}
