import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { Assertion } from '@holdfast/core/signing/evidence.ts';

/** Kept approvals without those of people who have left the policy since: one that does not count would spoil the others. */
export function listedApprovals(approvals: readonly Assertion[], { approvers }: Policy): Assertion[] {
  const listed = new Set(approvers.map((approver) => approver.credential_id));
  return approvals.filter(({ credential_id }) => listed.has(credential_id));
}
