import type { DepositAddressResource } from '@holdfast/core/contract/resources.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { ensureAccounts } from '@holdfast/server/store/ledger/accounts.ts';
import { raiseAlarm } from '@holdfast/server/store/alarms.ts';
import { readGauges } from '@holdfast/server/store/gauges.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

const network = 'eip155:31337';
let database: TestDatabase;
let api: TestApi;
let alice: string;
let bob: string;

beforeAll(async () => {
  database = await testDatabase();
  api = await testApi({ db: database.db });
  alice = (await api.client.createCustomer({ client_reference: 'alice' })).id;
  bob = (await api.client.createCustomer({ client_reference: 'bob' })).id;
  await seed();
});
afterAll(async () => {
  await api?.close();
  await database?.close();
});

async function insertAddress(customer: string, index: number, state: string): Promise<string> {
  const id = api.newId();
  await database.db.query('insert into deposit_address values ($1, $2, $3, $4, $5, $6, $7, 1000)', [
    id,
    customer.slice(4),
    network,
    index,
    `0xAddress${index}`,
    `0xaddress${index}`,
    state,
  ]);
  return id;
}

/** Two blocks, an address each, a pending one, and nine deposits: seven of alice's, two of bob's. */
async function seed(): Promise<void> {
  const { db } = database;
  const [block] = await db.query<{ id: bigint }>(
    `insert into block (network, height, hash, parent_hash, time_ms, applied_at_ms, state)
     values ($1, 10, 'h10', 'h9', 1, 1, 'applied'), ($1, 12, 'h12', 'h11', 1, 1, 'applied') returning id`,
    [network],
  );
  const addresses = { [alice]: await insertAddress(alice, 0, 'active'), [bob]: await insertAddress(bob, 1, 'active') };
  await insertAddress(bob, 2, 'pending');
  for (let n = 0; n < 9; n += 1) {
    const customer = n < 7 ? alice : bob;
    await db.query(
      `insert into deposit (id, network, txid, idx, asset, address_id, customer_id, amount, state, reason, block_id, height,
                            confirmations_required, seen_at_ms, credited_at_ms)
       values ($1, $2, $3, 'log:0', $4, $5, $6, $7, $8, null, $9, 10, 2, 1700000000000, $10)`,
      [
        api.newId(),
        network,
        `0x${n}`,
        n % 2 === 0 ? 'ETH' : 'BTC',
        addresses[customer]!,
        customer.slice(4),
        10n ** 30n + BigInt(n),
        n === 0 ? 'orphaned' : n === 1 ? 'credited' : 'seen',
        block!.id,
        n === 1 ? 1_700_000_000_123 : null,
      ],
    );
  }
}

test('a list is read page by page, newest first, each item once', async () => {
  const seen: string[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page = await api.client.listDeposits({ limit: 4, ...(cursor !== undefined && { cursor }) });
    pages += 1;
    seen.push(...page.data.map((deposit) => deposit.txid));
    expect(page.has_more).toBe(page.next_cursor !== null);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  expect(pages).toBe(3);
  expect(seen).toEqual(['0x8', '0x7', '0x6', '0x5', '0x4', '0x3', '0x2', '0x1', '0x0']);
  const iterated: string[] = [];
  for await (const deposit of api.client.each('listDeposits', { limit: 2, customer: bob })) iterated.push(deposit.txid);
  expect(iterated).toEqual(['0x8', '0x7']);
});

test('a page that ends with the list has no cursor', async () => {
  expect(await api.client.listDeposits({ limit: 9 })).toMatchObject({ has_more: false, next_cursor: null });
  expect(await api.client.listDeposits({ limit: 8 })).toMatchObject({ has_more: true });
});

test('rows written between two pages neither repeat nor hide others', async () => {
  const first = await api.client.listCustomers({ limit: 1 });
  await api.client.createCustomer({ client_reference: 'late' });
  const second = await api.client.listCustomers({ limit: 1, cursor: first.next_cursor! });
  expect([first.data[0]!.client_reference, second.data[0]!.client_reference]).toEqual(['bob', 'alice']);
  await expect(api.client.listDeposits({ cursor: first.next_cursor! })).rejects.toMatchObject({
    code: 'invalid-request',
  });
});

test('filters select, and a deposit shows its confirmations from the applied chain', async () => {
  const credited = await api.client.listDeposits({ customer: alice, network, asset: 'BTC', state: 'credited' });
  expect(credited.data).toEqual([
    {
      object: 'deposit',
      id: expect.stringMatching(/^dep_/),
      customer: alice,
      network,
      asset: 'BTC',
      decimals: 8,
      amount: (10n ** 30n + 1n).toString(),
      address: '0xAddress0',
      txid: '0x1',
      index: 'log:0',
      block_hash: 'h10',
      state: 'credited',
      reason: null,
      confirmations: 3,
      confirmations_required: 2,
      schedule_version: null,
      seen_at: '2023-11-14T22:13:20.000Z',
      credited_at: '2023-11-14T22:13:20.123Z',
    },
  ]);
  expect(await api.client.getDeposit({ id: credited.data[0]!.id })).toEqual(credited.data[0]);
  const orphaned = await api.client.listDeposits({ state: 'orphaned' });
  expect(orphaned.data.map((deposit) => deposit.confirmations)).toEqual([0]);
  expect((await api.client.listDeposits({ network: 'eip155:1' })).data).toEqual([]);
});

test('an address that a signer has not confirmed is not shown', async () => {
  // As the API answers: the client shows no address without statements.
  const answer = await api.request('GET', `/v1/deposit_addresses?customer=${bob}`);
  const { data } = (await answer.json()) as { data: DepositAddressResource[] };
  expect(data.map((address) => [address.address, address.state, address.index])).toEqual([['0xAddress1', 'active', 1]]);
  const pending = await database.db.query<{ id: string }>(`select id from deposit_address where state = 'pending'`);
  await expect(api.client.getDepositAddress({ id: `addr_${pending[0]!.id}` })).rejects.toMatchObject({
    code: 'not-found',
  });
});

test('balances list every asset, exact and with zeros', async () => {
  const { db } = database;
  const codes = [accountCodes.customer(alice, 'ETH'), accountCodes.hold(alice, 'ETH')];
  await ensureAccounts(db, codes);
  await db.query('update account set balance = $2 where code = $1', [codes[0]!, 10n ** 77n + 1n]);
  await db.query('update account set balance = 7 where code = $1', [codes[1]!]);
  expect((await api.client.listBalances({ id: alice })).data).toEqual([
    { object: 'balance', customer: alice, asset: 'BTC', decimals: 8, available: '0', held: '0', receivable: '0' },
    {
      object: 'balance',
      customer: alice,
      asset: 'ETH',
      decimals: 18,
      available: `1${'0'.repeat(76)}1`,
      held: '7',
      receivable: '0',
    },
  ]);
});

test('alarms are the open ones unless asked otherwise', async () => {
  const { db } = database;
  await raiseAlarm(db, { id: api.newId(), code: 'a', subject: 's', message: 'm' }, 1_000);
  await raiseAlarm(db, { id: api.newId(), code: 'b', subject: 's', message: 'm' }, 2_000);
  await db.query(`update alarm set closed_at_ms = 3000 where code = 'a'`);
  const codes = async (state?: 'open' | 'closed' | 'all') =>
    (await api.client.listAlarms(state === undefined ? {} : { state })).data.map((alarm) => alarm.code);
  expect(await codes()).toEqual(['b']);
  expect(await codes('closed')).toEqual(['a']);
  expect(await codes('all')).toEqual(['b', 'a']);
});

test('the gauges count what is open', async () => {
  const read = await readGauges(database.db, 2_000);
  expect(read.scanned_height).toEqual([{ labels: { network }, value: 12 }]);
  expect(read.open_alarms).toEqual([{ labels: { code: 'b' }, value: 1 }]);
  expect(read.withdrawals.map(({ value }) => value)).toEqual([0, 0, 0, 0, 0, 0]);
});
