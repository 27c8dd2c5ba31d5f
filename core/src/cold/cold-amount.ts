import { formatUnits } from '../money/base-units.ts';

/** Of the native coin of every EVM network: wei. */
export const evmCoinDecimals = 18;

/** An amount in units and in base units. @param code of the coin or token, as the setup names it. */
export function coldAmount(amount: bigint, code: string, decimals: number): string {
  return `${formatUnits(amount, decimals)} ${code} (${amount} base units)`;
}

export function bitcoinAmount(amountSats: bigint): string {
  return coldAmount(amountSats, 'BTC', 8);
}
