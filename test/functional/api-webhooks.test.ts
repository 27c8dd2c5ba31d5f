import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { verifyWebhook } from '@holdfast/client/verify-webhook.ts';
import type { EventResource } from '@holdfast/core/contract/resources.ts';
import { deliverWebhooks, type DeliverWebhooksOptions } from '@holdfast/server/jobs/deliver-webhooks.ts';
import { sequenceEvents } from '@holdfast/server/jobs/sequence-events.ts';
import { insertEvents } from '@holdfast/server/store/events.ts';
import { attemptsMax } from '@holdfast/server/webhooks/retry-delay.ts';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly event: EventResource;
}

let database: TestDatabase;
let api: TestApi;
let receiver: Server;
let url: string;
let received: Received[] = [];
/** What the receiver answers; undefined never answers. */
let answer: (received: Received) => number | undefined | Promise<number> = () => 204;

beforeAll(async () => {
  database = await testDatabase();
  receiver = createServer((request, response) => {
    void text(request).then(async (body) => {
      const got = { path: request.url!, headers: request.headers, body, event: JSON.parse(body) as EventResource };
      received.push(got);
      const status = await answer(got);
      if (status !== undefined) response.writeHead(status, status === 302 ? { location: `${url}/stolen` } : {}).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
});
afterAll(async () => {
  receiver?.closeAllConnections();
  receiver?.close();
  await database?.close();
});
beforeEach(async () => {
  await database.db.query('delete from webhook_endpoint');
  await database.db.query('delete from event');
  received = [];
  answer = () => 204;
  api = await testApi({ db: database.db });
});
afterEach(() => api.close());

async function happen(...types: string[]): Promise<void> {
  const events = types.map((type) => ({ id: api.newId(), type, resource: 'deposit', resourceId: api.newId() }));
  await insertEvents(database.db, events, api.clock.nowMs);
  await sequenceEvents(database);
}

const deliver = (options: Partial<DeliverWebhooksOptions> = {}): Promise<number> =>
  deliverWebhooks({
    db: database.db,
    now: () => api.clock.nowMs,
    newId: api.newId,
    signingKey: api.webhookKey,
    allowPrivate: true,
    random: () => 0.5,
    timeoutMs: 2_000,
    ...options,
  });

let references = 0;
const endpointAt = (path: string, event_types?: string[]) =>
  api.client.createWebhookEndpoint({
    client_reference: `endpoint-${(references += 1)}`,
    url: url + path,
    ...(event_types && { event_types }),
  });

test('an event is delivered once to each endpoint that asks for its type', async () => {
  await happen('deposit.seen');
  await endpointAt('/all');
  await endpointAt('/deposits', ['deposit.*']);
  await endpointAt('/settled', ['withdrawal.settled', 'withdrawal.released']);
  await happen('deposit.credited', 'withdrawal.settled');
  expect(await deliver()).toBe(4);
  expect(await deliver()).toBe(0);
  expect(received.map((got) => `${got.path} ${got.event.type}`).toSorted()).toEqual([
    '/all deposit.credited',
    '/all withdrawal.settled',
    '/deposits deposit.credited',
    '/settled withdrawal.settled',
  ]);
});

test('both signatures verify: by the Standard Webhooks library and by the client', async () => {
  const endpoint = await endpointAt('/hook');
  await happen('deposit.credited');
  await deliver();
  const { headers, body, event } = received[0]!;
  expect(event).toEqual((await api.client.listEvents({ limit: 1 })).data[0]);
  expect(headers['content-type']).toBe('application/json');
  expect(headers['webhook-id']).toBe(event.id);
  const library = new Webhook(endpoint.hmac_secret);
  expect(library.verify(body, headers as Record<string, string>)).toEqual(event);
  expect(String(headers['webhook-signature'])).toContain(library.sign(event.id, new Date(api.clock.nowMs), body));
  const { nowMs } = api.clock;
  for (const key of [endpoint.hmac_secret, endpoint.public_key]) {
    expect(verifyWebhook(headers, body, key, nowMs)).toEqual(event);
    expect(() => verifyWebhook(headers, `${body} `, key, nowMs)).toThrow(/no webhook-signature/);
    expect(() => verifyWebhook({ ...headers, 'webhook-id': 'evt_other' }, body, key, nowMs)).toThrow(
      /no webhook-signature/,
    );
    expect(() => verifyWebhook(headers, body, key, nowMs + 301_000)).toThrow(/5 minutes/);
  }
  const other = await endpointAt('/other');
  expect(() => verifyWebhook(headers, body, other.hmac_secret, nowMs)).toThrow(/no webhook-signature/);
});

test('a refused delivery is tried again later, under the same id and a new timestamp', async () => {
  const endpoint = await endpointAt('/hook');
  await happen('deposit.credited');
  const answers = [500, 404, 302, 200];
  answer = () => answers[received.length - 1]!;
  const log = async () => (await api.client.listDeliveries({ id: endpoint.id })).data[0]!;
  for (const [delayMs, status] of [
    [10_000, 500],
    [30_000, 404],
    [60_000, 302],
  ] as const) {
    expect(await deliver()).toBe(1);
    expect(await log()).toMatchObject({ state: 'pending', last_status: status, last_error: `answered ${status}` });
    api.clock.nowMs += delayMs - 1;
    expect(await deliver()).toBe(0);
    api.clock.nowMs += 1;
  }
  expect(await deliver()).toBe(1);
  expect(await log()).toMatchObject({ state: 'delivered', attempts: 4, last_status: 200, last_error: null });
  expect(received.map((got) => got.path)).toEqual(['/hook', '/hook', '/hook', '/hook']);
  expect(new Set(received.map((got) => got.headers['webhook-id'])).size).toBe(1);
  expect(new Set(received.map((got) => got.headers['webhook-timestamp'])).size).toBe(4);
});

test('after three days a delivery has failed, and redeliver begins anew', async () => {
  const endpoint = await endpointAt('/hook');
  await happen('deposit.credited');
  answer = () => 503;
  const startMs = api.clock.nowMs;
  let rounds = 0;
  for (; rounds < 100; rounds += 1) {
    await deliver();
    const [delivery] = (await api.client.listDeliveries({ id: endpoint.id })).data;
    if (delivery!.state === 'failed') break;
    api.clock.nowMs = Date.parse(delivery!.next_attempt_at);
  }
  expect(rounds + 1).toBe(attemptsMax);
  const days = (api.clock.nowMs - startMs) / 86_400_000;
  expect(days).toBeGreaterThan(2.9);
  expect(days).toBeLessThan(3.1);
  expect(await deliver()).toBe(0);
  const [failed] = (await api.client.listDeliveries({ id: endpoint.id })).data;
  answer = () => 200;
  expect(await api.client.redeliver({ id: failed!.id })).toMatchObject({ state: 'pending', attempts: 0 });
  expect(await deliver()).toBe(1);
  expect((await api.client.listDeliveries({ id: endpoint.id })).data[0]).toMatchObject({
    state: 'delivered',
    attempts: 1,
  });
});

test('a receiver that hangs or is gone is an attempt like another and does not stop the others', async () => {
  await endpointAt('/hangs');
  await endpointAt('/answers');
  const gone = await api.client.createWebhookEndpoint({ client_reference: 'gone', url: 'http://127.0.0.1:1/' });
  await happen('deposit.credited');
  answer = (got) => (got.path === '/hangs' ? undefined : 200);
  expect(await deliver({ timeoutMs: 300 })).toBe(3);
  const states = await database.db.query<{ state: string }>('select state from webhook_delivery order by state');
  expect(states.map((row) => row.state)).toEqual(['delivered', 'pending', 'pending']);
  const [delivery] = (await api.client.listDeliveries({ id: gone.id })).data;
  expect(delivery).toMatchObject({ last_status: null, last_error: expect.stringContaining('ECONNREFUSED') });
});

test('a server killed over a delivery makes it again after its lease, and no other at the same time', async () => {
  await endpointAt('/hook');
  await happen('deposit.credited');
  answer = () => undefined;
  const dying = deliver({ timeoutMs: 500 });
  await expect.poll(() => received.length).toBe(1);
  expect(await deliver()).toBe(0);
  await dying;
  // As if the process had died before it wrote the result.
  await database.db.query(`update webhook_delivery set next_attempt_at_ms = $1`, [api.clock.nowMs + 30_500]);
  answer = () => 200;
  api.clock.nowMs += 30_500;
  expect(await deliver()).toBe(1);
  expect(received.length).toBe(2);
});

test('a delivery asked for anew while an attempt runs is not undone by that attempt', async () => {
  const endpoint = await endpointAt('/hook');
  await happen('deposit.credited');
  const gate = Promise.withResolvers<number>();
  answer = () => gate.promise;
  const running = deliver();
  await expect.poll(() => received.length).toBe(1);
  const [delivery] = (await api.client.listDeliveries({ id: endpoint.id })).data;
  await api.client.redeliver({ id: delivery!.id });
  gate.resolve(500);
  await running;
  answer = () => 200;
  expect(await deliver()).toBe(1);
  expect((await api.client.listDeliveries({ id: endpoint.id })).data[0]).toMatchObject({ state: 'delivered' });
});

test('one endpoint takes at most a quarter of a round', async () => {
  await endpointAt('/slow');
  await endpointAt('/other');
  await happen(...Array.from({ length: 20 }, () => 'deposit.credited'));
  expect(await deliver({ concurrency: 16 })).toBe(8);
  expect(received.filter((got) => got.path === '/slow').length).toBe(4);
});

test('endpoints are created once for a reference, listed without secrets, and deleted with their deliveries', async () => {
  const body = { client_reference: 'mine', url: `${url}/hook`, event_types: ['deposit.*'] };
  const first = await api.client.createWebhookEndpoint(body);
  expect(first).toMatchObject({
    hmac_secret: expect.stringMatching(/^whsec_/),
    public_key: expect.stringMatching(/^whpk_/),
    state: 'enabled',
  });
  expect(await api.client.createWebhookEndpoint(body)).toEqual(first);
  await expect(api.client.createWebhookEndpoint({ ...body, url: `${url}/x` })).rejects.toMatchObject({
    code: 'client-reference-taken',
  });
  const { data } = await api.client.listWebhookEndpoints();
  expect(data.length).toBe(1);
  expect(JSON.stringify(data)).not.toContain('whsec_');
  await happen('deposit.seen');
  await deliver();
  expect((await api.client.listDeliveries({ id: first.id })).data.length).toBe(1);
  await api.client.deleteWebhookEndpoint({ id: first.id });
  await expect(api.client.getWebhookEndpoint({ id: first.id })).rejects.toMatchObject({ code: 'not-found' });
  await expect(api.client.deleteWebhookEndpoint({ id: first.id })).rejects.toMatchObject({ code: 'not-found' });
  await expect(api.client.listDeliveries({ id: first.id })).rejects.toMatchObject({ code: 'not-found' });
});

test('a URL that leads inside is refused when it is given and when it is called', async () => {
  const strict = await testApi({ db: database.db, allowPrivate: false });
  const refused = [
    'ftp://example.com/',
    'file:///etc/passwd',
    'http://user:pw@example.com/',
    'not a url',
    'http://localhost:9/',
    `${url}/`,
    'http://[::1]/',
    'http://[::ffff:10.0.0.1]/',
    'http://169.254.169.254/latest/meta-data',
    'http://0x7f000001/',
    'http://2130706433/',
    'http://10.1.1.1.:80/',
  ];
  for (const bad of refused) {
    const creation = strict.client.createWebhookEndpoint({ client_reference: 'bad', url: bad });
    await expect(creation, bad).rejects.toMatchObject({ code: 'invalid-request', pointer: '/url' });
  }
  await strict.close();
  // Registered while private addresses were allowed, or through a name that changed its address since.
  const byAddress = await endpointAt('/inside');
  const byName = await api.client.createWebhookEndpoint({
    client_reference: 'by-name',
    url: url.replace('127.0.0.1', 'localhost'),
  });
  await happen('deposit.credited');
  expect(await deliver({ allowPrivate: false })).toBe(2);
  expect(received).toEqual([]);
  for (const { id } of [byAddress, byName]) {
    const [delivery] = (await api.client.listDeliveries({ id })).data;
    expect(delivery).toMatchObject({
      state: 'pending',
      last_status: null,
      last_error: expect.stringMatching(/public/),
    });
  }
});
