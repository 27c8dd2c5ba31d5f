import { decideUncredit } from '@holdfast/core/deposits/decide-credit.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { reverse, type Posting } from '@holdfast/core/ledger/posting.ts';
import { formatId } from '@holdfast/core/contract/ids.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { noteDepth } from './finality.ts';
import { raiseAlarm } from '../store/alarms.ts';
import { type AppliedBlock, lockTip, markRolledBack } from '../store/blocks.ts';
import { unincludeBlock } from '../store/chain-transactions.ts';
import { forgetJudgements } from '../store/deposit-minimums.ts';
import { type DepositRow, lockDepositsOfBlock, markOrphaned } from '../store/deposits.ts';
import { insertEvents, type NewEvent } from '../store/events.ts';
import type { Sql } from '../store/database.ts';
import { lockBalances } from '../store/ledger/balances.ts';
import { mustPost } from '../store/ledger/post-batch.ts';
import { transfersOf } from '../store/ledger/transfers.ts';
import { moveWithdrawals } from '../store/withdrawals.ts';

/**
 * Takes the applied tip back in one transaction: credits of its deposits first (what the customer has spent becomes a
 * receivable), then settlements, then every posting of the block in reverse. Deposits become orphaned and own
 * transactions go back in flight.
 * @returns false when the tip was moved meanwhile.
 */
export async function rollBackTip(ctx: Context, network: Network, tip: AppliedBlock): Promise<boolean> {
  const nowMs = ctx.now();
  const rolledBack = await ctx.db.transaction(async (sql) => {
    if (!(await lockTip(sql, network.id, tip))) return false;
    await markRolledBack(sql, network.id, tip.id);
    await noteDepth(ctx, sql, network, tip);
    const events: NewEvent[] = [];
    const deposits = await lockDepositsOfBlock(sql, tip.id);
    const credited = deposits.filter((deposit) => deposit.state === 'credited');
    const undone = credited.map((deposit) => ({
      id: deposit.id,
      customerId: formatId('cus', deposit.customer_id),
      asset: deposit.asset,
      amount: deposit.amount,
      credits: deposit.credits,
    }));
    const released = deposits.filter((deposit) => deposit.release_id !== null);
    const releases = await Promise.all(released.map((deposit) => postedRelease(sql, deposit)));
    const blockPostings = (await transfersOf(sql, `block:${tip.id}`)).toReversed();
    const accounts = [
      ...undone.flatMap(({ customerId, asset }) => [
        accountCodes.customer(customerId, asset),
        accountCodes.receivable(customerId, asset),
        accountCodes.unconfirmed(network.id, asset),
      ]),
      ...blockPostings.flatMap((posting) => [posting.debit, posting.credit]),
      ...releases.flatMap((posting) => [posting.debit, posting.credit]),
    ];
    const postings: Posting[] = decideUncredit(network.id, undone, await lockBalances(sql, accounts));
    // A credit has been taken back before.
    for (const posted of releases) postings.push(reverse(posted, { idem: `un${posted.idem}`, cause: posted.cause }));
    for (const one of released) {
      const message = `block ${tip.height} of ${network.id} left the chain after approvers decided about its deposit ${one.id}`;
      await raiseAlarm(sql, { id: ctx.newId(), code: 'reorg-below-finality', subject: one.id, message }, nowMs);
    }
    for (const deposit of deposits)
      events.push({ id: ctx.newId(), type: 'deposit.reversed', resource: 'deposit', resourceId: deposit.id });
    await markOrphaned(
      sql,
      deposits.map((deposit) => deposit.id),
    );

    await forgetJudgements(
      sql,
      deposits.map((deposit) => deposit.id),
    );
    for (const transaction of await unincludeBlock(sql, tip.id)) {
      const moved = await moveWithdrawals(sql, transaction.id, transaction.state, nowMs);
      for (const id of moved)
        events.push({ id: ctx.newId(), type: 'withdrawal.reorged', resource: 'withdrawal', resourceId: id });
      if (!transaction.wasFinal) continue;
      await raiseAlarm(
        sql,
        {
          id: ctx.newId(),
          code: 'reorg-below-finality',
          subject: transaction.id,
          message: `block ${tip.height} of ${network.id} left the chain after its transaction ${transaction.id} counted as final`,
        },
        nowMs,
      );
      for (const settled of (await transfersOf(sql, `settle:${transaction.id}:${tip.id}`)).toReversed()) {
        postings.push(reverse(settled, { idem: `unsettle/${settled.idem}`, cause: `unsettle:${transaction.id}` }));
      }
    }
    for (const posted of blockPostings) {
      postings.push(reverse(posted, { idem: `rollback/${posted.idem}`, cause: `rollback:${tip.id}` }));
    }
    await network.unrecord(sql, tip.id);
    await insertEvents(sql, events, nowMs);
    await mustPost(sql, postings, nowMs);
    return true;
  });
  if (rolledBack) ctx.log('block-rolled-back', { network: network.id, height: tip.height, hash: tip.hash });
  return rolledBack;
}

/** The posting of what approvers had decided about a deposit in quarantine; signers count it on. */
async function postedRelease(sql: Sql, { id, release_id: releaseId }: DepositRow): Promise<Posting> {
  const posted = (await transfersOf(sql, `release:${id}`)).find(({ idem }) => idem === `release/${releaseId}`);
  invariant(posted, `the decision ${releaseId} about ${id} was posted`);
  return posted;
}
