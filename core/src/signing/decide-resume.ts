import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import type { Policy } from '../policy/policy.ts';
import { countApprovals } from './count-approvals.ts';
import type { SignedResume } from './halt.ts';
import type { EntryOf } from './journal-record.ts';
import type { JournalState } from './journal-state.ts';
import { statementDigest } from './statement.ts';
import type { Verifiers } from './verifiers.ts';

/**
 * Whether a resumption counts: enough distinct approvers over a statement that names the halts it lifts and has not
 * expired. A halt that it names and that arrives later does not count any more, so that halts and resumptions may cross
 * each other on their way.
 * @returns the entry to journal, or null when all that it names are lifted already.
 * @throws Failure resume-invalid, approval-invalid
 */
export function decideResume(
  state: JournalState,
  signed: SignedResume,
  rules: { readonly policy: Policy; readonly verifiers: Verifiers; readonly nowMs: number },
): EntryOf<'resume'> | null {
  const { statement, approvals } = signed;
  if (statement.halts.every((halt) => state.usedHalts.has(halt) && !state.halts.has(halt))) return null;
  // Written so that an unreadable time (NaN) counts as expired.
  if (!(rules.nowMs < Date.parse(statement.expires_at))) {
    throw new Failure('resume-invalid', `the resumption expired at ${statement.expires_at}`);
  }
  const digest = statementDigest('resume', statement);
  const { total } = countApprovals(approvals, digest, rules.policy, rules.verifiers);
  const needed = rules.policy.resume.approvals;
  if (total < needed) throw new Failure('resume-invalid', `the resumption has ${total} approvals and needs ${needed}`);
  return { kind: 'resume', body: { digest: bytesToHex(digest), signed } };
}
