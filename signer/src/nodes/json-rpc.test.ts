import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createRpc } from './json-rpc.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(handle: RequestListener): Promise<string> {
  const server = createServer(handle);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const answer = JSON.stringify([{ jsonrpc: '2.0', id: 0, result: 7 }]);
const ask = async (url: string) => createRpc(url, 5_000)([{ method: 'getblockcount', params: [] }]);
const unavailable = { code: 'node-unavailable' };

test('gives the result', async () => {
  await expect(ask(await serve((_request, response) => response.end(answer)))).resolves.toEqual([7]);
});

test('follows no redirect', async () => {
  let asked = false;
  const other = await serve((_request, response) => {
    asked = true;
    response.end(answer);
  });
  const url = await serve((_request, response) => response.writeHead(307, { location: other }).end());
  await expect(ask(url)).rejects.toMatchObject(unavailable);
  expect(asked).toBe(false);
});

test('stops reading an answer that does not end', async () => {
  const block = Buffer.alloc(1 << 20, ' ');
  let sent = 0;
  const url = await serve((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && sent < 64) {
        sent += 1;
        if (!response.write(block)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  });
  await expect(ask(url)).rejects.toMatchObject(unavailable);
  expect(sent).toBeLessThan(32);
});
