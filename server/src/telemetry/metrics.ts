import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { StoreGauges } from '../store/gauges.ts';

/** What the gauges show, read when the metrics are asked for. */
export interface Readings {
  /** Whether an endpoint's answers count. */
  readonly endpoints: readonly { readonly network: string; readonly name: string; readonly counts: boolean }[];
  readonly store: StoreGauges;
  /** Ledger minus chain in base units at the last reconciliation; a Prometheus number is a double, so only 0 is exact. */
  readonly differences: readonly {
    readonly network: string;
    readonly wallet: string;
    readonly asset: string;
    readonly difference: bigint;
  }[];
}

/** What the process knows without asking anybody. */
export interface OwnReadings {
  readonly connections: { readonly total: number; readonly idle: number; readonly waiting: number };
  /** Loops that this server runs of those that several share. */
  readonly lanesHeld: number;
}

/** Help and labels of the store's gauges. */
const storeGauges: Readonly<Record<keyof StoreGauges, readonly [help: string, ...labels: string[]]>> = {
  scanned_height: ['Height of the applied chain', 'network'],
  scanned_block_age_seconds: ['Age of the newest applied block: the lag behind the chain', 'network'],
  open_alarms: ['Alarms that are open, by code; docs/runbooks/alarms.md', 'code'],
  withdrawals: ['Withdrawals by state', 'state'],
  withdrawal_oldest_seconds: ['Age of the oldest withdrawal in a state', 'network', 'state'],
  transactions: ['Own chain transactions that are not final', 'network', 'kind', 'state'],
  transaction_oldest_seconds: ['Age of the oldest own transaction that no block shows', 'network', 'state'],
  deposits_waiting: ['Deposits seen or quarantined', 'network', 'state'],
  signer_refusals: ['Transactions of the last 24 hours that signers refused or keep waiting, by reason', 'reason'],
  webhooks_pending: ['Webhook deliveries not made yet', 'endpoint'],
  webhook_oldest_seconds: ['Age of the oldest of them', 'endpoint'],
  events_unsequenced: ['Events without a number'],
  event_oldest_seconds: ['Age of the oldest of them: the lag of the event stream'],
  signer_records_pending: ['Records that a signer has not taken', 'signer', 'lane'],
  idempotency_keys: ['Idempotency-Keys remembered, as estimated by the database'],
  hot_share: ['Hot balance divided by what is owed to customers', 'asset'],
};

export interface Metrics {
  text(): Promise<string>;
  observeRequest(method: string, route: string, status: number, seconds: number): void;
}

/** A registry of its own with the process's metrics, request durations and the gauges that `read` supplies. */
export function createMetrics(read: () => Promise<Readings>, own: () => OwnReadings): Metrics {
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
  const gauges = new Map(
    Object.entries(storeGauges).map(([name, [help, ...labelNames]]) => [
      name,
      new Gauge({ name: `holdfast_${name}`, help, labelNames, registers }),
    ]),
  );
  const connections = new Gauge({
    name: 'holdfast_database_connections',
    help: 'Connections of this process: all, unused, and callers that wait for one',
    labelNames: ['kind'] as const,
    registers,
  });
  const lanes = new Gauge({ name: 'holdfast_lanes_held', help: 'Shared loops that this server runs', registers });
  const differences = new Gauge({
    name: 'holdfast_reconcile_difference',
    help: 'Ledger minus chain in base units; anything but 0 is an incident',
    labelNames: ['network', 'wallet', 'asset'] as const,
    registers,
  });
  const endpoints = new Gauge({
    name: 'holdfast_endpoint_counted',
    help: '1 when the answers of a chain endpoint count, 0 while it is away, behind or set aside',
    labelNames: ['network', 'endpoint'] as const,
    registers,
  });
  const gaugesFailed = new Gauge({
    name: 'holdfast_gauges_failed',
    help: '1 when the other gauges could not be read: they are missing or old',
    registers,
  });

  async function refresh(): Promise<void> {
    const { connections: pool, lanesHeld } = own();
    for (const [kind, count] of Object.entries(pool)) connections.set({ kind }, count);
    lanes.set(lanesHeld);
    for (const gauge of [...gauges.values(), differences, endpoints]) gauge.reset();
    try {
      const readings = await read();
      for (const [name, rows] of Object.entries(readings.store))
        for (const { labels, value } of rows) gauges.get(name)?.set(labels, value);
      for (const { network, wallet, asset, difference } of readings.differences)
        differences.set({ network, wallet, asset }, Number(difference));
      for (const { network, name, counts } of readings.endpoints)
        endpoints.set({ network, endpoint: name }, counts ? 1 : 0);
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
