import { type Policy, policyDigest } from '@holdfast/core/policy/policy.ts';
import { signPolicy } from '@holdfast/devnet/policy.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import type { System } from './system.ts';

/** The newest version of each system that was changed here. */
const newest = new WeakMap<System, Policy>();

/** Two administrators sign the next version; returns when it is in force at every signer. */
export async function changePolicy(system: System, change: (policy: Policy) => void): Promise<Policy> {
  const before = newest.get(system) ?? system.first.policy;
  const policy = structuredClone(before);
  policy.version += 1;
  policy.previous = policyDigest(before);
  change(policy);
  newest.set(system, policy);
  const { answers } = await system.client.proposePolicy(signPolicy(policy, system.parties.administrators.slice(0, 2)));
  const refusal = answers.find((answer) => answer.state !== 'accepted');
  if (refusal) throw new Error(`${refusal.signer}: ${refusal.code} ${refusal.message}`);
  await awaitCondition(`policy ${policy.version} in force`, async () => {
    const { data } = await system.client.listPolicies();
    return data.length === 3 && data.every(({ version }) => version === policy.version);
  });
  return policy;
}
