import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { postWebhook } from './post-webhook.ts';

const inside = { address: '127.0.0.1', family: 4 };
const outside = { address: '8.8.8.8', family: 4 };
vi.mock('node:dns', () => ({
  lookup: (name: string, _: object, callback: (error: null, addresses: object[]) => void) =>
    callback(null, name === 'both.example' ? [outside, inside] : [inside]),
}));

let server: Server;
let port: number;
let calls = 0;

beforeAll(async () => {
  server = createServer((_, response) => {
    calls += 1;
    response.writeHead(200).end('x'.repeat(1_000_000));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test.each(['inside.example', 'both.example'])('a name with a private address, %s, is not called', async (name) => {
  const call = postWebhook(`http://${name}:${port}/`, {}, '{}', { allowPrivate: false, timeoutMs: 2_000 });
  await expect(call).rejects.toThrow(`${name} leads to 127.0.0.1, which is not public`);
  expect(calls).toBe(0);
});

test('an address is called where private ones are allowed', async () => {
  const status = await postWebhook(`http://127.0.0.1:${port}/`, {}, '{}', { allowPrivate: true, timeoutMs: 2_000 });
  expect([status, calls]).toEqual([200, 1]);
});
