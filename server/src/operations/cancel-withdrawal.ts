import { parseId } from '@holdfast/core/contract/ids.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { releasePosting } from '@holdfast/core/withdrawals/release-posting.ts';
import type { Context } from '../context.ts';
import { insertEvents } from '../store/events.ts';
import { mustPost } from '../store/ledger/post-batch.ts';
import { lockWithdrawal, releaseUnpayable, type WithdrawalRow } from '../store/withdrawals.ts';

/** What a canceled withdrawal is released with. */
const canceled = 'canceled on request';

const whyNot: Partial<Record<WithdrawalRow['state'], string>> = {
  signing: 'signers are asked to sign it; when they refuse, it may be asked again',
  broadcast: 'it is signed and on its way',
  uncertain: 'it is signed, and may be on its way',
  included: 'a block has paid it',
  settled: 'it is paid',
  released: 'it was given back already',
};

/**
 * Gives a withdrawal back that nothing was signed for, once however often it is asked for. What a quorum may have signed
 * may still be paid, whatever is recorded here.
 * @throws Failure not-found; cancel-refused with the reason.
 */
export async function cancelWithdrawal(ctx: Context, id: string): Promise<void> {
  const withdrawalId = parseId('wd', id);
  await ctx.db.transaction(async (sql) => {
    const row = await lockWithdrawal(sql, withdrawalId);
    if (!row) throw new Failure('not-found', `no withdrawal ${id}`);
    if (row.state === 'released' && row.reason === canceled) return;
    const nowMs = ctx.now();
    if (!(await releaseUnpayable(sql, withdrawalId, { reason: canceled, expired: false }, nowMs))) {
      const why = whyNot[row.state] ?? 'signers were asked before and may have signed it';
      throw new Failure('cancel-refused', `withdrawal ${id} is ${row.state}: ${why}`);
    }
    await insertEvents(
      sql,
      [{ id: ctx.newId(), type: 'withdrawal.canceled', resource: 'withdrawal', resourceId: withdrawalId }],
      nowMs,
    );
    await mustPost(sql, [releasePosting(row)], nowMs);
    ctx.step('cancel-before-commit');
  });
  ctx.step('cancel-after-commit');
}
