import { Failure } from '../failure.ts';
import type { ApprovalTier, HotRule, Limits, NetworkPolicy, Policy } from './policy.ts';

/** What the policy says about one asset of a network, in one shape for all families. Amounts are base units in decimal. */
export interface AssetPolicy {
  /** CAIP-19. */
  readonly asset: string;
  /** The exchange's name for it on every network. */
  readonly code: string;
  /** Token contract as the policy spells it; null for the native coin. */
  readonly contract: string | null;
  readonly limits: Limits;
  readonly integrator_limits: Limits;
  readonly degraded_per_day_max: string;
  readonly approval_tiers: readonly ApprovalTier[];
  readonly hot?: HotRule;
}

/** The policy's part about a network (CAIP-2). @throws Failure unknown-network */
export function networkOf(policy: Policy, network: string): NetworkPolicy {
  const found = policy.networks.find((entry) => entry.network === network);
  if (found === undefined) {
    throw new Failure(
      'unknown-network',
      `version ${policy.version} of the policy has no network ${network.slice(0, 80)}`,
    );
  }
  return found;
}

/** The assets of a network, in the policy's order; Bitcoin's own is the only one of its family. */
export function assetPolicies(network: NetworkPolicy): AssetPolicy[] {
  if (network.family === 'evm') return network.assets;
  const { asset, code, limits, integrator_limits, degraded_per_day_max, approval_tiers, hot } = network;
  const own = { asset, code, contract: null, limits, integrator_limits, degraded_per_day_max, approval_tiers };
  return [hot === undefined ? own : { ...own, hot }];
}
