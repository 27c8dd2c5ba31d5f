import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { WebhookEndpointResource } from '@holdfast/core/contract/resources.ts';
import type { CreatedWebhookEndpoint, CreateWebhookEndpointBody } from '@holdfast/core/contract/bodies.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Sql } from './database.ts';
import { readPage } from './read-page.ts';

interface Row {
  readonly id: string;
  readonly client_reference: string;
  readonly url: string;
  readonly event_types: string[];
  readonly hmac_secret: string;
  readonly state: WebhookEndpointResource['state'];
  readonly created_at_ms: bigint;
}

const columns = 'id, client_reference, url, event_types, hmac_secret, state, created_at_ms';

function resource(row: Row): WebhookEndpointResource {
  return {
    object: 'webhook_endpoint',
    id: formatId('whk', row.id),
    client_reference: row.client_reference,
    url: row.url,
    event_types: row.event_types,
    state: row.state,
    created_at: formatTime(row.created_at_ms),
  };
}

/**
 * Registers an endpoint for the events from now on, or returns the one that has the reference.
 * @param made what the caller made for a new one: its id, secret, and the server's public key to answer with.
 * @throws Failure client-reference-taken when it exists with other content.
 */
export async function createWebhookEndpoint(
  sql: Sql,
  body: CreateWebhookEndpointBody,
  made: { id: string; hmacSecret: string; publicKey: string },
  nowMs: number,
): Promise<CreatedWebhookEndpoint> {
  const eventTypes = body.event_types ?? ['*'];
  const [created] = await sql.query<Row>(
    `insert into webhook_endpoint (id, client_reference, url, event_types, hmac_secret, state, fanned_out_seq, created_at_ms)
     values ($1, $2, $3, $4, $5, 'enabled', (select coalesce(max(seq), 0) from event), $6)
     on conflict (client_reference) do nothing returning ${columns}`,
    [made.id, body.client_reference, body.url, eventTypes, made.hmacSecret, nowMs],
  );
  const row = created ?? (await byReference(sql, body.client_reference));
  if (row.url !== body.url || row.event_types.join() !== eventTypes.join()) {
    throw new Failure(
      'client-reference-taken',
      `client_reference ${body.client_reference} names another webhook endpoint`,
      {
        pointer: '/client_reference',
      },
    );
  }
  return { ...resource(row), hmac_secret: row.hmac_secret, public_key: made.publicKey };
}

async function byReference(sql: Sql, reference: string): Promise<Row> {
  const [row] = await sql.query<Row>(`select ${columns} from webhook_endpoint where client_reference = $1`, [
    reference,
  ]);
  invariant(row, 'a webhook endpoint was deleted while it was created again');
  return row;
}

/** @throws Failure not-found. */
export async function getWebhookEndpoint(sql: Sql, id: string): Promise<WebhookEndpointResource> {
  const [row] = await sql.query<Row>(`select ${columns} from webhook_endpoint where id = $1`, [parseId('whk', id)]);
  if (row === undefined) throw notFound(id);
  return resource(row);
}

export async function listWebhookEndpoints(sql: Sql, query: PageQuery): Promise<Page<WebhookEndpointResource>> {
  const rows = await readPage<Row>(sql, `select ${columns} from webhook_endpoint`, 'id', [], query);
  return pageOf(rows, query.limit, (row) => row.id, resource);
}

/** Removes an endpoint with its deliveries. @throws Failure not-found. */
export async function deleteWebhookEndpoint(sql: Sql, id: string): Promise<void> {
  const rows = await sql.query('delete from webhook_endpoint where id = $1 returning id', [parseId('whk', id)]);
  if (rows.length === 0) throw notFound(id);
}

function notFound(id: string): Failure {
  return new Failure('not-found', `no webhook endpoint ${id}`);
}
