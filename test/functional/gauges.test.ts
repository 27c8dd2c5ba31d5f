import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { raiseAlarm } from '@holdfast/server/store/alarms.ts';
import { insertTransaction, noteProblem } from '@holdfast/server/store/chain-transactions.ts';
import { insertEvents } from '@holdfast/server/store/events.ts';
import { readGauges, storeGaugeNames } from '@holdfast/server/store/gauges.ts';
import { mustPost } from '@holdfast/server/store/ledger/post-batch.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database?.close());

test('every gauge is read, also of an empty database, and shows what is there', async () => {
  const { db } = database;
  const nowMs = Date.now();
  expect(Object.keys(await readGauges(db, nowMs))).toEqual([...storeGaugeNames]);
  const id = uuidV7(nowMs);
  await raiseAlarm(db, { id, code: 'halted', subject: 'x', message: 'y' }, nowMs);
  const row = { id, network: 'n', kind: 'withdrawal', unsigned: {}, conflictKeys: [], refs: [] } as const;
  await insertTransaction(db, row, nowMs - 60_000);
  await noteProblem(db, id, 'fee-too-high: 9 satoshi', nowMs);
  await insertEvents(db, [{ id, type: 't', resource: 'r', resourceId: id }], nowMs - 5_000);
  const customer = 'cus_0190a000-0000-7000-8000-000000000001';
  const post = (debit: string, credit: string, amount: bigint) => ({
    idem: `${debit}>${credit}`,
    cause: 'test',
    debit,
    credit,
    amount: baseUnits(amount),
  });
  const hot = accountCodes.hot('eip155:1', 'ETH');
  const cold = accountCodes.capital('ETH');
  const owed = accountCodes.customer(customer, 'ETH');
  await db.transaction((sql) => mustPost(sql, [post(hot, owed, 2n), post(cold, owed, 98n)], nowMs));
  const read = await readGauges(db, nowMs);
  expect(read.open_alarms).toEqual([{ labels: { code: 'halted' }, value: 1 }]);
  expect(read.signer_refusals).toEqual([{ labels: { reason: 'fee-too-high' }, value: 1 }]);
  expect(read.transaction_oldest_seconds).toEqual([{ labels: { network: 'n', state: 'built' }, value: 60 }]);
  expect(read.event_oldest_seconds).toEqual([{ labels: {}, value: 5 }]);
  expect(read.hot_share).toEqual([{ labels: { asset: 'ETH' }, value: 0.02 }]);
});
