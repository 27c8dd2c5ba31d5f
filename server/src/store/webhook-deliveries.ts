import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { DeliveryResource } from '@holdfast/core/contract/resources.ts';
import { formatTime, formatTimeOrNull } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Sql } from './database.ts';
import type { EventRow } from './event-resources.ts';
import { readPage } from './read-page.ts';
import { getWebhookEndpoint } from './webhook-endpoints.ts';

interface Row {
  readonly id: string;
  readonly endpoint_id: string;
  readonly event_id: string;
  readonly state: DeliveryResource['state'];
  readonly attempts: number;
  readonly last_status: number | null;
  readonly last_error: string | null;
  readonly next_attempt_at_ms: bigint;
  readonly created_at_ms: bigint;
  readonly delivered_at_ms: bigint | null;
}

const columns =
  'id, endpoint_id, event_id, state, attempts, last_status, last_error, next_attempt_at_ms, created_at_ms, delivered_at_ms';

function resource(row: Row): DeliveryResource {
  return {
    object: 'delivery',
    id: formatId('dlv', row.id),
    webhook_endpoint: formatId('whk', row.endpoint_id),
    event: formatId('evt', row.event_id),
    state: row.state,
    attempts: row.attempts,
    last_status: row.last_status,
    last_error: row.last_error,
    next_attempt_at: formatTime(row.next_attempt_at_ms),
    created_at: formatTime(row.created_at_ms),
    delivered_at: formatTimeOrNull(row.delivered_at_ms),
  };
}

/** Delivery log of an endpoint. @throws Failure not-found. */
export async function listDeliveries(sql: Sql, endpoint: string, query: PageQuery): Promise<Page<DeliveryResource>> {
  await getWebhookEndpoint(sql, endpoint);
  const rows = await readPage<Row>(
    sql,
    `select ${columns} from webhook_delivery`,
    'id',
    [['endpoint_id = ?', parseId('whk', endpoint)]],
    query,
  );
  return pageOf(rows, query.limit, (row) => row.id, resource);
}

/** Delivers once more, now, with the whole schedule of retries before it. @throws Failure not-found. */
export async function redeliver(sql: Sql, delivery: string, nowMs: number): Promise<DeliveryResource> {
  const [row] = await sql.query<Row>(
    `update webhook_delivery set state = 'pending', attempts = 0, next_attempt_at_ms = $2, delivered_at_ms = null
      where id = $1 returning ${columns}`,
    [parseId('dlv', delivery), nowMs],
  );
  if (row === undefined) throw new Failure('not-found', `no delivery ${delivery}`);
  return resource(row);
}

interface Behind {
  readonly id: string;
  readonly event_types: string[];
  readonly fanned_out_seq: bigint;
}

/**
 * Gives an endpoint a delivery for each sequenced event that it has not had and whose type it asks for. Run it in a
 * transaction.
 * @returns the endpoint's id, or null when no enabled endpoint is behind.
 */
export async function fanOutOne(
  sql: Sql,
  newId: () => string,
  nowMs: number,
  eventsMax: number,
): Promise<string | null> {
  const [endpoint] = await sql.query<Behind>(
    `select id, event_types, fanned_out_seq from webhook_endpoint
      where state = 'enabled' and fanned_out_seq < (select max(seq) from event)
      order by fanned_out_seq, id limit 1 for update skip locked`,
  );
  if (endpoint === undefined) return null;
  const events = await sql.query<{ id: string; seq: bigint; type: string }>(
    'select id, seq, type from event where seq > $1 order by seq limit $2',
    [endpoint.fanned_out_seq, eventsMax],
  );
  const wanted = events.filter((event) => endpoint.event_types.some((pattern) => matches(pattern, event.type)));
  await sql.query(
    `insert into webhook_delivery (id, endpoint_id, event_id, state, next_attempt_at_ms, created_at_ms)
     select d.id, $3, d.event_id, 'pending', $4, $4 from unnest($1::uuid[], $2::uuid[]) as d (id, event_id)
     on conflict (endpoint_id, event_id) do nothing`,
    [wanted.map(() => newId()), wanted.map((event) => event.id), endpoint.id, nowMs],
  );
  await sql.query('update webhook_endpoint set fanned_out_seq = $2 where id = $1', [
    endpoint.id,
    events.at(-1)?.seq ?? endpoint.fanned_out_seq,
  ]);
  return endpoint.id;
}

/** `*` is all, `deposit.*` every type below `deposit.`. */
function matches(pattern: string, type: string): boolean {
  if (pattern.endsWith('*')) return type.startsWith(pattern.slice(0, -1));
  return pattern === type;
}

/** One attempt to make. */
export interface DueDelivery extends EventRow {
  readonly delivery_id: string;
  readonly url: string;
  readonly hmac_secret: string;
  /** This one included. */
  readonly attempts: number;
}

/**
 * Takes due deliveries, at most `limit` and `perEndpoint` of one endpoint, so that a receiver that hangs does not hold
 * up the others. They are due again at `leaseEndsMs` if the process dies over them.
 */
export async function claimDue(
  sql: Sql,
  at: { nowMs: number; leaseEndsMs: number; limit: number; perEndpoint: number },
): Promise<DueDelivery[]> {
  return sql.query<DueDelivery>(
    `with due as (
       select d.id from webhook_endpoint w cross join lateral (
         select id, next_attempt_at_ms from webhook_delivery
          where endpoint_id = w.id and state = 'pending' and next_attempt_at_ms <= $1
          order by next_attempt_at_ms, id limit $4 for update skip locked) d
        where w.state = 'enabled' order by d.next_attempt_at_ms, d.id limit $3)
     update webhook_delivery d set attempts = d.attempts + 1, next_attempt_at_ms = $2
       from due, webhook_endpoint w, event e
      where d.id = due.id and w.id = d.endpoint_id and e.id = d.event_id
     returning d.id as delivery_id, d.attempts, w.url, w.hmac_secret, e.id, e.seq, e.type, e.resource, e.resource_id, e.occurred_at_ms`,
    [at.nowMs, at.leaseEndsMs, at.limit, at.perEndpoint],
  );
}

export interface Attempt {
  readonly deliveryId: string;
  readonly attempts: number;
  /** HTTP status, null without answer. */
  readonly status: number | null;
  readonly error: string | null;
  readonly outcome: { state: 'delivered' } | { state: 'failed' } | { state: 'pending'; nextAttemptAtMs: number };
}

/** Writes what an attempt led to, unless the delivery was asked for anew meanwhile. */
export async function recordAttempt(sql: Sql, attempt: Attempt, nowMs: number): Promise<void> {
  const { outcome } = attempt;
  await sql.query(
    `update webhook_delivery
        set state = $3, last_status = $4, last_error = $5,
            next_attempt_at_ms = coalesce($6, next_attempt_at_ms), delivered_at_ms = $7
      where id = $1 and attempts = $2 and state = 'pending'`,
    [
      attempt.deliveryId,
      attempt.attempts,
      outcome.state,
      attempt.status,
      attempt.error,
      outcome.state === 'pending' ? outcome.nextAttemptAtMs : null,
      outcome.state === 'delivered' ? nowMs : null,
    ],
  );
}
