import { bitcoinNetworkId } from '@holdfast/devnet/configure.ts';
import { type Customer, outsideAddress } from '@holdfast/devnet/story/actors.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openAlarms } from '../support/chain-steps.ts';
import {
  type Books,
  mineUntilAll,
  openBooks,
  openTransactions,
  received,
  units,
  withdrawalBody,
} from '../support/payouts.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
let books: Books;
let customer: Customer;
const deposits = ['0.01', '0.02', '0.03', '0.04', '0.05', '0.06', '0.07', '1'];

beforeAll(async () => {
  system = await startSystem({ consolidateAbove: 2 });
  books = openBooks(system);
  customer = await system.newCustomer('many-coins');
  const { miner } = system.chains.bitcoin!;
  const to = customer.addresses.get(bitcoinNetworkId)!;
  for (const coins of deposits) await miner.rpc('sendtoaddress', [to, coins]);
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

const free = async (): Promise<bigint[]> => {
  const rows = await books.db.query<{ amount: bigint }>(
    'select amount from coin where spent_by is null and block_id is not null order by amount',
  );
  return rows.map(({ amount }) => amount);
};

it('makes the smallest coins into one when fees are low, and leaves the largest to the payments', async () => {
  // Five to seven of them at once, by how many deposits the first block credited.
  const credited = async (): Promise<bigint> => BigInt((await system.balance(customer, 'BTC')).available);
  await system.mineUntil('all credited', async () => (await credited()) === units('BTC', '1.28'));
  const few = await system.mineUntil('few coins', async () => {
    const left = await free();
    return left.length <= 4 && (await openTransactions(system)).length === 0 && left;
  });
  expect(few.at(-1)).toBe(units('BTC', '1'));
  // A fee of about 500 vB at 5 sat/vB.
  const total = few.reduce((sum, amount) => sum + amount, 0n);
  expect(total < units('BTC', '1.28')).toBe(true);
  expect(total > units('BTC', '1.27995')).toBe(true);
  await system.followed();
  await system.mustBalance();
  expect(await openAlarms(system)).toEqual([]);
});

it('pays from what it made', async () => {
  const to = await outsideAddress(system, 'BTC');
  const { id } = await system.client.createWithdrawal(withdrawalBody(system, customer, 'BTC', '1.2', to));
  await mineUntilAll(system, [id], 'settled');
  expect(await received(system, 'BTC', to)).toBe(units('BTC', '1.2'));
  await system.followed();
  await system.mustBalance();
});
