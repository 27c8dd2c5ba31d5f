import { invariant } from '../invariant.ts';

/** `below` in base units; null in the last tier. */
export interface ConfirmationTier {
  readonly below: bigint | null;
  readonly confirmations: number;
}

/** Confirmations that a deposit of this amount needs: those of the first tier whose `below` exceeds it. */
export function confirmationsRequired(tiers: readonly ConfirmationTier[], amount: bigint): number {
  const tier = tiers.find(({ below }) => below === null || amount < below);
  invariant(tier, `no confirmation tier for ${amount}`);
  return tier.confirmations;
}
