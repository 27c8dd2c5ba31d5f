import { decideCredit } from '@holdfast/core/deposits/decide-credit.ts';
import { formatId } from '@holdfast/core/contract/ids.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { tipBlock } from '../store/blocks.ts';
import { lockCreditable, markCredited } from '../store/deposits.ts';
import { insertEvents } from '../store/events.ts';
import { lockBalances } from '../store/ledger/balances.ts';
import { mustPost } from '../store/ledger/post-batch.ts';

const depositsPerBatch = 500;

/** Credits deposits that are deep enough below the applied tip, a batch in one transaction. @returns how many. */
export async function creditDeposits(ctx: Context, network: Network): Promise<number> {
  const nowMs = ctx.now();
  const count = await ctx.db.transaction(async (sql) => {
    const tip = await tipBlock(sql, network.id);
    if (!tip) return 0;
    const deposits = await lockCreditable(sql, network.id, tip.height, depositsPerBatch);
    if (deposits.length === 0) return 0;
    const due = deposits.map((deposit) => ({
      id: deposit.id,
      customerId: formatId('cus', deposit.customer_id),
      asset: deposit.asset,
      amount: deposit.amount,
      credits: deposit.credits + 1,
    }));
    const accounts = due.flatMap(({ customerId, asset }) => [
      accountCodes.receivable(customerId, asset),
      accountCodes.customer(customerId, asset),
      accountCodes.unconfirmed(network.id, asset),
    ]);
    const postings = decideCredit(network.id, due, await lockBalances(sql, accounts));
    await markCredited(
      sql,
      deposits.map((deposit) => deposit.id),
      nowMs,
    );
    await insertEvents(
      sql,
      deposits.map((deposit) => ({
        id: ctx.newId(),
        type: 'deposit.credited',
        resource: 'deposit',
        resourceId: deposit.id,
      })),
      nowMs,
    );
    await mustPost(sql, postings, nowMs);
    ctx.step('credit-before-commit');
    return deposits.length;
  });
  if (count > 0) ctx.step('credit-after-commit');
  return count;
}
