import type { HotPosition } from '@holdfast/core/withdrawals/decide-rebalance.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import type { AssetCode } from '@holdfast/core/money/asset.ts';
import type { Family, NetworkId } from '@holdfast/core/money/network.ts';
import type { Sql } from './database.ts';
import { balances } from './ledger/balances.ts';

/** Where an asset of a network stands; reads every customer's balance of it. */
export async function hotPosition(
  sql: Sql,
  network: { readonly id: NetworkId; readonly family: Family },
  asset: AssetCode,
): Promise<HotPosition> {
  const { id, family } = network;
  const hot = accountCodes.hot(id, asset);
  const cold = accountCodes.cold(id, asset);
  // On Bitcoin a deposit is at the hot wallet before it is credited, and may leave again.
  const early = family === 'bitcoin' ? [accountCodes.unconfirmed(id, asset), accountCodes.quarantine(id, asset)] : [];
  const found = await balances(sql, [hot, cold, ...early]);
  const [row] = await sql.query<{ owed: bigint; queued: bigint }>(
    `select coalesce((select sum(balance) from account where asset = $2 and (code like 'customer:%' or code like 'hold:%')), 0) as owed,
            coalesce((select sum(amount) from withdrawal where network = $1 and asset = $2
                         and state in ('awaiting_approval', 'queued', 'signing', 'broadcast', 'uncertain')), 0) as queued`,
    [id, asset],
  );
  return {
    owed: row!.owed,
    hot: early.reduce((sum, code) => sum - (found.get(code) ?? 0n), found.get(hot) ?? 0n),
    queued: row!.queued,
    cold: found.get(cold) ?? 0n,
  };
}
