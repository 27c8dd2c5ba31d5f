import { keepLanes, type Lanes } from '@holdfast/server/jobs/keep-lanes.ts';
import { startLoop } from '@holdfast/server/jobs/loop.ts';
import type { Context } from '@holdfast/server/context.ts';
import { fencedDatabase, inLane, type LaneGrant, LaneLost } from '@holdfast/server/store/fence.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

/* Several servers' loops on one database, here in one process, with leases of 300 ms instead of 5 s. */

const leaseMs = 300;
let database: TestDatabase;
const running: Lanes[] = [];

beforeAll(async () => {
  database = await testDatabase();
  await database.db.query('create table written (by text not null)');
});
afterAll(() => database?.close());
beforeEach(async () => {
  await database.db.query('truncate lane, server_process, written');
});
afterEach(async () => {
  for (const lanes of running.splice(0)) await lanes.stop();
});

function server(name: string): Lanes {
  const lanes = keepLanes({ db: database.db, log: () => undefined }, { server: name, leaseMs });
  running.push(lanes);
  return lanes;
}

/** A server that went silent: nothing of it runs any more, and nothing was given back. */
async function silent(name: string, lane: string): Promise<LaneGrant> {
  const rows = await database.db.query<LaneGrant>(
    `insert into lane (name, holder, token, expires_at) values ($1, $2, 7, clock_timestamp() + interval '300 milliseconds')
     returning name, token`,
    [lane, name],
  );
  await database.db.query('insert into server_process values ($1, clock_timestamp())', [name]);
  return { name: lane, token: rows[0]!.token };
}

const written = async (): Promise<string[]> =>
  (await database.db.query<{ by: string }>('select by from written')).map(({ by }) => by);

test('a lane is taken over when its lease has run out, and the server before writes nothing any more', async () => {
  const old = await silent('old', 'pay net');
  const fenced = fencedDatabase(database.db);
  const grant = await server('new').hold('pay net');
  expect(grant).toEqual({ name: 'pay net', token: old.token + 1n });
  const late = (work: () => Promise<unknown>) => inLane(old, work);
  await expect(
    late(() => fenced.transaction((sql) => sql.query(`insert into written values ('old')`))),
  ).rejects.toThrow(LaneLost);
  await expect(late(() => fenced.query(`insert into written values ('old')`))).rejects.toThrow(LaneLost);
  await inLane(grant!, () => fenced.query(`insert into written values ('new')`));
  expect(await written()).toEqual(['new']);
});

test('a lane is not taken over while a transaction of its holder is under way', async () => {
  const old = await silent('old', 'pay net');
  const fenced = fencedDatabase(database.db);
  const taker = server('new');
  let taken = false;
  await inLane(old, () =>
    fenced.transaction(async (sql) => {
      void taker.hold('pay net').then(() => (taken = true));
      await awaitCondition(
        'the lease to run out',
        async () => {
          const [row] = await database.db.query(
            "select from lane where expires_at < clock_timestamp() - interval '400 milliseconds'",
          );
          return row;
        },
        5_000,
        20,
      );
      expect(taken).toBe(false);
      await sql.query(`insert into written values ('old')`);
    }),
  );
  await taker.hold('pay net');
  expect(await written()).toEqual(['old']);
});

test('what is read at one moment is read in a lane too, and needs no lane to be this server’s still', async () => {
  const grant = await server('one').hold('reconcile net');
  const fenced = fencedDatabase(database.db);
  const read = () =>
    fenced.transaction(
      async (sql) => {
        const before = await sql.query('select by from written');
        await database.db.query(`insert into written values ('other')`);
        return [before, await sql.query('select by from written')];
      },
      { snapshot: true },
    );
  expect(await inLane(grant!, read)).toEqual([[], []]);
  const writing = fenced.transaction((sql) => sql.query(`insert into written values ('one')`), { snapshot: true });
  await expect(inLane(grant!, () => writing)).rejects.toThrow('25006');
});

test('servers share the lanes, and one that stops gives its own back at once', async () => {
  const names = Array.from({ length: 9 }, (_, i) => `loop ${i}`);
  const [one, other] = [server('one'), server('other')];
  const ask = (lanes: Lanes): void => names.forEach((name) => void lanes.hold(name));
  ask(one);
  await awaitCondition('all of them', async () => one.held().length === 9, 5_000, 10);
  ask(other);
  await awaitCondition('a share', async () => one.held().length === 5 && other.held().length === 4, 5_000, 10);
  expect(new Set([...one.held(), ...other.held()]).size).toBe(9);
  await one.stop();
  // The loops that were in lanes taken away ask again.
  ask(other);
  await awaitCondition('all of them again', async () => other.held().length === 9, 5_000, 10);
});

test('a server that was killed and started again has its lanes back at once', async () => {
  await silent('one', 'pay net');
  await database.db.query(`update lane set expires_at = clock_timestamp() + interval '1 hour'`);
  expect(await server('one').hold('pay net')).toEqual({ name: 'pay net', token: 8n });
});

test('a loop whose lane was taken goes on when it has it again, and raises no alarm', async () => {
  const lanes = server('one');
  const ctx = {
    db: fencedDatabase(database.db),
    lanes,
    now: Date.now,
    newId: () => uuidV7(Date.now()),
    log: () => undefined,
  } as unknown as Context;
  let passes = 0;
  const loop = startLoop(ctx, 'pay', 'net', 5, async () => {
    await ctx.db.query(`insert into written values ('one')`);
    passes++;
    return 0;
  });
  await awaitCondition('passes', async () => passes > 2, 5_000, 5);
  // Another takes it, and then dies.
  await database.db.query(
    "update lane set token = token + 1, holder = $1, expires_at = clock_timestamp() + interval '200 milliseconds'",
    ['other'],
  );
  const before = passes;
  await awaitCondition('the lane back', async () => passes > before + 2, 5_000, 5);
  lanes.endWaiting();
  await loop.stop();
  expect(await database.db.query('select code from alarm')).toEqual([]);
});
