import { formatId } from '@holdfast/core/contract/ids.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import type { Posting } from '@holdfast/core/ledger/posting.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import type { Context } from '../context.ts';
import { lockBalances } from '../store/ledger/balances.ts';
import { mustPost } from '../store/ledger/post-batch.ts';
import { type Unheld, unheldWithdrawals } from '../store/rebuild.ts';
import type { RebuildReport } from './report.ts';

/**
 * Sets aside the amount and fee of every withdrawal that may be paid and has nothing held. Where the customer has less by now,
 * the rest becomes a receivable, as for a deposit that was reversed after it was spent: what has left or can leave must be in
 * the books.
 */
export async function holdAgain(ctx: Context, report: RebuildReport): Promise<void> {
  for (const row of await unheldWithdrawals(ctx.db)) {
    const customer = formatId('cus', row.customer_id);
    const nowMs = ctx.now();
    const owed = await ctx.db.transaction(async (sql) => {
      const available = accountCodes.customer(customer, row.asset);
      const balances = await lockBalances(sql, [available, accountCodes.hold(customer, row.asset)]);
      const { postings, shortfall } = holdOf(row, customer, balances.get(available) ?? 0n);
      await mustPost(sql, postings, nowMs);
      return shortfall;
    });
    report.holds += 1;
    if (owed > 0n)
      report.notes.push(`${customer} owes ${owed} base units of ${row.asset} for ${formatId('wd', row.id)}`);
  }
}

function holdOf(row: Unheld, customer: string, available: bigint): { postings: Posting[]; shortfall: bigint } {
  const needed = row.amount + row.fee;
  const taken = available < needed ? available : needed;
  const hold = accountCodes.hold(customer, row.asset);
  // One that was put back is held as it was; one that had been given back was held before.
  const again = { idem: `withdrawal/${row.id}/hold/again`, cause: `rebuilt-hold:${row.id}` };
  const first = row.released ? again : { idem: `withdrawal/${row.id}/hold`, cause: `withdrawal:${row.id}` };
  const owed = { idem: `withdrawal/${row.id}/hold/owed`, cause: `rebuilt-hold:${row.id}` };
  const postings = [
    { ...first, debit: accountCodes.customer(customer, row.asset), credit: hold, amount: taken },
    { ...owed, debit: accountCodes.receivable(customer, row.asset), credit: hold, amount: needed - taken },
  ];
  return {
    postings: postings.filter(({ amount }) => amount > 0n).map((one) => ({ ...one, amount: baseUnits(one.amount) })),
    shortfall: needed - taken,
  };
}
