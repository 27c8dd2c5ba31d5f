import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { openDatabase } from './database.ts';

let server: Server | undefined;
afterEach(() => void server?.close());

/** A message of PostgreSQL's protocol: type, length of the rest with itself, rest. */
function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

test('a connection that is made and ended in the same packet is a database that is away, and ends no process', async () => {
  const isOver = message('E', Buffer.from('SFATAL\0VFATAL\0C57P01\0Mthe postmaster is gone\0\0'));
  const welcome = [message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))];
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([...welcome, isOver])));
  });
  await new Promise<void>((listening) => server!.listen(0, '127.0.0.1', listening));
  const db = openDatabase(`postgresql://user:password@127.0.0.1:${(server.address() as AddressInfo).port}/name`);
  await expect(db.query('select 1')).rejects.toMatchObject({ code: 'database-unavailable' });
  await db.close();
});
