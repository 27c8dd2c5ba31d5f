import { assetPolicies } from '../policy/network-of.ts';
import type { Policy } from '../policy/policy.ts';

/** Whether the policy has an asset of this code on any network. */
export function isKnownCode(policy: Policy, code: string): boolean {
  return policy.networks.some((network) => assetPolicies(network).some((asset) => asset.code === code));
}
