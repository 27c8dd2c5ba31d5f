import type { CustomerResource } from '@holdfast/core/contract/resources.ts';
import { createClient } from '@holdfast/client/create-client.ts';
import { forgetIdempotencyKeys } from '@holdfast/server/jobs/forget-idempotency.ts';
import { createCustomer } from '@holdfast/server/store/customers.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let api: TestApi;
/** What createCustomer waits for. */
let gate: Promise<void>;
let open: () => void;

beforeAll(async () => {
  database = await testDatabase();
  const operations = {
    createCustomer: async (body: { client_reference: string }): Promise<CustomerResource> => {
      await gate;
      return database.db.transaction((sql) => createCustomer(sql, body, api.newId, api.clock.nowMs));
    },
  };
  api = await testApi({
    db: database.db,
    operations,
    http: { limits: { inFlightMax: 20, perSecond: 10, burst: 60 } },
  });
});
afterAll(async () => {
  await api?.close();
  await database?.close();
});
beforeEach(() => {
  gate = new Promise((resolve) => (open = resolve));
  // The bucket is full again.
  api.clock.nowMs += 30_000;
});

const post = async (reference: string) => {
  const response = await api.request('POST', '/v1/customers', { client_reference: reference });
  const { code } = (await response.json()) as { code?: string };
  return { reference, status: response.status, code, retryAfter: response.headers.get('retry-after') };
};
const stored = async (like: string): Promise<Set<string>> => {
  const rows = await database.db.query<{ client_reference: string }>(
    'select client_reference from customer where client_reference like $1',
    [like],
  );
  return new Set(rows.map((row) => row.client_reference));
};
const remembered = async (): Promise<number> => (await database.db.query('select from api_idempotency')).length;

test('of a burst what is accepted is there and what is refused left nothing', async () => {
  const before = await remembered();
  let ended = 0;
  const burst = Array.from({ length: 50 }, (_, i) => post(`burst-${i}`).finally(() => ended++));
  // The refusals come at once, while those inside wait.
  await expect.poll(() => ended).toBe(30);
  open();
  const answers = await Promise.all(burst);
  const accepted = answers.filter(({ status }) => status === 201);
  const refused = answers.filter(({ status }) => status !== 201);
  expect(accepted).toHaveLength(20);
  for (const one of refused) expect(one).toMatchObject({ status: 503, code: 'overloaded', retryAfter: '1' });
  expect(await stored('burst-%')).toEqual(new Set(accepted.map(({ reference }) => reference)));
  expect(await remembered()).toBe(before + 20);
});

test('a key that asks too often is told how long to wait, and may ask again then', async () => {
  open();
  const answers = [];
  for (let i = 0; i < 62; i++) answers.push(await post(`often-${i}`));
  expect(answers.slice(0, 60).map(({ status }) => status)).toEqual(Array(60).fill(201));
  for (const one of answers.slice(60))
    expect(one).toMatchObject({ status: 429, code: 'rate-limited', retryAfter: '1' });
  expect((await stored('often-%')).size).toBe(60);
  api.clock.nowMs += 1_000;
  expect((await post('often-again')).status).toBe(201);
});

test('neither limit keeps anybody from halting', async () => {
  const inside = Array.from({ length: 20 }, (_, i) => post(`inside-${i}`));
  await expect.poll(async () => (await post('one more')).code).toBe('overloaded');
  const halted = await api.request('POST', '/v1/halts', {});
  expect(halted.status).not.toBe(503);
  expect(halted.status).not.toBe(429);
  open();
  await Promise.all(inside);
});

test('the client waits as long as it is asked to and sends a POST again that nothing was done of, with its key', async () => {
  open();
  const keys = new Set<string | null>();
  let refusals = 2;
  const busy: typeof fetch = async (input, init) => {
    keys.add(new Headers(init?.headers).get('idempotency-key'));
    if (refusals-- <= 0) return fetch(input, init);
    const problem = { code: 'overloaded', detail: 'busy', status: 503, retryable: true };
    return new Response(JSON.stringify(problem), { status: 503, headers: { 'retry-after': '1' } });
  };
  const options = { baseUrl: api.url, keyId: 'all', privateKey: api.seed, now: () => api.clock.nowMs };
  const beganMs = performance.now();
  const made = await createClient({ ...options, fetch: busy }).createCustomer({ client_reference: 'patient' });
  expect(made.client_reference).toBe('patient');
  expect(performance.now() - beganMs).toBeGreaterThan(1_990);
  expect(keys.size).toBe(1);
  const later: typeof fetch = async () =>
    new Response(JSON.stringify({ code: 'rate-limited', detail: 'no', status: 429, retryable: true }), {
      status: 429,
      headers: { 'retry-after': '3600' },
    });
  const impatient = createClient({ ...options, fetch: later });
  await expect(impatient.createCustomer({ client_reference: 'x' })).rejects.toMatchObject({
    code: 'rate-limited',
    retryAfterS: 3600,
  });
});

test('old Idempotency-Keys are removed, and a request of then is still done once', async () => {
  open();
  const ask = () => api.request('POST', '/v1/customers', { client_reference: 'old' }, { 'idempotency-key': 'old-key' });
  const first = (await (await ask()).json()) as CustomerResource;
  const ctx = { db: database.db, now: () => api.clock.nowMs };
  const count = await remembered();
  api.clock.nowMs += 6 * 86_400_000;
  expect(await forgetIdempotencyKeys(ctx)).toBe(0);
  api.clock.nowMs += 2 * 86_400_000;
  expect(await forgetIdempotencyKeys(ctx)).toBe(count);
  expect(await remembered()).toBe(0);
  expect(((await (await ask()).json()) as CustomerResource).id).toBe(first.id);
});
