import type { Context } from './context.ts';
import type { Readings } from './telemetry/metrics.ts';

/** What the Prometheus gauges show, in three cheap statements; differences are those of the last reconciliation. */
export async function readGauges(ctx: Context, lastDifferences: Readings['differences']): Promise<Readings> {
  const [heights, alarms, withdrawals] = await Promise.all([
    ctx.db.query<{ network: string; height: bigint }>(`select network, max(height) as height from block where state = 'applied' group by network`),
    ctx.db.query<{ count: bigint }>('select count(*) as count from alarm where closed_at_ms is null'),
    ctx.db.query<{ state: string; count: bigint }>('select state, count(*) as count from withdrawal group by state'),
  ]);
  return {
    scannedHeights: Object.fromEntries(heights.map((row) => [row.network, Number(row.height)])),
    openAlarms: Number(alarms[0]?.count ?? 0n),
    withdrawals: Object.fromEntries(withdrawals.map((row) => [row.state, Number(row.count)])),
    differences: lastDifferences,
  };
}
