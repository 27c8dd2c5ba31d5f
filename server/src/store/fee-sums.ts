import type { Sql } from './database.ts';

type Row = { readonly place: string; readonly sum: bigint };

/** What customers were charged: settled withdrawals and claimed deposits; base units by `network asset`. */
export async function chargedFees(sql: Sql): Promise<Map<string, bigint>> {
  const rows = await sql.query<Row>(
    `select network || ' ' || asset as place, sum(fee) as sum
       from (select network, asset, fee from withdrawal where state = 'settled'
             union all select network, cost_asset, cost from deposit_claim) charged
      group by network, asset`,
  );
  return new Map(rows.map(({ place, sum }) => [place, sum]));
}

/** What our transactions in the applied chain paid the network; base units of its coin by `network asset`, `coins` names it. */
export async function paidFees(sql: Sql, coins: ReadonlyMap<string, string>): Promise<Map<string, bigint>> {
  const rows = await sql.query<Row>(
    'select network as place, sum(fee) as sum from chain_transaction where block_id is not null and fee is not null group by network',
  );
  return new Map(rows.map(({ place, sum }) => [`${place} ${coins.get(place) ?? ''}`, sum]));
}
