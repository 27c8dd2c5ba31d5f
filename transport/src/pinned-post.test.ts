import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createIdentity, type Identity } from './certificate.ts';
import { createPinnedPost } from './pinned-post.ts';

let identity: Identity;
let server: Server;
let open: Set<Socket>;

/** Takes TCP connections and says nothing. */
beforeEach(async () => {
  identity = await createIdentity('caller', Date.now());
  open = new Set();
  server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  for (const socket of open) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

function silentPost(timeoutMs: number) {
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return createPinnedPost({ identity, url, fingerprint: '00'.repeat(32), timeoutMs });
}

test('a peer that takes the connection and stays silent lets every call end in time, and no socket open', async () => {
  const { post, close } = silentPost(500);
  const start = performance.now();
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, async () => post('/', {})));
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']));
  expect(performance.now() - start).toBeLessThan(1_500);
  await expect.poll(() => open.size, { timeout: 5_000 }).toBe(0);
  close();
}, 20_000);

test('closing ends the sockets whose handshake is under way', async () => {
  const { post, close } = silentPost(60_000);
  const call = expect(post('/', {})).rejects.toThrow('closed');
  await expect.poll(() => open.size).toBe(1);
  close();
  await call;
  await expect.poll(() => open.size).toBe(0);
});
