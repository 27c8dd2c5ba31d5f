import { Failure } from '@holdfast/core/failure.ts';
import type { BitcoinNetworkPolicy } from '@holdfast/core/policy/policy.ts';

/**
 * A fee may be so many hundredths of what this signer's own nodes estimate, and never above the fixed ceilings. In an
 * evacuation haste may cost more than the estimate and the usual fee of one transaction: there the fixed rate and the
 * evacuation's own budget bound it.
 * @param facts `feeRateSatVb`: the nodes' own estimate, null for none.
 * @throws Failure fee-too-high.
 */
export function checkBitcoinFee(
  paid: {
    readonly feeSats: bigint;
    /** Virtual bytes once it is signed. */
    readonly vsize: number;
    readonly evacuation: boolean;
  },
  network: BitcoinNetworkPolicy,
  facts: { readonly feeRateSatVb: number | null },
): void {
  const { vsize } = paid;
  const estimate = facts.feeRateSatVb ?? network.fee_rate_fallback_sat_vb;
  const relativeMax = paid.evacuation ? Number.POSITIVE_INFINITY : (estimate * network.fee_rate_percent_max) / 100;
  const rateMax = Math.min(network.fee_rate_max_sat_vb, relativeMax);
  if (paid.feeSats > BigInt(Math.floor(rateMax * vsize))) {
    throw new Failure('fee-too-high', `a fee of ${paid.feeSats} sats for ${vsize} vB is over ${rateMax} sat/vB`);
  }
  if (!paid.evacuation && paid.feeSats > BigInt(network.fee_max_sats)) {
    throw new Failure('fee-too-high', `a fee of ${paid.feeSats} sats is over ${network.fee_max_sats} sats`);
  }
}

/** A consolidation is for times when blocks are cheap. @throws Failure consolidation-refused. */
export function checkConsolidationFee(
  { feeSats, vsize }: { readonly feeSats: bigint; readonly vsize: number },
  { consolidation }: BitcoinNetworkPolicy,
): void {
  const rateMax = consolidation?.fee_rate_max_sat_vb ?? 0;
  if (feeSats > BigInt(rateMax * vsize))
    throw new Failure('consolidation-refused', `a fee of ${feeSats} sats for ${vsize} vB is over ${rateMax} sat/vB`);
}

/** The most that `checkBitcoinFee` could let pass, satoshis: what a signer charges when it cannot know the fee. */
export function bitcoinFeeBound(
  paid: { readonly vsize: number; readonly evacuation: boolean },
  network: BitcoinNetworkPolicy,
): bigint {
  const byRate = BigInt(network.fee_rate_max_sat_vb) * BigInt(paid.vsize);
  const fixed = BigInt(network.fee_max_sats);
  return byRate < fixed || paid.evacuation ? byRate : fixed;
}
