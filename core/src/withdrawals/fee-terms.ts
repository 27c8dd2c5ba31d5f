import { Failure } from '../failure.ts';
import { baseUnits, type BaseUnits } from '../money/base-units.ts';

/** One version of an asset's fees and minimums on a network. Amounts in base units of the asset. */
export interface FeeTerms {
  /** 1, 2, 3, ... for each asset and network. */
  readonly version: number;
  readonly feeFlat: bigint;
  /** Thousandths of the amount. */
  readonly feePerMille: number;
  /** Thousandths of the estimated network fee of one payment; the network's own coin only. */
  readonly networkSharePerMille: number;
  /** While the network asks for more (wei a gas, satoshi a virtual byte), payments of the asset wait; null for no such limit. */
  readonly networkFeeRateMax: bigint | null;
  readonly withdrawalMinimum: bigint;
  readonly depositMinimum: bigint;
  /** Decimal places that a withdrawal's amount may have. */
  readonly precision: number;
}

/**
 * What a customer is charged on top of `amount`, base units; each part is rounded up.
 * @param networkCost estimated network fee of one payment, base units of the asset; 0 for a token.
 */
export function chargeFee(terms: FeeTerms, amount: bigint, networkCost: bigint): BaseUnits {
  return baseUnits(
    terms.feeFlat + perMille(amount, terms.feePerMille) + perMille(networkCost, terms.networkSharePerMille),
  );
}

/**
 * The most that can be paid out of `total` with its fee: the fee never falls when the amount rises.
 * @returns 0n when the total does not even cover the fee.
 */
export function netOf(terms: FeeTerms, total: bigint, networkCost: bigint): bigint {
  let [low, high] = [0n, total];
  while (low < high) {
    const middle = (low + high + 1n) / 2n;
    if (middle + chargeFee(terms, middle, networkCost) <= total) low = middle;
    else high = middle - 1n;
  }
  return low;
}

/** The amount cut to the decimal places that the terms accept. */
export function roundToPrecision(terms: FeeTerms, amount: bigint, decimals: number): bigint {
  return amount - (amount % stepOf(terms, decimals));
}

/**
 * Refuses what is below the minimum or has more decimal places than the terms accept.
 * @throws Failure below-minimum, too-precise.
 */
export function checkAmount(
  terms: FeeTerms,
  amount: bigint,
  asset: { readonly code: string; readonly decimals: number },
  pointer: string,
): void {
  if (amount < terms.withdrawalMinimum) {
    throw new Failure(
      'below-minimum',
      `${amount} is below the minimum of ${terms.withdrawalMinimum} base units of ${asset.code}`,
      { pointer },
    );
  }
  if (amount % stepOf(terms, asset.decimals) !== 0n) {
    throw new Failure('too-precise', `${amount} has more than ${terms.precision} decimal places of ${asset.code}`, {
      pointer,
    });
  }
}

function stepOf(terms: FeeTerms, decimals: number): bigint {
  return 10n ** BigInt(Math.max(0, decimals - terms.precision));
}

function perMille(value: bigint, thousandths: number): bigint {
  return (value * BigInt(thousandths) + 999n) / 1000n;
}
