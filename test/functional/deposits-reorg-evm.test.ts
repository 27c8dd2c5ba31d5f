import { Failure } from '@holdfast/core/failure.ts';
import { parseUnits } from '@holdfast/core/money/base-units.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { reorg } from '@holdfast/devnet/evm/payments.ts';
import { type Customer, outsideAddress, payDeposit, requestWithdrawal } from '@holdfast/devnet/story/actors.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { depositsOf, eventTypesOf, openAlarms, settle } from '../support/chain-steps.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

const eth = (coins: string): string => parseUnits(coins, 18).toString();

/** Mines and lets the server do all that it will do; the books balance after each step. */
async function step(blocks = 1): Promise<void> {
  await system.mineEvm(blocks);
  await settle(system);
  await system.mustBalance();
}

/** Replaces the last blocks by empty ones; anvil forgets what was in them. */
async function replaceBlocks(depth: number): Promise<void> {
  await reorg({ rpcUrl: system.chains.anvil.url, depth });
  await settle(system);
  await system.mustBalance();
}

/** The bytes of a transaction, to be sent again after a reorg. */
const rawOf = (txid: string): Promise<string> =>
  rpcCall<string>(system.chains.anvil.url, 'eth_getRawTransactionByHash', [txid]);
const sendRaw = (raw: string): Promise<string> =>
  rpcCall<string>(system.chains.anvil.url, 'eth_sendRawTransaction', [raw]);
const mintOf = async (txid: string): Promise<string> => {
  const transfer = await rpcCall<{ nonce: string; from: string; blockNumber: string }>(
    system.chains.anvil.url,
    'eth_getTransactionByHash',
    [txid],
  );
  const { transactions } = await rpcCall<{ transactions: { hash: string; nonce: string; from: string }[] }>(
    system.chains.anvil.url,
    'eth_getBlockByNumber',
    [transfer.blockNumber, true],
  );
  return transactions.find((one) => one.from === transfer.from && Number(one.nonce) === Number(transfer.nonce) - 1)!
    .hash;
};

async function only(customer: Customer) {
  const deposits = await depositsOf(system, customer);
  expect(deposits).toHaveLength(1);
  return deposits[0]!;
}

describe('a reorg before the credit', () => {
  it('orphans the deposit; mined again, it waits and is credited under the same id', async () => {
    const customer = await system.newCustomer('early');
    const raw = await rawOf(await payDeposit(system, customer, 'ETH', '6'));
    await step(2);
    const seen = await only(customer);
    expect(seen).toMatchObject({ state: 'seen', confirmations: 2, confirmations_required: 4 });
    await replaceBlocks(2);
    expect(await only(customer)).toMatchObject({ id: seen.id, state: 'orphaned', confirmations: 0, credited_at: null });
    expect(await system.balance(customer, 'ETH')).toMatchObject({ available: '0', receivable: '0' });
    await step(5);
    expect(await only(customer)).toMatchObject({ state: 'orphaned' });

    await sendRaw(raw);
    await step(3);
    expect(await only(customer)).toMatchObject({ id: seen.id, state: 'seen', confirmations: 3 });
    await step();
    expect(await only(customer)).toMatchObject({ id: seen.id, state: 'credited', confirmations: 4 });
    expect((await system.balance(customer, 'ETH')).available).toBe(eth('6'));
    await expect
      .poll(() => eventTypesOf(system, seen.id))
      .toEqual(['deposit.seen', 'deposit.reversed', 'deposit.seen', 'deposit.credited']);
  });
});

describe('a reorg after the credit', () => {
  it('takes the credit back, with the sweep that had collected it; mined again, it is credited again, once', async () => {
    const customer = await system.newCustomer('late');
    const transfer = await payDeposit(system, customer, 'USDT', '50');
    await step(2);
    const raws = [await rawOf(await mintOf(transfer)), await rawOf(transfer)];
    const { id } = await only(customer);
    expect(await system.available(customer, 'USDT')).toBe('50');
    await step(); // the sweep is mined
    const sweeps = async () => (await system.client.listTransactions({ kind: 'sweep', limit: 200 })).data;
    expect((await sweeps())[0]).toMatchObject({ state: 'included' });
    await replaceBlocks(3);
    expect(await only(customer)).toMatchObject({ id, state: 'orphaned' });
    expect(await system.balance(customer, 'USDT')).toMatchObject({ available: '0', held: '0', receivable: '0' });

    for (const raw of raws) await sendRaw(raw);
    await step(2);
    expect(await only(customer)).toMatchObject({ id, state: 'credited' });
    expect(await system.available(customer, 'USDT')).toBe('50');
    await step(4);
    expect(await system.available(customer, 'USDT')).toBe('50');
    await expect
      .poll(() => eventTypesOf(system, id))
      .toEqual(['deposit.seen', 'deposit.credited', 'deposit.reversed', 'deposit.seen', 'deposit.credited']);
    expect((await sweeps()).every((sweep) => sweep.state === 'final')).toBe(true);
    expect(await openAlarms(system, 'sweep-moved-nothing')).toEqual([]);
  });

  it('and after the customer spent it leaves a receivable that blocks withdrawals and is paid by the next deposit', async () => {
    const [rich, spender] = [await system.newCustomer('rich'), await system.newCustomer('spender')];
    await payDeposit(system, rich, 'ETH', '4');
    await step(5);
    await payDeposit(system, spender, 'ETH', '2');
    await system.mineEvm();
    await settle(system);
    const from = Number(await rpcCall<string>(system.chains.anvil.url, 'eth_blockNumber'));
    await step();
    const { id } = await only(spender);
    const withdrawal = await requestWithdrawal(system, spender, 'ETH', '1', await outsideAddress(system, 'ETH'));
    await system.mineUntil(
      'the withdrawal is settled',
      async () => (await system.client.getWithdrawal({ id: withdrawal.id })).state === 'settled',
    );
    await settle(system);
    expect(await system.available(spender, 'ETH')).toBe('0.9996');

    // However quickly it was settled, deeper than the four blocks that count for good.
    await step(2);
    const depth = Number(await rpcCall<string>(system.chains.anvil.url, 'eth_blockNumber')) - from + 1;
    await replaceBlocks(depth);
    expect(await system.client.getDeposit({ id })).toMatchObject({ state: 'orphaned' });
    expect(await system.balance(spender, 'ETH')).toMatchObject({
      available: '0',
      held: eth('1.0004'),
      receivable: eth('1.0004'),
    });
    expect(await openAlarms(system, 'reorg-below-finality')).not.toEqual([]);
    const refused = requestWithdrawal(system, spender, 'ETH', '0.01', await outsideAddress(system, 'ETH'));
    await expect(refused).rejects.toSatisfy(
      (error) => error instanceof Failure && error.code === 'withdrawals-blocked',
    );

    // What the signers signed is offered again and confirms once more: it was paid, and stays paid once.
    await system.mineUntil(
      'the withdrawal is settled again',
      async () => (await system.client.getWithdrawal({ id: withdrawal.id })).state === 'settled',
    );
    await settle(system);
    await system.mustBalance();
    expect(await system.balance(spender, 'ETH')).toMatchObject({
      available: '0',
      held: '0',
      receivable: eth('1.0004'),
    });

    // Deeper than what counts for good: nothing is credited on the new branch until an operator has decided.
    await payDeposit(system, spender, 'ETH', '0.5');
    await step(2);
    expect(await system.balance(spender, 'ETH')).toMatchObject({ receivable: eth('1.0004') });
    const deep = (await openAlarms(system, 'reorg-below-finality')).find(({ subject }) =>
      subject.endsWith('finality'),
    )!;
    expect(deep.message).toContain(`${depth} blocks of`);
    const closed = await system.client.closeAlarm({ id: deep.id, note: 'the chain has settled' });
    expect(closed).toMatchObject({ closed_at: expect.any(String) as string });
    expect(closed.message).toContain('[closed: the chain has settled]');
    await settle(system);
    expect(await system.balance(spender, 'ETH')).toMatchObject({ available: '0', receivable: eth('0.5004') });
    await payDeposit(system, spender, 'ETH', '2');
    await step(2);
    expect(await system.balance(spender, 'ETH')).toMatchObject({ available: eth('1.4996'), receivable: '0' });
    const again = await requestWithdrawal(system, spender, 'ETH', '1', await outsideAddress(system, 'ETH'));
    await system.mineUntil(
      'withdrawals go on',
      async () => (await system.client.getWithdrawal({ id: again.id })).state === 'settled',
    );
    await settle(system);
    await system.mustBalance();
  });
});
