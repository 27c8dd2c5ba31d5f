import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the gauges show, read when the metrics are asked for. */
export interface Readings {
  /** Height of the applied chain by network. */
  readonly scannedHeights: Readonly<Record<string, number>>;
  readonly openAlarms: number;
  /** Withdrawals by state. */
  readonly withdrawals: Readonly<Record<string, number>>;
  /** Seconds that the oldest withdrawal waits, by network; none where nothing waits. */
  readonly queueAgeS: Readonly<Record<string, number>>;
  /** Ledger minus chain in base units at the last reconciliation; a Prometheus number is a double, so only 0 is exact. */
  readonly differences: readonly { readonly network: string; readonly asset: string; readonly difference: bigint }[];
}

export interface Metrics {
  text(): Promise<string>;
  observeRequest(method: string, route: string, status: number, seconds: number): void;
}

/** A registry of its own with the process's metrics, request durations and the gauges that `read` supplies. */
export function createMetrics(read: () => Promise<Readings>): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const durations = new Histogram({
    name: 'holdfast_http_request_duration_seconds',
    help: 'Time from a request to the end of its answer',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const heights = new Gauge({
    name: 'holdfast_scanned_height',
    help: 'Height of the applied chain',
    labelNames: ['network'] as const,
    registers,
  });
  const alarms = new Gauge({ name: 'holdfast_open_alarms', help: 'Alarms that are open', registers });
  const withdrawals = new Gauge({
    name: 'holdfast_withdrawals',
    help: 'Withdrawals by state',
    labelNames: ['state'] as const,
    registers,
  });
  const queueAge = new Gauge({
    name: 'holdfast_withdrawal_queue_age_seconds',
    help: 'Time since the oldest withdrawal that no block shows was asked for, approvals apart',
    labelNames: ['network'] as const,
    registers,
  });
  const differences = new Gauge({
    name: 'holdfast_reconcile_difference',
    help: 'Ledger minus chain in base units; anything but 0 is an incident',
    labelNames: ['network', 'asset'] as const,
    registers,
  });
  const gaugesFailed = new Gauge({
    name: 'holdfast_gauges_failed',
    help: '1 when the other gauges could not be read: they are missing or old',
    registers,
  });

  async function refresh(): Promise<void> {
    for (const gauge of [heights, withdrawals, queueAge, differences]) gauge.reset();
    try {
      const readings = await read();
      for (const [network, height] of Object.entries(readings.scannedHeights)) heights.set({ network }, height);
      for (const [state, count] of Object.entries(readings.withdrawals)) withdrawals.set({ state }, count);
      for (const [network, seconds] of Object.entries(readings.queueAgeS)) queueAge.set({ network }, seconds);
      for (const { network, asset, difference } of readings.differences)
        differences.set({ network, asset }, Number(difference));
      alarms.set(readings.openAlarms);
      gaugesFailed.set(0);
    } catch {
      // The database is away: what the process itself knows must still be seen.
      gaugesFailed.set(1);
    }
  }

  return {
    text: async () => {
      await refresh();
      return registry.metrics();
    },
    observeRequest: (method, route, status, seconds) => durations.observe({ method, route, status }, seconds),
  };
}
