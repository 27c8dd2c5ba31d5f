import type { ApprovalTier } from './policy.ts';

/** How many approvers a payment needs; `offline` of them with the offline client. */
export interface NeededApprovals {
  readonly approvals: number;
  readonly offline: number;
}

/**
 * The most that any tier asks for whose `above` the amount exceeds, so that a tier out of order never asks for less.
 * @param amount base units.
 */
export function neededApprovals(
  asset: { readonly approval_tiers: readonly ApprovalTier[] },
  amount: bigint,
): NeededApprovals {
  const tiers = asset.approval_tiers.filter((tier) => amount > BigInt(tier.above));
  return {
    approvals: Math.max(0, ...tiers.map((tier) => tier.approvals)),
    offline: Math.max(0, ...tiers.map((tier) => tier.offline)),
  };
}
