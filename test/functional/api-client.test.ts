import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { verify } from 'node:crypto';
import { authorizeIntent } from '@holdfast/client/authorize-intent.ts';
import { createClient, type Client } from '@holdfast/client/create-client.ts';
import { ed25519PrivateKey } from '@holdfast/client/keys.ts';
import { intentDigest, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

/** A server that answers as the test says, to see what the client sends and how it takes trouble. */
let server: Server;
let client: Client;
let url: string;
let seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] = [];
let answers: ((index: number) => { status: number; body: string; type?: string } | 'hang up')[] = [];

const seed = '11'.repeat(32);
const problem = (status: number, code: string, retryable: boolean) => ({
  status,
  type: 'application/problem+json',
  body: JSON.stringify({
    type: 'urn:x',
    title: 'do this',
    status,
    code,
    detail: 'because',
    request_id: 'req_1',
    retryable,
    errors: [{ pointer: '/a', detail: 'b' }],
  }),
});
const emptyList = { status: 200, body: '{"object":"list","data":[],"has_more":false,"next_cursor":null}' };

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      seen.push({ method: request.method!, url: request.url!, headers: request.headers, body });
      const answer = (answers[seen.length - 1] ?? answers.at(-1)!)(seen.length);
      if (answer === 'hang up') request.socket.destroy();
      else response.writeHead(answer.status, { 'content-type': answer.type ?? 'application/json' }).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = createClient({ baseUrl: `${url}/`, keyId: 'k', privateKey: seed });
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  seen = [];
  answers = [() => emptyList];
});

test('a GET is asked again for a passing trouble, four times at most, with a new nonce each', async () => {
  answers = [() => problem(503, 'node-unavailable', true), () => 'hang up', () => emptyList];
  expect((await client.listAssets()).data).toEqual([]);
  expect(new Set(seen.map((request) => request.headers['signature'])).size).toBe(3);
  seen = [];
  answers = [() => problem(503, 'node-unavailable', true)];
  await expect(client.listAssets()).rejects.toMatchObject({
    code: 'node-unavailable',
    problem: { request_id: 'req_1' },
  });
  expect(seen.length).toBe(4);
});

test('a refusal is not asked again and keeps its code, way out and pointer', async () => {
  answers = [() => problem(400, 'invalid-request', false)];
  await expect(client.listAssets()).rejects.toMatchObject({
    code: 'invalid-request',
    message: 'because',
    fix: 'do this',
    pointer: '/a',
  });
  expect(seen.length).toBe(1);
  answers = [() => problem(418, 'from-the-future', false)];
  await expect(client.listAssets()).rejects.toMatchObject({ code: 'internal', problem: { code: 'from-the-future' } });
});

test('a POST is sent once; an answer that was lost is an unknown outcome, never a failure', async () => {
  answers = [() => 'hang up'];
  await expect(client.createCustomer({ client_reference: 'a' })).rejects.toMatchObject({ code: 'outcome_unknown' });
  expect(seen.length).toBe(1);
  answers = [() => problem(503, 'signers-unavailable', true)];
  await expect(client.createCustomer({ client_reference: 'a' })).rejects.toMatchObject({ code: 'signers-unavailable' });
  expect(seen.length).toBe(2);
});

test('a proxy that answers without problem details is told as it is', async () => {
  answers = [() => ({ status: 403, body: '<html>', type: 'text/html' })];
  await expect(client.listAssets()).rejects.toThrow('HTTP 403 without problem details: <html>');
});

test('input goes where its route has it: path, query or body, with a key for each POST', async () => {
  await client.listDeliveries({ id: 'whk_/..', limit: 3, cursor: 'a&b' });
  await client.createCustomer({ client_reference: 'a' });
  await client.createCustomer({ client_reference: 'a' }, { idempotencyKey: 'mine' });
  expect(seen.map((request) => `${request.method} ${request.url}`)).toEqual([
    'GET /v1/webhook_endpoints/whk_%2F../deliveries?limit=3&cursor=a%26b',
    'POST /v1/customers',
    'POST /v1/customers',
  ]);
  expect(seen[1]!.body).toBe('{"client_reference":"a"}');
  expect(seen[1]!.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/);
  expect(seen[2]!.headers['idempotency-key']).toBe('mine');
  expect(seen[0]!.headers['idempotency-key']).toBeUndefined();
});

test('a call ends when its signal does', async () => {
  await expect(client.listAssets({}, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  expect(seen.length).toBe(0);
});

test('an authorisation is an Ed25519 signature over the digest of the intent', () => {
  const intent: WithdrawalIntent = {
    version: 1,
    kind: 'withdrawal',
    network: 'eip155:1',
    asset: 'eip155:1/slip44:60',
    amount: '1',
    destination: '0x',
    memo: null,
    customer: 'cus_0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b',
    fee_max: '0',
    expires_at: '2030-01-01T00:00:00.000Z',
    nonce: 'abcdefgh',
  };
  const { key_id, signature } = authorizeIntent(intent, { keyId: 'integrator', privateKey: seed });
  expect(key_id).toBe('integrator');
  const publicKey = createPublicKey(ed25519PrivateKey(seed));
  expect(verify(null, intentDigest(intent), publicKey, Buffer.from(signature, 'hex'))).toBe(true);
  expect(verify(null, intentDigest({ ...intent, amount: '2' }), publicKey, Buffer.from(signature, 'hex'))).toBe(false);
  expect(() => ed25519PrivateKey('11')).toThrow('64 hex digits');
});
