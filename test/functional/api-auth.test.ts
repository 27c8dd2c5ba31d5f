import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createClient } from '@holdfast/client/create-client.ts';
import { ed25519PrivateKey } from '@holdfast/client/keys.ts';
import { signRequest } from '@holdfast/client/sign-request.ts';
import { httpbis } from 'http-message-signatures';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, publicKeyOf, type TestApi, testApi } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let api: TestApi;
const readerSeed = randomBytes(32).toString('hex');

beforeAll(async () => {
  database = await testDatabase();
  api = await testApi({
    db: database.db,
    keys: [{ key_id: 'reader', public_key: publicKeyOf(readerSeed), scopes: ['read'] }],
  });
});
afterAll(async () => {
  await api?.close();
  await database?.close();
});

const nonce = (): string => randomBytes(12).toString('hex');

/** Signs a POST of a customer; `change` is made after signing. */
async function post(
  change: (request: { url: string; headers: Record<string, string>; body: string; method: string }) => void = () =>
    undefined,
) {
  const request = {
    method: 'POST',
    url: `${api.url}/v1/customers`,
    headers: { 'content-type': 'application/json', 'idempotency-key': nonce() } as Record<string, string>,
    body: JSON.stringify({ client_reference: nonce() }),
  };
  request.headers = await signRequest(
    request,
    { keyId: 'all', key: ed25519PrivateKey(api.seed) },
    { nowMs: api.clock.nowMs, nonce: nonce() },
  );
  change(request);
  const { url, ...init } = request;
  const response = await fetch(url, init);
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as { code?: string; detail?: string },
  };
}

/** Signs a GET by the library itself with what the test asks for. */
async function get(config: {
  fields?: string[];
  params?: string[];
  values?: object;
  key?: (data: Buffer) => Buffer;
  headers?: Record<string, string>;
  path?: string;
  method?: string;
  body?: string;
}) {
  const url = `${api.url}${config.path ?? '/v1/customers'}`;
  const signed = await httpbis.signMessage(
    {
      key: {
        id: 'all',
        alg: 'ed25519',
        sign: async (data) => config.key?.(data) ?? sign(null, data, ed25519PrivateKey(api.seed)),
      },
      fields: config.fields ?? ['@method', '@target-uri'],
      params: config.params ?? ['created', 'keyid', 'nonce'],
      paramValues: { created: new Date(api.clock.nowMs), nonce: nonce(), ...config.values },
    },
    { method: config.method ?? 'GET', url, headers: config.headers ?? {} },
  );
  const response = await fetch(url, {
    method: config.method ?? 'GET',
    headers: signed.headers,
    ...(config.body && { body: config.body }),
  });
  return { status: response.status, body: (await response.json()) as { code?: string; detail?: string } };
}

test('a signed request is served, and an unsigned one is not', async () => {
  expect((await post()).status).toBe(201);
  const bare = await fetch(`${api.url}/v1/customers`);
  expect(bare.status).toBe(401);
  expect(bare.headers.get('www-authenticate')).toBe('Signature');
  expect(await bare.json()).toMatchObject({ code: 'unauthenticated', detail: 'the request is not signed' });
});

test('only the four public paths are served without a signature', async () => {
  for (const path of ['/livez', '/readyz', '/metrics', '/openapi.json'])
    expect((await fetch(api.url + path)).status).toBe(200);
  for (const path of ['/v1/assets', '/v1/events', '/v1/events/stream', '/v1/alarms', '/v1/webhook_endpoints']) {
    expect((await fetch(api.url + path)).status).toBe(401);
  }
});

test('a body, target, method or idempotency key changed after signing is refused', async () => {
  const refused = { status: 401, body: { code: 'unauthenticated' } };
  expect(
    await post((request) => {
      request.body = request.body.replace('{', '{ ');
    }),
  ).toMatchObject(refused);
  expect(
    await post((request) => {
      request.url += '?x=1';
    }),
  ).toMatchObject(refused);
  expect(
    await post((request) => {
      request.headers['idempotency-key'] = 'other';
    }),
  ).toMatchObject(refused);
  expect(
    await post((request) => {
      request.body = '{"client_reference":"mallory"}';
      request.headers['content-digest'] = digestOf(request.body);
    }),
  ).toMatchObject(refused);
  expect(
    await post((request) => {
      delete request.headers['content-digest'];
    }),
  ).toMatchObject(refused);
});

test('a signature is good for 60 seconds before and after its time', async () => {
  for (const [ageSeconds, status] of [
    [59, 200],
    [61, 401],
    [-59, 200],
    [-62, 401],
  ] as const) {
    const { status: answered } = await get({ values: { created: new Date(api.clock.nowMs - ageSeconds * 1000) } });
    expect([ageSeconds, answered]).toEqual([ageSeconds, status]);
  }
});

test('a nonce is accepted once within the window, and a replay after it is too old', async () => {
  const request = { method: 'GET', url: `${api.url}/v1/customers`, headers: {}, body: undefined };
  const headers = await signRequest(
    request,
    { keyId: 'all', key: ed25519PrivateKey(api.seed) },
    { nowMs: api.clock.nowMs, nonce: 'once-and-only' },
  );
  const started = api.clock.nowMs;
  expect((await fetch(request.url, { headers })).status).toBe(200);
  const replay = await fetch(request.url, { headers });
  expect(replay.status).toBe(401);
  expect(await replay.json()).toMatchObject({ detail: 'this nonce was used before' });
  api.clock.nowMs = started + 59_000;
  expect(await (await fetch(request.url, { headers })).json()).toMatchObject({ detail: 'this nonce was used before' });
  api.clock.nowMs = started + 75_000;
  expect(await (await fetch(request.url, { headers })).json()).toMatchObject({
    detail: expect.stringContaining('75 s old'),
  });
  api.clock.nowMs = started;
});

test('a nonce that a forger sends is not used up', async () => {
  const values = { nonce: 'mine-not-yours' };
  expect((await get({ values, key: () => Buffer.alloc(64) })).status).toBe(401);
  expect((await get({ values })).status).toBe(200);
});

test('another key, an unknown key and another algorithm are refused', async () => {
  const stranger = generateKeyPairSync('ed25519').privateKey;
  expect((await get({ key: (data) => sign(null, data, stranger) })).status).toBe(401);
  expect((await get({ values: { keyid: 'nobody' } })).status).toBe(401);
  expect(await get({ params: ['created', 'keyid', 'nonce', 'alg'], values: { alg: 'hmac-sha256' } })).toMatchObject({
    status: 401,
    body: { detail: 'parameter alg must be ed25519' },
  });
});

test('what must be covered must be covered', async () => {
  expect((await get({ fields: ['@method', '@path', '@query'], path: '/v1/customers?limit=3' })).status).toBe(200);
  for (const fields of [['@target-uri'], ['@method'], ['@method', '@path'], ['@method', '@query'], []]) {
    expect([fields, (await get({ fields })).status]).toEqual([fields, 401]);
  }
  for (const params of [
    ['keyid', 'nonce'],
    ['created', 'nonce'],
    ['created', 'keyid'],
  ]) {
    expect([params, (await get({ params })).status]).toEqual([params, 401]);
  }
  const body = '{"client_reference":"x"}';
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'k', 'content-digest': digestOf(body) };
  const posted = { method: 'POST', headers, body };
  const all = ['@method', '@target-uri', 'content-digest', 'idempotency-key'];
  expect((await get({ ...posted, fields: all })).status).toBe(201);
  expect((await get({ ...posted, fields: all.filter((name) => name !== 'content-digest') })).status).toBe(401);
  expect((await get({ ...posted, fields: all.filter((name) => name !== 'idempotency-key') })).status).toBe(401);
});

test('a key without the scope is forbidden, and a signature for another origin is refused', async () => {
  const reader = createClient({
    baseUrl: api.url,
    keyId: 'reader',
    privateKey: readerSeed,
    now: () => api.clock.nowMs,
  });
  await expect(reader.listCustomers()).resolves.toMatchObject({ object: 'list' });
  await expect(reader.createCustomer({ client_reference: 'r' })).rejects.toMatchObject({ code: 'forbidden' });
  await expect(reader.listWebhookEndpoints()).rejects.toMatchObject({ code: 'forbidden' });
  const elsewhere = await testApi({ db: database.db, http: { origin: 'https://wallet.example' } });
  await expect(elsewhere.client.listCustomers()).rejects.toMatchObject({ code: 'unauthenticated' });
  await elsewhere.close();
});
