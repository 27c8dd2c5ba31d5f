import { setTimeout } from 'node:timers/promises';
import type { EventResource } from '@holdfast/core/contract/resources.ts';
import { sequenceEvents } from '@holdfast/server/jobs/sequence-events.ts';
import { insertEvents } from '@holdfast/server/store/events.ts';
import { afterAll, beforeEach, expect, test, afterEach, beforeAll } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let api: TestApi;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database?.close());
beforeEach(async () => {
  await database.db.query('delete from event');
  api = await testApi({ db: database.db });
});
afterEach(() => api.close());

function newEvent(type = 'deposit.credited') {
  return { id: api.newId(), type, resource: 'deposit', resourceId: api.newId() };
}

/** Writes and numbers `count` events. */
async function happen(count: number): Promise<void> {
  await insertEvents(
    database.db,
    Array.from({ length: count }, () => newEvent()),
    api.clock.nowMs,
  );
  await sequenceEvents(database);
}

async function seqs(): Promise<number[]> {
  const rows = await database.db.query<{ seq: bigint }>('select seq from event where seq is not null order by seq');
  return rows.map((row) => Number(row.seq));
}

/** The first `count` events of a stream, which is then left. */
async function take(count: number, options: { after?: number } = {}): Promise<EventResource[]> {
  const taken: EventResource[] = [];
  for await (const event of api.client.events({ ...options, signal: AbortSignal.timeout(20_000) })) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

test('numbers are given without gaps, after commit, and never change', async () => {
  await happen(3);
  expect(await seqs()).toEqual([1, 2, 3]);
  const late = Promise.withResolvers<void>();
  const inserted = Promise.withResolvers<void>();
  const open = database.db.transaction(async (sql) => {
    await insertEvents(sql, [newEvent('late')], 1);
    inserted.resolve();
    await late.promise;
  });
  await inserted.promise;
  await happen(2);
  expect(await seqs()).toEqual([1, 2, 3, 4, 5]);
  late.resolve();
  await open;
  expect(await sequenceEvents(database)).toBe(1);
  expect(await sequenceEvents(database)).toBe(0);
  const page = await api.client.listEvents({ after: '5' });
  expect(page.data.map((event) => [event.seq, event.type])).toEqual([[6, 'late']]);
});

test('sequencers that run at once number each event once', async () => {
  await insertEvents(
    database.db,
    Array.from({ length: 500 }, () => newEvent()),
    1,
  );
  const counts = await Promise.all(Array.from({ length: 8 }, () => sequenceEvents(database)));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(500);
  expect(await seqs()).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
});

test('the list goes on after a seq or a cursor, and leaves out what has no number yet', async () => {
  await happen(5);
  await insertEvents(database.db, [newEvent()], 1);
  const first = await api.client.listEvents({ limit: 2 });
  expect(first.data.map((event) => event.seq)).toEqual([1, 2]);
  const second = await api.client.listEvents({ limit: 2, cursor: first.next_cursor! });
  expect(second.data.map((event) => event.seq)).toEqual([3, 4]);
  expect((await api.client.listEvents({ after: '4' })).data.map((event) => event.seq)).toEqual([5]);
  expect((await api.client.listEvents({ after: '5' })).data).toEqual([]);
  await expect(api.client.listEvents({ after: '1', cursor: first.next_cursor! })).rejects.toMatchObject({
    code: 'invalid-request',
  });
  await expect(api.client.listEvents({ after: '-1' })).rejects.toMatchObject({ code: 'invalid-request' });
  expect(first.data[0]).toEqual({
    object: 'event',
    id: expect.stringMatching(/^evt_/),
    seq: 1,
    type: 'deposit.credited',
    resource: 'deposit',
    resource_id: expect.stringMatching(/^dep_/),
    occurred_at: new Date(api.clock.nowMs).toISOString(),
  });
});

test('a stream goes on after the given seq, past a page, and then follows what happens', async () => {
  await happen(450);
  const taken = take(455, { after: 3 });
  await happen(8);
  expect((await taken).map((event) => event.seq)).toEqual(Array.from({ length: 455 }, (_, index) => index + 4));
});

test('a stream without a start begins now', async () => {
  await happen(3);
  const iterator = api.client.events({ signal: AbortSignal.timeout(20_000) });
  const next = iterator.next();
  const text = await readRaw({}, (seen) => seen.includes('id: 3\n\n'));
  expect(text).not.toContain('data:');
  let answered = false;
  void next.then(() => (answered = true));
  // Its connection may start after some of these; what matters is that it starts after the first three.
  for (let n = 0; n < 200 && !answered; n += 1) {
    await happen(1);
    await setTimeout(20);
  }
  expect((await next).value!.seq).toBeGreaterThan(3);
  await iterator.return();
});

/** Reads a stream by hand until `enough`. */
async function readRaw(
  headers: Record<string, string>,
  enough: (text: string) => boolean,
  query = '',
): Promise<string> {
  const response = await api.request('GET', `/v1/events/stream${query}`, undefined, headers);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (enough(text)) break;
  }
  return text;
}

test('Last-Event-ID wins over after, ids are seqs, and a quiet stream has heartbeats', async () => {
  await happen(4);
  const text = await readRaw({ 'last-event-id': '2' }, (seen) => seen.includes(': heartbeat'), '?after=0');
  expect(text.match(/^id: .*$/gm)).toEqual(['id: 2', 'id: 3', 'id: 4']);
  expect(text.match(/^event: .*$/gm)).toEqual(['event: deposit.credited', 'event: deposit.credited']);
  const bad = await api.request('GET', '/v1/events/stream', undefined, { 'last-event-id': 'x' });
  expect(bad.status).toBe(400);
});

test('a reader that is cut off resumes without losing or repeating an event', async () => {
  await happen(2);
  const port = Number(new URL(api.url).port);
  const seen: number[] = [];
  const iterator = api.client.events({ after: 0, signal: AbortSignal.timeout(20_000) });
  for (let n = 0; n < 2; n += 1) seen.push((await iterator.next()).value!.seq);
  // The server goes away, events happen, and it comes back on the same port with the same key.
  const { client, seed } = api;
  await api.close();
  await happen(3);
  api = await testApi({ db: database.db, seed, port });
  for (let n = 0; n < 3; n += 1) seen.push((await iterator.next()).value!.seq);
  expect(seen).toEqual([1, 2, 3, 4, 5]);
  await iterator.return();
  expect((await client.listEvents({})).data.length).toBe(5);
});

test('streams are bounded in number and end when the server closes', async () => {
  const bounded = await testApi({ db: database.db, http: { eventStream: { streamsMax: 1, pollMs: 5 } } });
  const first = await bounded.request('GET', '/v1/events/stream');
  expect(first.status).toBe(200);
  const second = await bounded.request('GET', '/v1/events/stream');
  expect(second.status).toBe(429);
  expect(await second.json()).toMatchObject({ code: 'rate-limited' });
  await bounded.close();
  await first.text().catch(() => undefined);
});
