import { parseUnits } from '@holdfast/core/money/base-units.ts';

/**
 * Rules of the devnet in whole coins. The server's part is written into its config.json, where a user changes it; the
 * signers' part into version 1 of the policy, which takes its administrators to change.
 */
export const assetRules = {
  BTC: {
    decimals: 8,
    name: 'Bitcoin',
    fee: '0.00002',
    minimum: '0.0001',
    max: '50',
    hourMax: '100',
    dayMax: '200',
    sweepMin: '0',
    small: '0.5',
    confirmations: [1, 3],
    /** Above it two approvers, above the second all three with an offline one. */
    approvalsAbove: ['2', '20'],
  },
  ETH: {
    decimals: 18,
    name: 'Ether',
    fee: '0.0004',
    minimum: '0.001',
    max: '500',
    hourMax: '1000',
    dayMax: '2000',
    sweepMin: '0.001',
    small: '5',
    confirmations: [2, 4],
    approvalsAbove: ['20', '200'],
  },
  USDT: {
    decimals: 6,
    name: 'Tether USD',
    fee: '1',
    minimum: '5',
    max: '1000000',
    hourMax: '2500000',
    dayMax: '5000000',
    sweepMin: '1',
    small: '10000',
    confirmations: [2, 4],
    approvalsAbove: ['50000', '500000'],
  },
  USDC: {
    decimals: 6,
    name: 'USD Coin',
    fee: '1',
    minimum: '5',
    max: '1000000',
    hourMax: '2500000',
    dayMax: '5000000',
    sweepMin: '1',
    small: '10000',
    confirmations: [2, 4],
    approvalsAbove: ['50000', '500000'],
  },
} as const;
export type AssetCode = keyof typeof assetRules;

/** Whole coins as base units in decimal. */
export function baseUnitsOf(code: AssetCode, coins: string): string {
  return parseUnits(coins, assetRules[code].decimals).toString();
}
