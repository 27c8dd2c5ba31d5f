import type { KeyObject } from 'node:crypto';
import type { Database } from '../store/database.ts';
import { eventResource } from '../store/event-resources.ts';
import { type Attempt, claimDue, type DueDelivery, fanOutOne, recordAttempt } from '../store/webhook-deliveries.ts';
import { postWebhook } from '../webhooks/post-webhook.ts';
import { retryDelayMs } from '../webhooks/retry-delay.ts';
import { webhookHeaders } from '../webhooks/sign-webhook.ts';

export interface DeliverWebhooksOptions {
  readonly db: Database;
  /** UTC milliseconds. */
  readonly now: () => number;
  readonly newId: () => string;
  /** The server's Ed25519 key of webhooks. */
  readonly signingKey: KeyObject;
  /** Whether receivers may be on private and loopback addresses; development only. */
  readonly allowPrivate: boolean;
  /** In [0, 1), for the jitter of retries. */
  readonly random?: () => number;
  readonly timeoutMs?: number;
  /** Deliveries at a time. */
  readonly concurrency?: number;
}

const eventsMax = 1_000;
const endpointsMax = 1_000;
/** Beyond an attempt's own time: what writing its result may take. */
const leaseMarginMs = 30_000;

/**
 * One round: gives endpoints their new events, then makes the attempts that are due, at once and `concurrency` at
 * most. Deliveries are made at least once; the webhook-id tells repetitions apart.
 * @returns how many attempts were made; 0 means that nothing is due now.
 */
export async function deliverWebhooks(options: DeliverWebhooksOptions): Promise<number> {
  const { db, now, newId, concurrency = 16, timeoutMs = 10_000 } = options;
  for (let round = 0; round < endpointsMax; round += 1) {
    const endpoint = await db.transaction((sql) => fanOutOne(sql, newId, now(), eventsMax));
    if (endpoint === null) break;
  }
  const nowMs = now();
  const due = await claimDue(db, {
    nowMs,
    leaseEndsMs: nowMs + timeoutMs + leaseMarginMs,
    limit: concurrency,
    perEndpoint: Math.max(1, Math.floor(concurrency / 4)),
  });
  await Promise.all(due.map(async (delivery) => recordAttempt(db, await attempt(delivery, options, timeoutMs), now())));
  return due.length;
}

async function attempt(delivery: DueDelivery, options: DeliverWebhooksOptions, timeoutMs: number): Promise<Attempt> {
  const event = eventResource(delivery);
  const body = JSON.stringify(event);
  const message = { id: event.id, timestampMs: options.now(), body };
  const headers = webhookHeaders(message, delivery.hmac_secret, options.signingKey);
  const made = { deliveryId: delivery.delivery_id, attempts: delivery.attempts };
  try {
    const status = await postWebhook(delivery.url, headers, body, { allowPrivate: options.allowPrivate, timeoutMs });
    if (status >= 200 && status < 300) return { ...made, status, error: null, outcome: { state: 'delivered' } };
    return { ...made, status, error: `answered ${status}`, outcome: next(delivery, options) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ...made, status: null, error: message.slice(0, 500), outcome: next(delivery, options) };
  }
}

function next(delivery: DueDelivery, options: DeliverWebhooksOptions): Attempt['outcome'] {
  const delayMs = retryDelayMs(delivery.attempts, (options.random ?? Math.random)());
  return delayMs === null ? { state: 'failed' } : { state: 'pending', nextAttemptAtMs: options.now() + delayMs };
}
