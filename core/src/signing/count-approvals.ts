import { Failure } from '../failure.ts';
import type { Policy } from '../policy/policy.ts';
import type { Assertion } from './evidence.ts';
import type { Verifiers } from './verifiers.ts';
import { assertionProblem } from './verify-assertion.ts';

export interface ApprovalCount {
  readonly total: number;
  /** Of them, by approvers with the offline client. */
  readonly offline: number;
}

/**
 * Counts the distinct approvers who approved a digest. One that does not count spoils all: whoever collects approvals
 * knows who may give them.
 * @param digest 32 bytes. @throws Failure approval-invalid for an unknown credential, an approver twice, a bad assertion.
 */
export function countApprovals(
  approvals: readonly Assertion[],
  digest: Uint8Array,
  policy: Policy,
  verifiers: Verifiers,
): ApprovalCount {
  const seen = new Set<string>();
  let offline = 0;
  for (const approval of approvals) {
    const approver = policy.approvers.find(({ credential_id }) => credential_id === approval.credential_id);
    if (!approver) {
      throw new Failure('approval-invalid', `credential ${approval.credential_id.slice(0, 24)} is no approver's`);
    }
    // One person with two credentials is still one approver, and so is one key under two names.
    if (seen.has(`id ${approver.id}`) || seen.has(`key ${approver.public_key}`)) {
      throw new Failure('approval-invalid', `${approver.id} approves twice`);
    }
    seen.add(`id ${approver.id}`).add(`key ${approver.public_key}`);
    const problem = assertionProblem(approval, digest, approver.public_key, policy.webauthn.approvals, verifiers);
    if (problem !== null) throw new Failure('approval-invalid', `approval of ${approver.id}: ${problem}`);
    if (approver.offline) offline += 1;
  }
  return { total: approvals.length, offline };
}
