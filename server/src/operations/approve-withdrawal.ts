import { parseId } from '@holdfast/core/contract/ids.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { assetPolicies, networkOf } from '@holdfast/core/policy/network-of.ts';
import { neededApprovals } from '@holdfast/core/policy/needed-approvals.ts';
import { countApprovals } from '@holdfast/core/signing/count-approvals.ts';
import type { Assertion } from '@holdfast/core/signing/evidence.ts';
import { intentDigest } from '@holdfast/core/signing/intent.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import type { Context } from '../context.ts';
import { insertEvents } from '../store/events.ts';
import { insertApprovals } from '../store/withdrawal-approvals.ts';
import { lockWithdrawal, queueApproved } from '../store/withdrawals.ts';
import { listedApprovals } from './listed-approvals.ts';

/**
 * Keeps an approver's assertion over a withdrawal's digest and queues the withdrawal when it has enough. The signers count
 * again for themselves.
 * @throws Failure not-found, approval-invalid.
 */
export async function approveWithdrawal(ctx: Context, id: string, assertion: Assertion): Promise<void> {
  const withdrawalId = parseId('wd', id);
  await ctx.db.transaction(async (sql) => {
    const row = await lockWithdrawal(sql, withdrawalId);
    if (!row) throw new Failure('not-found', `no withdrawal ${id}`);
    const kept = listedApprovals(row.approvals, ctx.policy);
    // Handed in again: it counts, whatever has become of the withdrawal meanwhile.
    if (kept.some((one) => one.credential_id === assertion.credential_id)) return;
    if (row.state !== 'awaiting_approval' && row.state !== 'queued') {
      const why =
        row.state === 'signing' ? 'hand the approval in again if it comes back' : 'approvals change nothing any more';
      throw new Failure('approval-invalid', `withdrawal ${id} is ${row.state}: ${why}`);
    }
    const approvals = [...kept, assertion];
    const given = countApprovals(approvals, intentDigest(row.intent), ctx.policy, opensslVerifiers);
    const nowMs = ctx.now();
    await insertApprovals(sql, withdrawalId, [assertion], nowMs);
    const events = [{ id: ctx.newId(), type: 'withdrawal.approved', resource: 'withdrawal', resourceId: withdrawalId }];
    const needed = approvalsFor(ctx.policy, row.intent);
    if (given.total >= needed.approvals && given.offline >= needed.offline) {
      await queueApproved(sql, withdrawalId, nowMs);
      if (row.state === 'awaiting_approval') {
        events.push({ id: ctx.newId(), type: 'withdrawal.queued', resource: 'withdrawal', resourceId: withdrawalId });
      }
    }
    await insertEvents(sql, events, nowMs);
    ctx.step('approval-before-commit');
  });
  ctx.step('approval-after-commit');
}

/** What the policy's tiers ask for an intent; nothing for an asset that it does not know (the signers refuse that). */
export function approvalsFor(policy: Policy, intent: WithdrawalIntent): { approvals: number; offline: number } {
  const asset = assetPolicies(networkOf(policy, intent.network)).find((one) => one.asset === intent.asset);
  return asset ? neededApprovals(asset, BigInt(intent.amount)) : { approvals: 0, offline: 0 };
}
