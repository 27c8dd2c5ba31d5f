import { expect, test } from 'vitest';
import { type StoreGauges, storeGaugeNames } from '../store/gauges.ts';
import { createMetrics, type OwnReadings, type Readings } from './metrics.ts';

const none = Object.fromEntries(storeGaugeNames.map((name) => [name, []])) as unknown as StoreGauges;
const readings: Readings = {
  store: {
    ...none,
    scanned_height: [{ labels: { network: 'eip155:31337' }, value: 7 }],
    open_alarms: [{ labels: { code: 'halted' }, value: 2 }],
    withdrawals: [{ labels: { state: 'queued' }, value: 3 }],
    event_oldest_seconds: [{ labels: {}, value: 1.5 }],
  },
  endpoints: [
    { network: 'eip155:31337', name: 'node-1', counts: true },
    { network: 'eip155:31337', name: 'node-2', counts: false },
  ],
  differences: [{ network: 'eip155:31337', wallet: 'hot', asset: 'ETH', difference: -1n }],
};
const own = (): OwnReadings => ({ connections: { total: 4, idle: 3, waiting: 0 }, lanesHeld: 5 });

test('the gauges show what is read at the time of asking', async () => {
  const metrics = createMetrics(async () => readings, own);
  metrics.observeRequest('GET', '/v1/assets', 200, 0.02);
  const text = await metrics.text();
  expect(text).toContain('holdfast_scanned_height{network="eip155:31337"} 7');
  expect(text).toContain('holdfast_open_alarms{code="halted"} 2');
  expect(text).toContain('holdfast_endpoint_counted{network="eip155:31337",endpoint="node-1"} 1');
  expect(text).toContain('holdfast_endpoint_counted{network="eip155:31337",endpoint="node-2"} 0');
  expect(text).toContain('holdfast_withdrawals{state="queued"} 3');
  expect(text).toContain('holdfast_reconcile_difference{network="eip155:31337",wallet="hot",asset="ETH"} -1');
  expect(text).toContain(
    'holdfast_http_request_duration_seconds_count{method="GET",route="/v1/assets",status="200"} 1',
  );
  expect(text).toContain('process_resident_memory_bytes');
});

test('a label that is gone is not shown at its old value', async () => {
  let now = readings;
  const metrics = createMetrics(async () => now, own);
  await metrics.text();
  now = { ...readings, store: { ...none, withdrawals: [{ labels: { state: 'settled' }, value: 1 }] } };
  const text = await metrics.text();
  expect(text).not.toContain('state="queued"');
  expect(text).toContain('holdfast_withdrawals{state="settled"} 1');
});

test('what the process knows is shown when the readings fail', async () => {
  const metrics = createMetrics(async () => {
    throw new Error('database away');
  }, own);
  const text = await metrics.text();
  expect(text).toContain('holdfast_gauges_failed 1');
  expect(text).toContain('holdfast_database_connections{kind="total"} 4');
  expect(text).toContain('holdfast_lanes_held 5');
  expect(text).toContain('process_resident_memory_bytes');
});
