import type { Problem } from '@holdfast/core/contract/problem.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let api: TestApi;
let withdrawals = 0;

beforeAll(async () => {
  database = await testDatabase();
  api = await testApi({
    db: database.db,
    operations: {
      createWithdrawal: async () => {
        withdrawals += 1;
        throw new Failure('insufficient-funds', 'available 1, asked 2', { pointer: '/intent/amount' });
      },
      listSigners: async () => {
        throw new Error('connect ECONNREFUSED 10.1.2.3:5432 password=hunter2');
      },
    },
  });
});
afterAll(async () => {
  await api?.close();
  await database?.close();
});

const intent = {
  version: 1,
  kind: 'withdrawal',
  network: 'eip155:31337',
  asset: 'eip155:31337/slip44:60',
  amount: '1000',
  destination: '0x00000000000000000000000000000000000000aa',
  memo: null,
  customer: `cus_${'0'.repeat(36)}`,
  fee_max: '10',
  expires_at: '2030-01-01T00:00:00.000Z',
  nonce: 'abcdefgh',
};
const withdrawal = (change: object, top: object = {}) => ({
  client_reference: 'w-1',
  intent: { ...intent, ...change },
  authorization: { key_id: 'integrator', signature: '00'.repeat(64) },
  ...top,
});

async function problemOf(response: Response): Promise<Problem> {
  expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  const problem = (await response.json()) as Problem;
  expect(problem.status).toBe(response.status);
  expect(problem.request_id).toBe(response.headers.get('request-id'));
  expect(problem.type).toBe(`urn:holdfast:problem:${problem.code}`);
  expect(problem.title).not.toBe('');
  return problem;
}

describe('a withdrawal that does not fit its schema is refused before anything happens', () => {
  const rows: readonly (readonly [name: string, body: unknown, code: string, pointers: readonly string[]])[] = [
    ['zero', withdrawal({ amount: '0' }), 'invalid-amount', ['/intent/amount']],
    ['negative', withdrawal({ amount: '-5' }), 'invalid-amount', ['/intent/amount']],
    ['fractional base unit', withdrawal({ amount: '1.5' }), 'invalid-amount', ['/intent/amount']],
    ['exponent', withdrawal({ amount: '1e3' }), 'invalid-amount', ['/intent/amount']],
    ['leading zero', withdrawal({ amount: '01' }), 'invalid-amount', ['/intent/amount']],
    ['number instead of text', withdrawal({ amount: 1000 }), 'invalid-amount', ['/intent/amount']],
    ['79 digits', withdrawal({ amount: '9'.repeat(79) }), 'invalid-amount', ['/intent/amount']],
    ['negative fee', withdrawal({ fee_max: '-1' }), 'invalid-amount', ['/intent/fee_max']],
    ['unknown field', withdrawal({ gas: '1' }), 'invalid-request', ['/intent/gas']],
    ['unknown field at the top', withdrawal({}, { priority: true }), 'invalid-request', ['/priority']],
    ['missing amount', withdrawal({ amount: undefined }), 'invalid-request', ['/intent/amount']],
    ['two faults', withdrawal({ amount: '0', nonce: '' }), 'invalid-request', ['/intent/amount', '/intent/nonce']],
    ['malformed customer', withdrawal({ customer: 'alice' }), 'invalid-request', ['/intent/customer']],
    ['local time', withdrawal({ expires_at: '2030-01-01 00:00' }), 'invalid-request', ['/intent/expires_at']],
    ['NUL in a text', withdrawal({ memo: 'a\0b' }), 'invalid-request', ['/intent/memo']],
    ['unpaired surrogate', withdrawal({ memo: '\ud800' }), 'invalid-request', ['/intent/memo']],
    [
      'short signature',
      withdrawal({}, { authorization: { key_id: 'a', signature: '00' } }),
      'invalid-request',
      // It fits neither an integrator's signature nor a passkey's assertion, and what is wrong with either is told.
      [
        '/authorization',
        ...['authenticator_data', 'client_data_json', 'credential_id', 'key_id', 'signature'].map(
          (name) => `/authorization/${name}`,
        ),
      ],
    ],
    ['space in the reference', withdrawal({}, { client_reference: 'a b' }), 'invalid-request', ['/client_reference']],
    ['an array', [], 'invalid-request', ['']],
    ['no body', undefined, 'invalid-request', ['']],
  ];
  test.each(rows)('%s', async (_, body, code, pointers) => {
    const before = withdrawals;
    const response = await api.request('POST', '/v1/withdrawals', body);
    expect(response.status).toBe(400);
    const problem = await problemOf(response);
    expect(problem.code).toBe(code);
    expect(problem.errors.map((error) => error.pointer).toSorted()).toEqual(pointers);
    expect(problem.retryable).toBe(false);
    expect(withdrawals).toBe(before);
  });
});

test('a Failure of an operation becomes the problem of its row with its pointer', async () => {
  const problem = await problemOf(await api.request('POST', '/v1/withdrawals', withdrawal({})));
  expect(problem).toMatchObject({
    status: 422,
    code: 'insufficient-funds',
    detail: 'available 1, asked 2',
    retryable: false,
    errors: [{ pointer: '/intent/amount', detail: 'available 1, asked 2' }],
  });
});

test('an unexpected error says nothing of its cause', async () => {
  const response = await api.request('GET', '/v1/signers');
  const text = await response.clone().text();
  expect(text).not.toContain('hunter2');
  expect(text).not.toContain('10.1.2.3');
  expect(await problemOf(response)).toMatchObject({ status: 500, code: 'internal', retryable: true });
});

test('broken JSON, a body over 1 MiB, another media type and an unknown route are problems too', async () => {
  expect(await problemOf(await api.request('POST', '/v1/customers', '{"a":'))).toMatchObject({
    status: 400,
    code: 'invalid-request',
  });
  expect(await problemOf(await api.request('POST', '/v1/customers', '{"__proto__":{"x":1}}'))).toMatchObject({
    status: 400,
  });
  const big = JSON.stringify({ client_reference: 'x'.repeat(1_048_576) });
  expect(await problemOf(await api.request('POST', '/v1/customers', big))).toMatchObject({
    status: 413,
    code: 'body-too-large',
  });
  const text = await api.request('POST', '/v1/customers', '{}', { 'content-type': 'text/plain' });
  expect(await problemOf(text)).toMatchObject({ status: 400, code: 'invalid-request' });
  expect(await problemOf(await api.request('GET', '/v1/nothing'))).toMatchObject({ status: 404, code: 'not-found' });
  expect(await problemOf(await api.request('PUT', '/v1/customers', {}))).toMatchObject({
    status: 404,
    code: 'not-found',
  });
});

test.each([
  ['limit=0', '/query/limit'],
  ['limit=201', '/query/limit'],
  ['limit=ten', '/query/limit'],
  ['limit=1.5', '/query/limit'],
  ['limit=1&limit=2', '/query/limit'],
  ['state=lost', '/query/state'],
  ['colour=red', '/query/colour'],
  ['customer=dep_1', '/query/customer'],
  ['cursor=AAAA', '/query/cursor'],
  [`cursor=${Buffer.from('deposits:12').toString('base64url')}`, '/query/cursor'],
])('the query %s is refused at %s', async (query, pointer) => {
  const problem = await problemOf(await api.request('GET', `/v1/deposits?${query}`));
  expect(problem).toMatchObject({ status: 400, code: 'invalid-request' });
  expect(problem.errors.map((error) => error.pointer)).toEqual([pointer]);
});

test.each([
  '/v1/customers/alice',
  '/v1/customers/dep_0199a000-0000-7000-8000-000000000000',
  '/v1/deposits/dep_0199a000-0000-7000-8000-000000000000',
  "/v1/withdrawals/wd_'--",
])('the id in %s is not found', async (path) => {
  expect(await problemOf(await api.request('GET', path))).toMatchObject({ status: 404, code: 'not-found' });
});
