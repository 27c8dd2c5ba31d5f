import { parseUnits } from '@holdfast/core/money/base-units.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import {
  type AssetName,
  type Customer,
  decimalsOf,
  outsideAddress,
  payDeposit,
  requestWithdrawal,
} from '@holdfast/devnet/story/actors.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  awaitAlarm,
  callMined,
  calls,
  depositsOf,
  eventTypesOf,
  holdingOf,
  openAlarms,
  settle,
} from '../support/chain-steps.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

const addressOf = (customer: Customer): string => customer.addresses.get(evmNetworkId)!;
const units = (asset: AssetName, coins: string): bigint => parseUnits(coins, decimalsOf[asset]);
const contractOf = (asset: AssetName): string | null =>
  ({ BTC: null, ETH: null, USDT: system.evm.usdt, USDC: system.evm.usdc })[asset];
const held = (asset: AssetName, address: string): Promise<bigint> => holdingOf(system, contractOf(asset), address);
const tokens = ['ETH', 'USDT', 'USDC'] as const;

/** Runtime code that calls an address with all the ether it holds: CALL(gas, to, SELFBALANCE, no data), STOP. */
const passingOn = (to: string): string => `0x5f5f5f5f4773${to.slice(2).toLowerCase()}5af100`;

async function step(blocks = 1): Promise<void> {
  await system.mineEvm(blocks);
  await settle(system);
}

describe('a sweep', () => {
  it('empties the forwarders into the vault and changes no balance of a customer', async () => {
    const customers = [await system.newCustomer('sweep-a'), await system.newCustomer('sweep-b')];
    const before = new Map(
      await Promise.all(tokens.map(async (asset) => [asset, await held(asset, system.evm.safe)] as const)),
    );
    for (const customer of customers) for (const asset of tokens) await payDeposit(system, customer, asset, '40');
    await system.mineUntil('the forwarders are empty', async () => {
      const left = await Promise.all(
        customers.flatMap((customer) => tokens.map((asset) => held(asset, addressOf(customer)))),
      );
      const here = await Promise.all(tokens.map((asset) => held(asset, system.evm.safe)));
      return left.every((amount) => amount === 0n) && here.every((amount) => amount > 0n);
    });
    await step(3);
    for (const asset of tokens) {
      expect((await held(asset, system.evm.safe)) - before.get(asset)!).toBe(units(asset, '80'));
      for (const customer of customers) expect(await system.available(customer, asset)).toBe('40');
    }
    const sweeps = (await system.client.listTransactions({ kind: 'sweep', limit: 200 })).data;
    expect(sweeps.length).toBeGreaterThan(0);
    expect(new Set(sweeps.map((sweep) => sweep.state))).toEqual(new Set(['final']));
    expect(await openAlarms(system)).toEqual([]);
    await system.mustBalance();
  });

  it('that takes a later, still unconfirmed deposit along leaves it to be credited in its turn', async () => {
    const customer = await system.newCustomer('sweep-along');
    await payDeposit(system, customer, 'USDT', '100');
    await step(2);
    // Credited: the sweep is in the pool. A second deposit is mined together with it.
    const later = await payDeposit(system, customer, 'USDT', '7');
    await step();
    await step();
    await step(3);
    expect((await depositsOf(system, customer)).find((deposit) => deposit.txid === later)).toMatchObject({
      state: 'credited',
    });
    expect(await system.available(customer, 'USDT')).toBe('107');
    expect(await held('USDT', addressOf(customer))).toBe(0n);
    expect(await openAlarms(system)).toEqual([]);
    await system.mustBalance();
  });

  it('goes past a forwarder that the token has barred: the others arrive and an alarm names it', async () => {
    const [barred, free] = [await system.newCustomer('sweep-barred'), await system.newCustomer('sweep-free')];
    const before = await held('USDC', system.evm.safe);
    await payDeposit(system, barred, 'USDC', '55');
    await payDeposit(system, barred, 'ETH', '0.5');
    await payDeposit(system, free, 'USDC', '66');
    await system.mineEvm();
    await callMined(
      system,
      system.evm.usdc,
      calls.setBlacklisted.encodeInput({ account: addressOf(barred), barred: true }),
      { key: devnetKeys.deployer },
    );
    await settle(system);
    await step(2);
    expect([await system.available(barred, 'USDC'), await system.available(free, 'USDC')]).toEqual(['55', '66']);
    expect([
      await held('USDC', addressOf(barred)),
      await held('USDC', addressOf(free)),
      await held('ETH', addressOf(barred)),
    ]).toEqual([units('USDC', '55'), 0n, 0n]);
    expect((await held('USDC', system.evm.safe)) - before).toBe(units('USDC', '66'));
    expect(await awaitAlarm(system, 'sweep-moved-nothing')).toMatchObject({ subject: `${addressOf(barred)} USDC` });
    expect(await openAlarms(system)).toHaveLength(1);
    await system.mustBalance();
  });
});

describe('a withdrawal to a contract that pays one of our customers', () => {
  it('is a deposit of that customer, and both sides of the books know it', async () => {
    // A payee whose code passes on all that it gets: the Safe's own call holds the inner payment.
    const [payer, payee] = [await system.newCustomer('round-payer'), await system.newCustomer('round-payee')];
    await payDeposit(system, payer, 'ETH', '3');
    await step(2);
    await step(2);
    const relay = await outsideAddress(system, 'ETH');
    await rpcCall(system.chains.anvil.url, 'anvil_setCode', [relay, passingOn(addressOf(payee))]);
    const requested = await requestWithdrawal(system, payer, 'ETH', '1', relay);
    await system.mineUntil(
      'withdrawal settled',
      async () => (await system.client.getWithdrawal({ id: requested.id })).state === 'settled',
    );
    const [deposit] = await system.mineUntil('deposit credited', async () => {
      const found = await depositsOf(system, payee);
      return found.length > 0 && found.every(({ state }) => state === 'credited') && found;
    });
    expect(deposit).toMatchObject({ amount: units('ETH', '1').toString() });
    await expect.poll(() => eventTypesOf(system, deposit!.id)).toEqual(['deposit.seen', 'deposit.credited']);
    expect(await openAlarms(system, 'payment-differs')).toEqual([]);
    await system.mustBalance();
  });
});
