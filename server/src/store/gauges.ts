import type { Sql } from './database.ts';
import { lastReconciliations } from './reconciliations.ts';

/** What the metrics show of the database; settled and released withdrawals are history and not counted. */
export interface StoreGauges {
  readonly scannedHeights: Readonly<Record<string, number>>;
  readonly openAlarms: number;
  /** Ledger minus chain at the last comparison, base units. */
  readonly differences: readonly {
    readonly network: string;
    readonly wallet: string;
    readonly asset: string;
    readonly difference: bigint;
  }[];
  readonly withdrawals: Readonly<Record<string, number>>;
}

export async function readGauges(sql: Sql): Promise<StoreGauges> {
  const heights = await sql.query<{ network: string; height: bigint }>(
    // From network to network by the index, where a grouping would read every block.
    `with recursive known as (
       select min(network) as network from block where state = 'applied'
       union all
       select (select min(b.network) from block b where b.state = 'applied' and b.network > k.network)
         from known k where k.network is not null)
     select k.network, (select max(b.height) from block b where b.state = 'applied' and b.network = k.network) as height
       from known k where k.network is not null`,
  );
  const [alarms] = await sql.query<{ count: number }>(
    'select count(*)::int as count from alarm where closed_at_ms is null',
  );
  const withdrawals = await sql.query<{ state: string; count: number }>(
    `select s.state, count(w.id)::int as count
       from unnest(array['queued', 'signing', 'broadcast', 'included']) as s (state)
       left join withdrawal w on w.state = s.state group by s.state`,
  );
  return {
    scannedHeights: Object.fromEntries(heights.map((row) => [row.network, Number(row.height)])),
    openAlarms: alarms?.count ?? 0,
    differences: (await lastReconciliations(sql)).map(({ network, wallet, asset, ledger, chain }) => ({
      network,
      wallet,
      asset,
      difference: ledger - chain,
    })),
    withdrawals: Object.fromEntries(withdrawals.map((row) => [row.state, row.count])),
  };
}
