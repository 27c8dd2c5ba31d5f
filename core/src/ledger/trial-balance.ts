import type { AssetCode } from '../money/asset.ts';
import { type AccountCode, parseAccountCode } from './account-codes.ts';

/** Sums over an asset's accounts; the books balance when the two are equal. */
export interface TrialBalance {
  readonly asset: AssetCode;
  /** Sum over the debit-normal accounts: where everything is. */
  readonly debit: bigint;
  /** Sum over the credit-normal accounts: whose it is. */
  readonly credit: bigint;
  readonly balanced: boolean;
}

/** The trial balance of each asset, sorted by asset. */
export function trialBalance(balances: Iterable<readonly [AccountCode, bigint]>): TrialBalance[] {
  const sums = new Map<AssetCode, { debit: bigint; credit: bigint }>();
  for (const [code, balance] of balances) {
    const { asset, normal } = parseAccountCode(code);
    const sum = sums.get(asset) ?? { debit: 0n, credit: 0n };
    sum[normal] += balance;
    sums.set(asset, sum);
  }
  return [...sums]
    .map(([asset, sum]) => ({ asset, ...sum, balanced: sum.debit === sum.credit }))
    .sort((a, b) => (a.asset < b.asset ? -1 : 1));
}
