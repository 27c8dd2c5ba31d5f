import { accountCodes } from '../ledger/account-codes.ts';
import type { AssetCode } from '../money/asset.ts';
import type { Family, NetworkId } from '../money/network.ts';

export type WatchedKind = 'deposit' | 'hot' | 'relayer' | 'cold';

/**
 * The ledger account that mirrors what a watched address holds. Bitcoin deposit addresses are children of the hot
 * wallet's own key, so their coins are hot at once; an EVM forwarder holds them until it is swept.
 */
export function chainAccount(kind: WatchedKind, family: Family, network: NetworkId, asset: AssetCode): string {
  if (kind === 'relayer') return accountCodes.relayer(network, asset);
  if (kind === 'cold') return accountCodes.cold(network, asset);
  if (kind === 'deposit' && family === 'evm') return accountCodes.uncollected(network, asset);
  return accountCodes.hot(network, asset);
}
