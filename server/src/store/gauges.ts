import type { Sql } from './database.ts';

/** What the metrics show of the database; settled and released withdrawals are history and not counted. */
export interface StoreGauges {
  readonly scannedHeights: Readonly<Record<string, number>>;
  readonly openAlarms: number;
  readonly withdrawals: Readonly<Record<string, number>>;
  /** Seconds since the oldest withdrawal that no block shows was asked for, by network; approvals apart. */
  readonly queueAgeS: Readonly<Record<string, number>>;
}

export async function readGauges(sql: Sql): Promise<StoreGauges> {
  const heights = await sql.query<{ network: string; height: bigint }>(
    `select network, max(height) as height from block where state = 'applied' group by network`,
  );
  const [alarms] = await sql.query<{ count: number }>(
    'select count(*)::int as count from alarm where closed_at_ms is null',
  );
  const withdrawals = await sql.query<{ state: string; count: number }>(
    `select s.state, count(w.id)::int as count
       from unnest(array['queued', 'signing', 'broadcast', 'uncertain', 'included']) as s (state)
       left join withdrawal w on w.state = s.state group by s.state`,
  );
  const ages = await sql.query<{ network: string; seconds: number }>(
    `select network, greatest(0, extract(epoch from now()) - min(created_at_ms) / 1000)::float8 as seconds
       from withdrawal where state in ('queued', 'signing', 'broadcast', 'uncertain') group by network`,
  );
  return {
    scannedHeights: Object.fromEntries(heights.map((row) => [row.network, Number(row.height)])),
    queueAgeS: Object.fromEntries(ages.map((row) => [row.network, row.seconds])),
    openAlarms: alarms?.count ?? 0,
    withdrawals: Object.fromEntries(withdrawals.map((row) => [row.state, row.count])),
  };
}
