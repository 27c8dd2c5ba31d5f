import { Failure } from '../failure.ts';
import { countApprovals } from './count-approvals.ts';
import type { AdjustmentRecord, ReleaseRecord } from './customer-record.ts';
import type { RecordRules } from './decide-customer-record.ts';
import type { Assertion } from './evidence.ts';
import { isKnownCode } from './is-known-code.ts';

/**
 * Judges a correction of a customer's position, or a release from quarantine: as many approvers as a payment above it would need, and never none.
 * @throws Failure unknown-asset, approval-invalid, approval-missing
 */
export function checkAdjustment(
  { kind, asset }: AdjustmentRecord | ReleaseRecord,
  approvals: readonly Assertion[],
  digest: Uint8Array,
  { policy, verifiers }: RecordRules,
): void {
  if (!isKnownCode(policy, asset)) throw new Failure('unknown-asset', `the policy has no asset ${asset}`);
  const needed = Math.max(1, policy.positions.approvals);
  const { total } = countApprovals(approvals, digest, policy, verifiers);
  if (total < needed) throw new Failure('approval-missing', `${kind} needs ${needed} approvals and has ${total}`);
}
