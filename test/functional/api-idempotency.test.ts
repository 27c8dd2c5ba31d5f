import type { CustomerResource } from '@holdfast/core/contract/resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { idempotencyStore } from '@holdfast/server/store/idempotency.ts';
import { createCustomer } from '@holdfast/server/store/customers.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let api: TestApi;
/** Runs inside createCustomer: before its transaction, and after its commit. */
let before: () => Promise<void> = async () => undefined;
let after: () => Promise<void> = async () => undefined;
let calls = 0;

beforeAll(async () => {
  database = await testDatabase();
  api = await testApi({ db: database.db, operations: { createCustomer: create } });
});
afterAll(async () => {
  await api?.close();
  await database?.close();
});
beforeEach(() => {
  before = after = async () => undefined;
  calls = 0;
});

async function create(body: { client_reference: string }): Promise<CustomerResource> {
  calls += 1;
  await before();
  const customer = await database.db.transaction((sql) => createCustomer(sql, body, api.newId, api.clock.nowMs));
  await after();
  return customer;
}

let keys = 0;
const newKey = (): string => `key-${(keys += 1)}`;

async function post(key: string, reference: string, to = api) {
  const response = await to.request(
    'POST',
    '/v1/customers',
    { client_reference: reference },
    { 'idempotency-key': key },
  );
  return {
    status: response.status,
    replayed: response.headers.get('idempotent-replayed'),
    body: (await response.json()) as CustomerResource & { code?: string },
  };
}

async function customersNamed(reference: string): Promise<number> {
  return (await database.db.query('select 1 from customer where client_reference = $1', [reference])).length;
}

test('the same key and body replay the stored answer without running again', async () => {
  const key = newKey();
  const first = await post(key, 'replay');
  const second = await post(key, 'replay');
  expect(first).toMatchObject({ status: 201, replayed: null });
  expect(second).toEqual({ status: 201, replayed: 'true', body: first.body });
  expect(calls).toBe(1);
});

test('the same key with another body is refused and changes nothing', async () => {
  const key = newKey();
  await post(key, 'one');
  expect(await post(key, 'two')).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } });
  expect(await customersNamed('two')).toBe(0);
});

test('a request while the first runs is told to wait, and replays afterwards', async () => {
  const key = newKey();
  const entered = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  before = () => {
    entered.resolve();
    return gate.promise;
  };
  const first = post(key, 'slow');
  await entered.promise;
  expect(await post(key, 'slow')).toMatchObject({
    status: 409,
    body: { code: 'idempotency-in-flight', retryable: true },
  });
  expect(await post(key, 'other')).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } });
  gate.resolve();
  expect(await first).toMatchObject({ status: 201 });
  expect(await post(key, 'slow')).toMatchObject({ status: 201, replayed: 'true' });
});

test('of twenty requests at once with one key exactly one runs', async () => {
  const key = newKey();
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(key, 'at-once')));
  expect(calls).toBe(1);
  const ids = new Set(answers.filter((answer) => answer.status === 201).map((answer) => answer.body.id));
  expect(ids.size).toBe(1);
  expect(answers.every((answer) => answer.status === 201 || answer.status === 409)).toBe(true);
  expect(answers.some((answer) => answer.replayed === null && answer.status === 201)).toBe(true);
});

test('two callers may use the same key, and two keys with one reference name one customer', async () => {
  const first = await post(newKey(), 'shared');
  const second = await post(newKey(), 'shared');
  expect(second).toMatchObject({ status: 201, replayed: null });
  expect(second.body.id).toBe(first.body.id);
  expect(await customersNamed('shared')).toBe(1);
  const events = await database.db.query('select 1 from event where resource_id = $1', [first.body.id.slice(4)]);
  expect(events.length).toBe(1);
});

test('a request that fails its schema or is refused does not burn its key', async () => {
  const key = newKey();
  expect(await post(key, 'with space')).toMatchObject({ status: 400 });
  before = async () => {
    throw new Failure('insufficient-funds', 'no');
  };
  expect(await post(key, 'unburnt')).toMatchObject({ status: 422, body: { code: 'insufficient-funds' } });
  before = async () => undefined;
  expect(await post(key, 'unburnt-2')).toMatchObject({ status: 201, replayed: null });
});

test('an unexpected error keeps the key for the same body, which runs again', async () => {
  const key = newKey();
  after = async () => {
    throw new Error('connection lost after commit');
  };
  expect(await post(key, 'open')).toMatchObject({ status: 500, body: { code: 'internal' } });
  after = async () => undefined;
  expect(await post(key, 'another')).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } });
  expect(await post(key, 'open')).toMatchObject({ status: 201, replayed: null });
  expect(await post(key, 'open')).toMatchObject({ status: 201, replayed: 'true' });
  expect(await customersNamed('open')).toBe(1);
});

test('a POST without a key is refused', async () => {
  const response = await api.request(
    'POST',
    '/v1/customers',
    { client_reference: 'k' },
    { 'idempotency-key': undefined },
  );
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'idempotency-key-missing' });
  expect(await post('x'.repeat(256), 'k')).toMatchObject({ status: 400, body: { code: 'idempotency-key-missing' } });
  expect(await customersNamed('k')).toBe(0);
});

/** What each death leaves in the database; the retry goes to a new server on it. */
const deaths: readonly (readonly [point: string, leave: (key: string, reference: string) => Promise<unknown>])[] = [
  ['before the key was written', async () => undefined],
  ['after the key was written', (key, reference) => dieIn(key, reference, { before: true })],
  ['after the operation committed', (key, reference) => dieIn(key, reference, { after: true })],
  ['after the answer was stored', (key, reference) => post(key, reference)],
];

/** The first server never gets past a point, as if it had been killed there. */
async function dieIn(key: string, reference: string, at: { before?: boolean; after?: boolean }): Promise<void> {
  const entered = Promise.withResolvers<void>();
  const never = (): Promise<never> => {
    entered.resolve();
    return Promise.withResolvers<never>().promise;
  };
  if (at.before) before = never;
  if (at.after) after = never;
  const dying = await testApi({ db: database.db, operations: { createCustomer: create } });
  const hung = post(key, reference, dying).catch(() => undefined);
  await entered.promise;
  before = after = async () => undefined;
  await dying.close();
  await hung;
}

test.each(deaths)('a server killed %s leaves one customer after the retry', async (point, leave) => {
  const key = newKey();
  const reference = `killed-${point.replaceAll(' ', '-')}`;
  await leave(key, reference);
  const restarted = await testApi({ db: database.db, operations: { createCustomer: create } });
  const retry = await post(key, reference, restarted);
  expect(retry.status).toBe(201);
  expect(await post(key, reference, restarted)).toEqual({ ...retry, replayed: 'true' });
  expect(await post(key, 'something-else', restarted)).toMatchObject({ status: 422 });
  expect(await customersNamed(reference)).toBe(1);
  await restarted.close();
});

test('the store tells a known key from a new one and forgets only what has no answer', async () => {
  const store = idempotencyStore(database.db, () => 1);
  const key = { keyId: 'k', key: newKey() };
  expect(await store.begin(key, 'f')).toBeNull();
  expect(await store.begin(key, 'g')).toEqual({ fingerprint: 'f', response: null });
  expect(await store.begin({ ...key, keyId: 'another caller' }, 'g')).toBeNull();
  await store.complete(key, { status: 201, body: { a: [1, null] } });
  await store.release(key);
  expect(await store.begin(key, 'f')).toEqual({ fingerprint: 'f', response: { status: 201, body: { a: [1, null] } } });
});
