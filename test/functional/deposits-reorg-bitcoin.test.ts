import { Failure } from '@holdfast/core/failure.ts';
import { parseUnits } from '@holdfast/core/money/base-units.ts';
import { conflictOf, type Miner, openMiner } from '@holdfast/devnet/bitcoin/miner.ts';
import { reorgByInvalidation, reorgByTwoNodes, untilSameTip } from '@holdfast/devnet/bitcoin/reorg.ts';
import { bitcoinNetworkId } from '@holdfast/devnet/configure.ts';
import {
  awaitWithdrawal,
  type Customer,
  outsideAddress,
  payDeposit,
  requestWithdrawal,
} from '@holdfast/devnet/story/actors.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  acceptDeepReorgs,
  awaitAlarm,
  awaitNoAlarm,
  awaitPasses,
  depositsOf,
  endpointsOf,
  eventTypesOf,
  settle,
} from '../support/chain-steps.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
let first: Miner;
let second: Miner;
beforeAll(async () => {
  system = await startSystem();
  first = system.chains.bitcoin!.miner;
  second = await openMiner(system.chains.bitcoin!.nodes[1].rpc, { funded: false });
});
afterAll(() => system?.stop());

const sats = (coins: string): string => parseUnits(coins, 8).toString();

async function settled(): Promise<void> {
  await untilSameTip(first, second);
  await settle(system);
  await system.mustBalance();
}

async function step(blocks = 1): Promise<void> {
  await system.mineBitcoin(blocks);
  await settled();
}

/** Replaces the last blocks, in both nodes, by one more. @param transactions raw, of the new branch's first block. */
async function replaceBlocks(depth: number, transactions: readonly string[] = []): Promise<void> {
  await untilSameTip(first, second);
  await reorgByInvalidation(first, { depth, transactions });
  await settled();
}

async function only(customer: Customer) {
  const deposits = await depositsOf(system, customer);
  expect(deposits).toHaveLength(1);
  return deposits[0]!;
}

const both = async (method: string, hash: string): Promise<void> => {
  for (const { rpc } of [first, second]) await rpc(method, [hash]);
};

/** Puts an empty block in the place of the tip. @returns both hashes. */
async function displaceTip(): Promise<{ mined: string; other: string }> {
  const mined = await first.rpc<string>('getbestblockhash');
  await both('invalidateblock', mined);
  const { hash: other } = await first.rpc<{ hash: string }>('generateblock', [first.address, []]);
  await untilSameTip(first, second);
  return { mined, other };
}

/** The displaced block is the tip again. */
async function restoreTip({ mined, other }: { mined: string; other: string }): Promise<void> {
  await both('reconsiderblock', mined);
  await both('invalidateblock', other);
  expect(await first.rpc('getbestblockhash')).toBe(mined);
  await untilSameTip(first, second);
}

describe('the same block seen twice', () => {
  it('gives one credit when the nodes take it away and bring it back', async () => {
    const customer = await system.newCustomer('twice');
    await payDeposit(system, customer, 'BTC', '0.2');
    await step();
    const { id } = await only(customer);
    const block = await first.rpc<string>('getbestblockhash');
    await both('invalidateblock', block);
    await both('reconsiderblock', block);
    await settled();
    expect(await system.available(customer, 'BTC')).toBe('0.2');

    const tips = await displaceTip();
    await settled();
    expect(await only(customer)).toMatchObject({ id, state: 'orphaned' });
    expect(await system.available(customer, 'BTC')).toBe('0');
    await restoreTip(tips);
    await settled();
    expect(await only(customer)).toMatchObject({ id, state: 'credited' });
    expect(await system.available(customer, 'BTC')).toBe('0.2');
    await step(3);
    expect(await system.available(customer, 'BTC')).toBe('0.2');
    await expect
      .poll(() => eventTypesOf(system, id))
      .toEqual(['deposit.seen', 'deposit.credited', 'deposit.reversed', 'deposit.seen', 'deposit.credited']);
  });

  it('gives one credit when the server is stopped at each turn', async () => {
    const customer = await system.newCustomer('restarts');
    await payDeposit(system, customer, 'BTC', '0.21');
    await step();
    const { id } = await only(customer);
    await system.server().stop();
    const tips = await displaceTip();
    await system.startServer();
    await settled();
    expect(await only(customer)).toMatchObject({ id, state: 'orphaned' });
    await system.server().stop();
    await restoreTip(tips);
    await system.startServer();
    await settled();
    expect(await only(customer)).toMatchObject({ id, state: 'credited' });
    await system.server().stop();
    await system.startServer();
    await step(2);
    expect(await system.available(customer, 'BTC')).toBe('0.21');
    await expect
      .poll(() => eventTypesOf(system, id))
      .toEqual(['deposit.seen', 'deposit.credited', 'deposit.reversed', 'deposit.seen', 'deposit.credited']);
  });

  it('gives one credit when the nodes left and came back while the server was away', async () => {
    const customer = await system.newCustomer('away');
    await payDeposit(system, customer, 'BTC', '0.22');
    await step();
    const { id } = await only(customer);
    await system.server().stop();
    await restoreTip(await displaceTip());
    await system.startServer();
    await step(2);
    expect(await system.available(customer, 'BTC')).toBe('0.22');
    await expect.poll(() => eventTypesOf(system, id)).toEqual(['deposit.seen', 'deposit.credited']);
  });
});

describe('a reorg', () => {
  it('before the credit orphans a deposit whose coins were spent otherwise, for good', async () => {
    const customer = await system.newCustomer('conflict');
    const txid = await payDeposit(system, customer, 'BTC', '0.6');
    await step(2);
    expect(await only(customer)).toMatchObject({ state: 'seen', confirmations: 2, confirmations_required: 3 });
    await replaceBlocks(2, [await conflictOf(first, txid)]);
    expect(await only(customer)).toMatchObject({ state: 'orphaned', confirmations: 0 });
    await step(4);
    expect(await only(customer)).toMatchObject({ state: 'orphaned' });
    expect(await system.balance(customer, 'BTC')).toMatchObject({ available: '0', held: '0', receivable: '0' });
  });

  it('after the credit takes it back, and mined again it is credited again under the same id', async () => {
    const customer = await system.newCustomer('again');
    await payDeposit(system, customer, 'BTC', '0.3');
    await step();
    const { id } = await only(customer);
    expect(await system.available(customer, 'BTC')).toBe('0.3');
    await replaceBlocks(1);
    expect(await only(customer)).toMatchObject({ id, state: 'orphaned' });
    expect(await system.available(customer, 'BTC')).toBe('0');
    await step();
    expect(await only(customer)).toMatchObject({ id, state: 'credited', confirmations: 1 });
    expect(await system.available(customer, 'BTC')).toBe('0.3');
  });

  it('after the customer spent it leaves a receivable that blocks withdrawals and is paid by the next deposit', async () => {
    const [rich, spender] = [await system.newCustomer('rich'), await system.newCustomer('spender')];
    // Larger than the spender's coin: it is the one that pays.
    await payDeposit(system, rich, 'BTC', '3');
    await step(3);
    const txid = await payDeposit(system, spender, 'BTC', '0.4');
    await step();
    const { id } = await only(spender);
    const { blocks: from } = await first.rpc<{ blocks: number }>('getblockchaininfo');
    const withdrawal = await requestWithdrawal(system, spender, 'BTC', '0.3', await outsideAddress(system, 'BTC'));
    const isSettled = async () => (await system.client.getWithdrawal({ id: withdrawal.id })).state === 'settled';
    await system.mineUntil('the withdrawal is settled', isSettled);
    await settled();
    expect(await system.available(spender, 'BTC')).toBe('0.09998');

    const { blocks: to } = await first.rpc<{ blocks: number }>('getblockchaininfo');
    await replaceBlocks(to - from + 1, [await conflictOf(first, txid)]);
    expect(await system.client.getDeposit({ id })).toMatchObject({ state: 'orphaned' });
    expect(await system.balance(spender, 'BTC')).toMatchObject({
      available: '0',
      held: sats('0.30002'),
      receivable: sats('0.30002'),
    });
    const refused = requestWithdrawal(system, spender, 'BTC', '0.01', await outsideAddress(system, 'BTC'));
    await expect(refused).rejects.toSatisfy(
      (error) => error instanceof Failure && error.code === 'withdrawals-blocked',
    );

    await system.mineUntil('the withdrawal is settled again', isSettled);
    await settled();
    expect(await system.balance(spender, 'BTC')).toMatchObject({
      available: '0',
      held: '0',
      receivable: sats('0.30002'),
    });
    await acceptDeepReorgs(system);
    await payDeposit(system, spender, 'BTC', '0.5');
    await step(3);
    expect(await system.balance(spender, 'BTC')).toMatchObject({ available: sats('0.19998'), receivable: '0' });
    const again = await requestWithdrawal(system, spender, 'BTC', '0.1', await outsideAddress(system, 'BTC'));
    await system.mineUntil(
      'withdrawals go on',
      async () => (await system.client.getWithdrawal({ id: again.id })).state === 'settled',
    );
    await settled();
  });

  it('cannot take the ground from under a withdrawal: coins of a deposit that is not credited yet pay for nobody', async () => {
    const [early, payer] = [await system.newCustomer('early'), await system.newCustomer('payer')];
    await payDeposit(system, payer, 'BTC', '0.2');
    await step(3);
    const txid = await payDeposit(system, early, 'BTC', '8');
    await step();
    expect(await only(early)).toMatchObject({ state: 'seen', confirmations_required: 3 });
    // The largest coin would be the one that pays.
    const withdrawal = await requestWithdrawal(system, payer, 'BTC', '0.05', await outsideAddress(system, 'BTC'));
    const { txid: paidBy } = await awaitWithdrawal(system, withdrawal.id, 'broadcast');
    const { vin } = await first.rpc<{ vin: { txid: string }[] }>('getrawtransaction', [paidBy, true]);
    expect(vin.map((input) => input.txid)).not.toContain(txid);
    await step(3);
    expect(await only(early)).toMatchObject({ state: 'credited' });
  });

  it('between two nodes that had parted credits nothing while they differ, and once when they agree', async () => {
    const customer = await system.newCustomer('parted');
    await settled();
    // Mined by the losing side only.
    const txid = await payDeposit(system, customer, 'BTC', '0.1');
    await reorgByTwoNodes(first, second, {
      depth: 2,
      p2pPortOfLosing: system.chains.bitcoin!.nodes[0].p2pPort,
      async whileParted() {
        const { message } = await awaitAlarm(system, 'node-quorum-lost', ' says', `${bitcoinNetworkId} follow`);
        for (const endpoint of endpointsOf(system, bitcoinNetworkId))
          expect(message).toContain(`127.0.0.1:${endpoint.port} says`);
        await awaitPasses(system, bitcoinNetworkId);
        expect(await depositsOf(system, customer)).toEqual([]);
      },
    });
    await settled();
    await awaitNoAlarm(system, 'node-quorum-lost');
    expect(await depositsOf(system, customer)).toEqual([]);
    await step();
    expect(await only(customer)).toMatchObject({ txid, state: 'credited' });
    expect(await system.available(customer, 'BTC')).toBe('0.1');
  });
});
