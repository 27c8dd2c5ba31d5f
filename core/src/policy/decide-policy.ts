import { Failure } from '../failure.ts';
import { invariant } from '../invariant.ts';
import { comparePolicies } from './compare-policies.ts';
import { lintPolicy } from './lint-policy.ts';
import { type Policy, type SignedPolicy, policyDigest } from './policy.ts';
import { verifyPolicy, type VerifyEd25519 } from './verify-policy.ts';

export interface PolicyDecision {
  readonly change: 'first' | 'tighter' | 'looser';
  /** UTC milliseconds. */
  readonly effectiveAtMs: number;
}

/** A version that was taken and whose time has not come. */
export interface PendingPolicy {
  readonly policy: Policy;
  /** UTC milliseconds. */
  readonly effectiveAtMs: number;
}

/**
 * Decides whether a signer takes a new version, and from when on it counts.
 *
 * Versions are one chain: each names the digest of the one before, whether that is in force yet or not, so that signers to
 * which versions came at different times still take the same ones. A version that waits is taken back by the next one:
 * whatever a loosening changes, one that is as tight as the version in force counts after the short delay, before it.
 * @param input.inForce null when there is none, and then only version 1 is taken, at once.
 * @param input.pending versions above `inForce` whose time has not come, in order.
 * @throws Failure policy-rollback for a version that is not the next one of this chain, policy-invalid when it has an error
 * of `lintPolicy` or lacks its administrators' signatures.
 */
export function decidePolicy(input: {
  readonly inForce: Policy | null;
  readonly pending: readonly PendingPolicy[];
  readonly signed: SignedPolicy;
  readonly ed25519: VerifyEd25519;
  readonly nowMs: number;
}): PolicyDecision {
  const { inForce, pending, signed, ed25519, nowMs } = input;
  const { policy } = signed;
  invariant(inForce !== null || pending.length === 0, 'a version waits behind none in force');
  const held = inForce === null ? [] : [inForce, ...pending.map((waiting) => waiting.policy)];
  refuseOtherChain(policy, held.at(-1) ?? null);
  refuseErrors(policy);
  verifyPolicy(signed, (inForce ?? policy).administrators, ed25519);
  if (inForce === null) return { change: 'first', effectiveAtMs: nowMs };

  const before = mayComeBefore(inForce, pending, nowMs);
  const looser = before.some((one) => comparePolicies(one, policy).some((change) => change.effect === 'looser'));
  // The longest of them, so that a version that prolongs a delay need not be waited for.
  const delayS = looser ? longest(held, 'loosen_s') : longest(before, 'tighten_s');
  return { change: looser ? 'looser' : 'tighter', effectiveAtMs: nowMs + delayS * 1_000 };
}

/**
 * The version in force and those that wait and may be in force, and tighter, by the time a tighter one counts. What is due
 * later never comes into force: the new version is above it and in force by then.
 */
function mayComeBefore(inForce: Policy, pending: readonly PendingPolicy[], nowMs: number): Policy[] {
  const found = [inForce];
  for (;;) {
    const untilMs = nowMs + longest(found, 'tighten_s') * 1_000;
    const more = pending.filter((one) => one.effectiveAtMs <= untilMs && !found.includes(one.policy));
    if (more.length === 0) return found;
    // One of them may prolong the short delay.
    found.push(...more.map(({ policy }) => policy));
  }
}

function longest(policies: readonly Policy[], delay: keyof Policy['delays']): number {
  return Math.max(...policies.map(({ delays }) => delays[delay]));
}

function refuseOtherChain(policy: Policy, newest: Policy | null): void {
  const next = (newest?.version ?? 0) + 1;
  if (policy.version !== next) {
    throw new Failure('policy-rollback', `version ${policy.version} is not the next one, ${next}`);
  }
  const previous = newest === null ? null : policyDigest(newest);
  if (policy.previous !== previous) {
    throw new Failure(
      'policy-rollback',
      `version ${policy.version} follows ${policy.previous ?? 'none'}, this signer holds ${previous ?? 'none'}`,
    );
  }
}

function refuseErrors(policy: Policy): void {
  const errors = lintPolicy(policy).filter((finding) => finding.level === 'error');
  const first = errors[0];
  if (first === undefined) return;
  throw new Failure(
    'policy-invalid',
    `${first.path} ${first.message}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}`,
  );
}
