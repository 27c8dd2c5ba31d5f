import { Failure } from '../failure.ts';
import { invariant } from '../invariant.ts';

declare const brand: unique symbol;
/** A count of an asset's smallest unit (sat, wei, 10^-6 USDT): non-negative, at most 78 digits like the ledger's numeric(78,0). */
export type BaseUnits = bigint & { readonly [brand]: 'BaseUnits' };

const limit = 10n ** 78n;

/** Brands a bigint that our own code computed. @throws InvariantError when it is negative or has over 78 digits. */
export function baseUnits(value: bigint): BaseUnits {
  invariant(value >= 0n && value < limit, `amount out of range: ${value}`);
  return value as BaseUnits;
}

const pattern = /^(0|[1-9][0-9]{0,77})$/;

/**
 * Parses the JSON form of an amount: a decimal string of base units.
 * @throws Failure invalid-amount for anything but plain digits (signs, fractions, exponents, leading zeros, numbers).
 */
export function parseBaseUnits(text: unknown, pointer?: string): BaseUnits {
  if (typeof text !== 'string' || !pattern.test(text)) {
    throw new Failure(
      'invalid-amount',
      `not an amount in base units: ${JSON.stringify(text)?.slice(0, 100)}`,
      pointer === undefined ? {} : { pointer },
    );
  }
  return BigInt(text) as BaseUnits;
}

/** Exact decimal text of an amount: `formatUnits(1_500_000n, 6)` is `1.5`. */
export function formatUnits(amount: bigint, decimals: number): string {
  const sign = amount < 0n ? '-' : '';
  const digits = (amount < 0n ? -amount : amount).toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  return sign + whole + (fraction === '' ? '' : `.${fraction}`);
}

/**
 * Exact base units of a decimal text: `parseUnits('1.5', 6)` is 1_500_000n.
 * @throws Failure invalid-amount when it has more decimals than the asset or is not a plain decimal.
 */
export function parseUnits(text: string, decimals: number): BaseUnits {
  const match = /^([0-9]+)(?:\.([0-9]+))?$/.exec(text);
  const fraction = match?.[2] ?? '';
  if (!match || fraction.length > decimals) {
    throw new Failure('invalid-amount', `not a decimal with at most ${decimals} places: ${text.slice(0, 100)}`);
  }
  return baseUnits(BigInt(match[1] + fraction.padEnd(decimals, '0')));
}
