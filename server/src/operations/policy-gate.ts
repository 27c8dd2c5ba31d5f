import { Failure } from '@holdfast/core/failure.ts';
import { policyDigest } from '@holdfast/core/policy/policy.ts';
import type { Context } from '../context.ts';
import type { HaltView } from '../signers/halt-view.ts';

/** @throws Failure policy-differs, signers-unavailable; both may pass later. */
export type PolicyGate = () => Promise<void>;

/**
 * Lets through only while a quorum of signers has the server's own version of the policy in force. The ledger is moved by
 * that copy alone: a key that was taken out of the policy must not go on moving it, and signers must be able to follow.
 */
export function policyGate(
  ctx: Pick<Context, 'policy' | 'config' | 'now'>,
  view: Pick<HaltView, 'policiesInForce'>,
): PolicyGate {
  const own = policyDigest(ctx.policy);
  const { quorum } = ctx.config;
  return async () => {
    const reported = await view.policiesInForce(ctx.now());
    if (reported.length < quorum) {
      throw new Failure(
        'signers-unavailable',
        `${reported.length} signers say which policy is in force, and it takes ${quorum}`,
      );
    }
    const same = reported.filter((digest) => digest === own).length;
    if (same >= quorum) return;
    throw new Failure(
      'policy-differs',
      `the server goes by version ${ctx.policy.version} of the policy, which ${same} of ${reported.length} signers have in force`,
      { fix: 'Replace the server’s copy of the policy by the version in force and restart the server.' },
    );
  };
}
