import { expect, test } from 'vitest';
import { buildHttp, type HttpOptions } from './build-http.ts';
import type { Operations } from './operations.ts';

const unused = async (): Promise<never> => {
  throw new Error('not used here');
};

function build(options: Partial<HttpOptions> = {}) {
  return buildHttp({} as Operations, {
    keys: [],
    idempotency: { begin: unused, complete: unused, release: unused },
    now: () => 0,
    newId: () => 'id',
    ...options,
  });
}

test('a server that is not ready says which part is not', async () => {
  const readiness = async () => ({ ready: false, checks: { database: 'ok', signers: '1 of 3' } });
  const app = await build({ readiness });
  const response = await app.inject('/readyz');
  expect([response.statusCode, response.json()]).toEqual([
    503,
    { status: 'unavailable', checks: await readiness().then((r) => r.checks) },
  ]);
  expect((await app.inject('/livez')).statusCode).toBe(200);
  await app.close();
});

test('requests are measured by the template of their route', async () => {
  const seen: (readonly [string, string, number])[] = [];
  const metrics = {
    text: async () => 'up 1\n',
    observeRequest: (method: string, route: string, status: number) => seen.push([method, route, status]),
  };
  const app = await build({ metrics });
  expect((await app.inject('/metrics')).body).toBe('up 1\n');
  await app.inject('/v1/customers/cus_1');
  await app.inject('/nothing/here');
  expect(seen).toEqual([
    ['GET', '/metrics', 200],
    ['GET', '/v1/customers/:id', 401],
    ['GET', 'none', 404],
  ]);
  await app.close();
});

test('a malformed path is a problem like any other', async () => {
  const app = await build();
  const response = await app.inject('/v1/customers/%zz');
  expect([response.statusCode, response.headers['content-type']]).toEqual([
    400,
    'application/problem+json; charset=utf-8',
  ]);
  expect(response.json()).toMatchObject({ code: 'invalid-request', request_id: 'req_id' });
  await app.close();
});
