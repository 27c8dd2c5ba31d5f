import { expect, test } from 'vitest';
import { describeEntry } from './describe-entry.ts';

const id = '0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
const [customer, hold, owed] = ['customer:cus_1:BTC', 'hold:cus_1:BTC', 'receivable:cus_1:BTC'];
const unconfirmed = 'unconfirmed:eip155:1:BTC';
const available = (amount: bigint) => ({ customer: 'cus_1', part: 'available', amount });
const held = (amount: bigint) => ({ customer: 'cus_1', part: 'held', amount });

test.each([
  [`credit/${id}/1/customer`, unconfirmed, customer, 'credit', [available(5n)], id, null],
  [
    `credit/${id}/1/receivable`,
    unconfirmed,
    owed,
    'credit',
    [{ customer: 'cus_1', part: 'owed', amount: -5n }],
    id,
    null,
  ],
  [
    `uncredit/${id}/1/receivable`,
    owed,
    unconfirmed,
    'uncredit',
    [{ customer: 'cus_1', part: 'owed', amount: 5n }],
    id,
    null,
  ],
  [`withdrawal/${id}/hold`, customer, hold, 'reserve', [available(-5n), held(5n)], null, id],
  [`withdrawal/${id}/release`, hold, customer, 'release', [held(-5n), available(5n)], null, id],
  [`settle/${id}/7/fee`, hold, 'fee_revenue:BTC', 'commit', [held(-5n)], null, id],
  [`unsettle/settle/${id}/7/fee`, 'fee_revenue:BTC', hold, 'uncommit', [held(5n)], null, id],
  ['settlement/ab/0', customer, customer, 'settlement', [available(-5n), available(5n)], null, null],
  ['whatever', 'quarantine:eip155:1:BTC', customer, 'other', [available(5n)], null, null],
])('%s is told as what it does to the customer', (idem, debit, credit, kind, changes, deposit, withdrawal) => {
  expect(describeEntry({ idem, debit, credit, amount: 5n })).toEqual({ kind, changes, deposit, withdrawal });
});
