import { createHash } from 'node:crypto';
import { fingerprintTable } from '@holdfast/core/deposits/fingerprint-table.ts';
import type { Sql } from '@holdfast/server/store/database.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { insertChangeAddress } from '@holdfast/server/store/change-addresses.ts';
import { insertAddress, nextDerivationIndex } from '@holdfast/server/store/deposit-addresses.ts';
import { watchIndex } from '@holdfast/server/store/watch-index.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let customer: string;
beforeAll(async () => {
  database = await testDatabase();
  customer = uuidV7(Date.now());
  await database.db.query('insert into customer values ($1, $2, 0)', [customer, 'watched']);
});
afterAll(() => database?.close());

const newId = (): string => uuidV7(Date.now());
const scriptOf = (n: number): string => `5120${n.toString(16).padStart(64, '0')}`;

async function insert(sql: Sql, network: string, key: string, index: number): Promise<void> {
  await insertAddress(sql, {
    id: newId(),
    customer_id: customer,
    network,
    index,
    address: key,
    watch_key: key,
    state: 'pending',
    epoch: 1,
    nowMs: 0,
  });
}

/** As the server does when a customer asks. */
async function issue(network: string, key: string, beforeCommit = async (): Promise<void> => undefined): Promise<void> {
  await database.db.transaction(async (sql) => {
    await insert(sql, network, key, await nextDerivationIndex(sql, network));
    await beforeCommit();
  });
}

test('knows addresses, change and coins of its network, whichever server wrote them, as soon as they are committed', async () => {
  const events: string[] = [];
  const options = { pageRows: 2, log: (event: string) => void events.push(event) };
  const keys = Array.from({ length: 7 }, (_, n) => scriptOf(n));
  for (const key of keys.slice(0, 5)) await issue('bip122:one', key);
  await issue('bip122:other', scriptOf(99));
  const servers = [1, 2].map(() =>
    watchIndex(database.db, 'bip122:one', ['deposit_address', 'change_address', 'coin'], options),
  );
  const asked = [...keys, 'cc01', 'dd:3', scriptOf(99)];
  for (const server of servers) expect(await server.among(asked)).toEqual(keys.slice(0, 5));
  await issue('bip122:one', keys[5]!);
  for (const server of servers) expect(await server.among(asked)).toEqual(keys.slice(0, 6));
  await insertChangeAddress(database.db, { network: 'bip122:one', index: 0, address: 'c', script: 'cc01', epoch: 1 });
  await database.db.query(
    `insert into coin (network, txid, vout, address, script, branch, derivation_index, amount)
     values ('bip122:one', 'dd', 3, 'c', 'cc01', 1, 0, 5)`,
  );
  for (const server of servers) expect(await server.among(asked)).toEqual([...keys.slice(0, 6), 'cc01', 'dd:3']);
  expect(events).toEqual(['watch-index-ready', 'watch-index-ready']);
});

test('writers that commit late, and in whatever order, leave no hole', async () => {
  const network = 'bip122:race';
  const index = watchIndex(database.db, network, ['deposit_address'], { pageRows: 3 });
  await index.catchUp();
  let pause = 7;
  const told: string[] = [];
  let asking = true;
  // Not by nextDerivationIndex: the order must hold for whoever inserts, a restoration for example.
  const writer = async (first: number): Promise<void> => {
    for (let n = first; n < first + 30; n++) {
      await database.db.transaction(async (sql) => {
        await insert(sql, network, scriptOf(n), n);
        pause = (pause * 31) % 17;
        await sql.query('select pg_sleep($1::float8 / 1000)', [`${pause}`]);
      });
      told.push(scriptOf(n));
    }
  };
  const reader = async (): Promise<void> => {
    while (asking) {
      const now = [...told];
      expect(await index.among(now)).toEqual(now);
    }
  };
  const reading = reader();
  await Promise.all([1_000, 2_000, 3_000].map(writer)).finally(() => (asking = false));
  await reading;
  expect(told).toHaveLength(90);
  expect(await index.among(told)).toEqual(told);
  expect(index.size).toBe(90);
});

test('a database put back to an older state is read anew', async () => {
  const network = 'bip122:restored';
  const events: string[] = [];
  const index = watchIndex(database.db, network, ['deposit_address'], { log: (event) => void events.push(event) });
  for (const key of ['aa', 'bb', 'cc']) await issue(network, key);
  expect(await index.among(['aa', 'cc', 'dd'])).toEqual(['aa', 'cc']);
  await database.db.transaction(async (sql) => {
    const [row] = await sql.query<{ watch_seq: bigint }>(
      `delete from deposit_address where network = $1 and watch_key = 'cc' returning watch_seq`,
      [network],
    );
    await sql.query(`select setval('watch_seq', $1::bigint - 1)`, [row!.watch_seq]);
  });
  await issue(network, 'dd');
  expect(await index.among(['aa', 'cc', 'dd'])).toEqual(['aa', 'dd']);
  expect(events).toEqual(['watch-index-ready', 'watch-index-void', 'watch-index-ready']);
});

test('a database that fails for a moment costs nothing but a repetition', async () => {
  const network = 'bip122:fails';
  let fails = true;
  const db: typeof database.db = {
    ...database.db,
    query: async (text, values) => {
      if (fails) throw new Error('away');
      return database.db.query(text, values);
    },
  };
  const index = watchIndex(db, network, ['deposit_address']);
  await issue(network, 'aa');
  await expect(index.among(['aa'])).rejects.toThrow('away');
  fails = false;
  expect(await index.among(['aa', 'bb'])).toEqual(['aa']);
});

test('50,000 addresses come from the database in a moment', async () => {
  const network = 'bip122:many';
  await database.db.query(
    `insert into deposit_address (id, customer_id, network, derivation_index, address, watch_key, state, epoch, created_at_ms)
     select gen_random_uuid(), $1, $2, n, 'a' || n, '5120' || lpad(to_hex(n), 64, '0'), 'active', 1, 0
       from generate_series(1, 50000) n`,
    [customer, network],
  );
  const index = watchIndex(database.db, network, ['deposit_address']);
  expect(await index.among([scriptOf(1), scriptOf(50_000), scriptOf(50_001)])).toEqual([scriptOf(1), scriptOf(50_000)]);
  expect(index.size).toBe(50_000);
});

test('ten million addresses take 128 MiB; a block of 5,000 outputs finds the one that is paid', () => {
  const members = 10_000_000;
  const scriptChars = 44;
  // Each window of a long random text is an address: ten million of them cost no time to make.
  const text = createHash('shake256', { outputLength: (members + 10_000) / 2 }).digest('hex');
  const table = fingerprintTable(new Uint8Array(16).fill(9), members);
  for (let n = 0; n < members; n++) table.add(text, n, n + scriptChars);
  const keyOf = (n: number): string => text.slice(n, n + scriptChars);
  expect(table.size).toBe(members);
  expect(table.bytes).toBe(128 * 2 ** 20);
  const outputs = Array.from({ length: 5_000 }, (_, n) => keyOf(members + n));
  outputs[4_321] = keyOf(7_654_321);
  expect(outputs.filter((key) => table.mayHold(key))).toEqual([keyOf(7_654_321)]);
});
