import { expect, test } from 'vitest';
import { createMetrics, type Readings } from './metrics.ts';

const readings: Readings = {
  scannedHeights: { 'eip155:31337': 7 },
  queueAgeS: { 'eip155:31337': 90 },
  openAlarms: 2,
  withdrawals: { queued: 3 },
  differences: [{ network: 'eip155:31337', asset: 'ETH', difference: -1n }],
};

test('the gauges show what is read at the time of asking', async () => {
  const metrics = createMetrics(async () => readings);
  metrics.observeRequest('GET', '/v1/assets', 200, 0.02);
  const text = await metrics.text();
  expect(text).toContain('holdfast_scanned_height{network="eip155:31337"} 7');
  expect(text).toContain('holdfast_withdrawal_queue_age_seconds{network="eip155:31337"} 90');
  expect(text).toContain('holdfast_open_alarms 2');
  expect(text).toContain('holdfast_withdrawals{state="queued"} 3');
  expect(text).toContain('holdfast_reconcile_difference{network="eip155:31337",asset="ETH"} -1');
  expect(text).toContain(
    'holdfast_http_request_duration_seconds_count{method="GET",route="/v1/assets",status="200"} 1',
  );
  expect(text).toContain('process_resident_memory_bytes');
});

test('a label that is gone is not shown at its old value', async () => {
  let now = readings;
  const metrics = createMetrics(async () => now);
  await metrics.text();
  now = { ...readings, withdrawals: { settled: 1 } };
  const text = await metrics.text();
  expect(text).not.toContain('state="queued"');
  expect(text).toContain('holdfast_withdrawals{state="settled"} 1');
});

test('what the process knows is shown when the readings fail', async () => {
  const metrics = createMetrics(async () => {
    throw new Error('database away');
  });
  const text = await metrics.text();
  expect(text).toContain('holdfast_gauges_failed 1');
  expect(text).toContain('process_resident_memory_bytes');
});
