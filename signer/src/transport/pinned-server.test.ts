import { X509Certificate } from 'node:crypto';
import type { Server } from 'node:https';
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import Type from 'typebox';
import { createIdentity, fingerprintOf, type Identity } from '@holdfast/transport/certificate.ts';
import { createPinnedPost } from '@holdfast/transport/pinned-post.ts';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createPinnedServer, type Route } from './pinned-server.ts';

let own: Identity;
let caller: Identity;
let peer: Identity;
let server: Server;
let port: number;
const sockets: Socket[] = [];

const routes = new Map<string, Route>([
  ['/ok', { role: 'server', request: Type.Object({}), handle: async () => ({ ok: true }) }],
  [
    '/fail',
    { role: 'server', request: Type.Object({}), handle: () => Promise.reject(new RangeError('the share 123')) },
  ],
]);
const fingerprint = (identity: Identity) => fingerprintOf(new X509Certificate(identity.certificate));

beforeAll(async () => {
  [own, caller, peer] = (await Promise.all(
    ['own', 'server', 'peer'].map(async (name) => createIdentity(name, Date.now())),
  )) as [Identity, Identity, Identity];
  const callers = [
    { role: 'server' as const, name: 'server', fingerprint: fingerprint(caller) },
    { role: 'peer' as const, name: 'signer-2', fingerprint: fingerprint(peer) },
  ];
  server = createPinnedServer(own, callers, routes);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await expect.poll(connections).toBe(0);
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function connections(): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

/** A connection after its handshake. */
async function secure(identity: Identity): Promise<TLSSocket> {
  const { certificate: cert, privateKey: key } = identity;
  const socket = connect({ host: '127.0.0.1', port, cert, key, rejectUnauthorized: false });
  sockets.push(socket);
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.once('secureConnect', resolve));
  return socket;
}

test.each<[string, () => Identity, number]>([
  ['the server', () => caller, 40],
  ['a peer', () => peer, 10],
])(
  '%s may have only so many connections open, and opens new ones when others have ended',
  async (_name, identity, max) => {
    for (let at = 0; at < max + 3; at += 1) await secure(identity());
    await expect.poll(connections).toBe(max);
    for (const socket of sockets.splice(0)) socket.destroy();
    await expect.poll(connections).toBe(0);
    await secure(identity());
    await expect.poll(connections).toBe(1);
  },
);

test('one address may have 64 connections without a handshake; they leave room for callers again', async () => {
  for (let at = 0; at < 70; at += 1) {
    const socket = connectTcp(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => socket.once('connect', resolve));
  }
  await expect.poll(connections).toBe(64);
  for (const socket of sockets.splice(0)) socket.destroy();
  await expect.poll(connections).toBe(0);
  // Those that have shown their certificate do not count.
  for (let at = 0; at < 30; at += 1) await secure(caller);
  for (let at = 0; at < 10; at += 1) await secure(peer);
  await expect.poll(connections).toBe(40);
});

test('ends a connection that makes no handshake', async () => {
  const socket = connectTcp(port, '127.0.0.1');
  sockets.push(socket);
  socket.resume();
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}, 10_000);

test('an unexpected error is answered and logged without its message', async () => {
  const lines: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
  const endpoint = {
    identity: caller,
    url: `https://127.0.0.1:${port}`,
    fingerprint: fingerprint(own),
    timeoutMs: 5_000,
  };
  const { post, close } = createPinnedPost(endpoint);
  const answers = [await post('/ok', {}), await post('/fail', {})];
  write.mockRestore();
  close();
  expect(answers).toMatchObject([{ status: 200 }, { status: 500, value: { code: 'internal' } }]);
  expect(JSON.stringify([answers, lines])).not.toContain('123');
  expect(lines.join('')).toContain('"error":"RangeError"');
});
