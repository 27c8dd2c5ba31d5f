import { parseId } from '@holdfast/core/contract/ids.ts';
import type { DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { listCustomerRecords } from '@holdfast/server/store/customer-record-resources.ts';
import { insertCustomerRecords } from '@holdfast/server/store/customer-records.ts';
import { createCustomer } from '@holdfast/server/store/customers.ts';
import type { Sql, SqlValue } from '@holdfast/server/store/database.ts';
import { lockCustomer } from '@holdfast/server/store/lock-customer.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let customer: string;
let made = 0;
const newId = (): string => uuidV7(1_800_000_000_000 + made++);

beforeAll(async () => {
  database = await testDatabase();
  customer = (await createCustomer(database.db, { client_reference: 'locked' }, newId, 0)).id;
});
afterAll(() => database?.close());

const claim = (height: number): DepositClaim => ({
  version: 1,
  kind: 'deposit',
  network: 'eip155:31337',
  customer,
  index: 0,
  address: `0x${'ab'.repeat(20)}`,
  asset: 'eip155:31337/slip44:60',
  block_height: height,
  block_hash: '00'.repeat(32),
  outpoint: null,
});

/** As a job does that holds accounts: it must not wait for the customer. */
async function tellOfDeposit(sql: Sql, height: number): Promise<void> {
  await sql.query(`set local lock_timeout = '2s'`);
  const record = { id: newId(), signed: { record: claim(height) }, customerId: parseId('cus', customer) };
  await insertCustomerRecords(sql, [record], ['signer-1'], 0);
}

test('a locked customer holds up no deposit claim, and still one request at a time', async () => {
  const id = parseId('cus', customer);
  await database.db.transaction(async (sql) => {
    expect(await lockCustomer(sql, id)).toBe(true);
    await database.db.transaction((other) => tellOfDeposit(other, 1));
    await expect(
      database.db.transaction(async (other) => {
        await other.query(`set local lock_timeout = '200ms'`);
        await lockCustomer(other, id);
      }),
    ).rejects.toMatchObject({ code: '55P03' });
  });
});

async function fill(kind: string, customerId: string | null, count: number): Promise<void> {
  await database.db.query(
    `insert into customer_record (id, digest, kind, customer_id, signed, created_at_ms)
     select gen_random_uuid(), gen_random_uuid()::text, $1, $2, '{}', 0 from generate_series(1, $3::int)`,
    [kind, customerId, count],
  );
}

test('lists records without walking through the deposit claims', async () => {
  const id = parseId('cus', customer);
  await fill('deposit', id, 20_000);
  await fill('settlement', null, 1_000);
  await fill('credential', id, 50);
  await database.db.query('analyze customer_record');
  for (const [filter, index] of [
    [{}, 'customer_record_listed'],
    [{ customer }, 'customer_record_customer'],
  ] as const) {
    const plan = await planOf(filter);
    expect(plan).toContain(index);
    // The index leaves them out; none is read to be thrown away.
    expect(plan).not.toContain('Filter:');
  }
});

async function planOf(filter: { customer?: string }): Promise<string> {
  const asked: [string, readonly SqlValue[]][] = [];
  const noting: Sql = {
    query: async (text: string, values: readonly SqlValue[]) => {
      asked.push([text, values]);
      return [];
    },
  };
  await listCustomerRecords(noting, filter, { limit: 20, after: null });
  const [[text, values]] = asked as [[string, readonly SqlValue[]]];
  const plan = await database.db.query<{ 'QUERY PLAN': string }>(`explain ${text}`, values);
  return plan.map((line) => line['QUERY PLAN']).join('\n');
}
