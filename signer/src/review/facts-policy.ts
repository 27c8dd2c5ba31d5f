import type { Limits, Policy } from '@holdfast/core/policy/policy.ts';

const most = '9'.repeat(77);
const limits: Limits = { per_transaction_max: most, per_hour_max: most, per_day_max: most };
/** A limit that no sum reaches, and no rule of time or consent. */
const wide = { limits, integrator_limits: limits, degraded_per_day_max: most, approval_tiers: [] };
const anySkim = { floor_bps: 0, target_bps: 0, ceiling_bps: 10_000, skim_min: '0', skims_per_day_max: 1_000_000_000 };
const year_s = 366 * 86_400;

/**
 * The policy for what peers have signed already: signatures and payments are verified as ever, but nothing is refused for
 * being too much, too early or without enough consent. It happened, so it has to be counted.
 */
export function factsPolicy(policy: Policy): Policy {
  return {
    ...policy,
    intent_s_max: year_s,
    destinations: { delay_s: 0 },
    positions: { approvals: 0 },
    networks: policy.networks.map((network) =>
      network.family === 'evm'
        ? { ...network, assets: network.assets.map((asset) => ({ ...asset, ...wide, hot: anySkim })) }
        : {
            ...network,
            ...wide,
            hot: anySkim,
            fee_max_sats: most,
            fee_per_day_max_sats: most,
            evacuation_fee_per_day_max_sats: most,
          },
    ),
  };
}
