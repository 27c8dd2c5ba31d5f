import { forwarderSalt } from '@holdfast/core/chains/evm/forwarder.ts';
import type { DepositResource } from '@holdfast/core/contract/resources.ts';
import { parseUnits } from '@holdfast/core/money/base-units.ts';
import { loadArtifact } from '@holdfast/contracts/artifact.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { sendEth } from '@holdfast/devnet/evm/payments.ts';
import { type AssetName, type Customer, decimalsOf, payDeposit } from '@holdfast/devnet/story/actors.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  callContract,
  callMined,
  calls,
  deploy,
  depositsOf,
  eventTypesOf,
  forgedTransfer,
  openAlarms,
  settle,
} from '../support/chain-steps.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

const addressOf = (customer: Customer, network = evmNetworkId): string => customer.addresses.get(network)!;
const units = (asset: AssetName, coins: string): string => parseUnits(coins, decimalsOf[asset]).toString();
const amounts = (deposits: readonly DepositResource[]): string[] =>
  deposits.map((deposit) => deposit.amount).toSorted();

/** Mines a block on both chains and lets the server do all that it will do about it. */
async function step(blocks = 1): Promise<void> {
  await system.mineEvm(blocks);
  await system.mineBitcoin(blocks);
  await settle(system);
}

describe('a deposit waits for the confirmations of its own value', () => {
  const tiers: readonly (readonly [AssetName, small: string, smallDepth: number, large: string, largeDepth: number])[] =
    [
      ['BTC', '0.49999999', 1, '0.5', 3],
      ['ETH', '4.999999999999999999', 2, '5', 4],
      ['USDT', '9999.999999', 2, '10000', 4],
    ];
  it.each(tiers)('%s: %s after %i, %s after %i', async (asset, small, smallDepth, large, largeDepth) => {
    const customer = await system.newCustomer(`tiers-${asset}`);
    const txids = [await payDeposit(system, customer, asset, small), await payDeposit(system, customer, asset, large)];
    for (let depth = 1; depth <= largeDepth; depth++) {
      await step();
      const found = await depositsOf(system, customer);
      const states = txids.map((txid) =>
        found.filter((deposit) => deposit.txid === txid).map(({ state, confirmations }) => ({ state, confirmations })),
      );
      const expected = [smallDepth, largeDepth].map((required) => [
        { state: depth >= required ? 'credited' : 'seen', confirmations: depth },
      ]);
      expect(states).toEqual(expected);
      const credited =
        (depth >= smallDepth ? BigInt(units(asset, small)) : 0n) +
        (depth >= largeDepth ? BigInt(units(asset, large)) : 0n);
      expect((await system.balance(customer, asset)).available).toBe(credited.toString());
      await system.mustBalance();
    }
    await step(2);
    for (const deposit of await depositsOf(system, customer)) {
      await expect.poll(() => eventTypesOf(system, deposit.id)).toEqual(['deposit.seen', 'deposit.credited']);
    }
    expect((await system.balance(customer, asset)).available).toBe(
      (BigInt(units(asset, small)) + BigInt(units(asset, large))).toString(),
    );
  });
});

describe('ether', () => {
  it('from a contract to two customers in one transaction is credited to each', async () => {
    const [ann, ben] = [await system.newCustomer('split-ann'), await system.newCustomer('split-ben')];
    const txid = await callContract(
      system,
      system.evm.splitter,
      calls.split.encodeInput([addressOf(ann), addressOf(ben)]),
      { valueWei: 3n * 10n ** 18n },
    );
    await step(2);
    for (const customer of [ann, ben]) {
      expect(await depositsOf(system, customer)).toMatchObject([
        { txid, state: 'credited', amount: units('ETH', '1.5') },
      ]);
    }
    await system.mustBalance();
  });

  it('twice to one customer in one transaction is two deposits', async () => {
    const customer = await system.newCustomer('split-twice');
    await callContract(
      system,
      system.evm.splitter,
      calls.split.encodeInput([addressOf(customer), addressOf(customer)]),
      { valueWei: 2n * 10n ** 18n },
    );
    await step(2);
    const deposits = await depositsOf(system, customer);
    expect(amounts(deposits)).toEqual([units('ETH', '1'), units('ETH', '1')]);
    expect(new Set(deposits.map((deposit) => deposit.index)).size).toBe(2);
    expect(await system.available(customer, 'ETH')).toBe('2');
  });

  it('with the bare stipend, before and after the forwarder has code, and by a contract that destroys itself', async () => {
    const customer = await system.newCustomer('stipend');
    const pay = async (data: Uint8Array): Promise<void> => {
      await callContract(system, system.evm.splitter, data, { valueWei: 10n ** 18n });
      // Two blocks to credit, two more to sweep.
      await step(2);
      await step(2);
    };
    await pay(calls.payWithStipend.encodeInput(addressOf(customer)));
    await pay(calls.payWithStipend.encodeInput(addressOf(customer)));
    await pay(calls.payBySelfDestruct.encodeInput(addressOf(customer)));
    expect(await system.available(customer, 'ETH')).toBe('3');
    await system.mustBalance();
  });

  it('in an inner call that reverts is not credited', async () => {
    const customer = await system.newCustomer('reverted');
    const undone = await callContract(
      system,
      system.evm.splitter,
      calls.payAndRevert.encodeInput(addressOf(customer)),
      { valueWei: 10n ** 18n },
    );
    const real = await payDeposit(system, customer, 'ETH', '0.25');
    await step(2);
    const deposits = await depositsOf(system, customer);
    expect(deposits).toMatchObject([{ txid: real, state: 'credited' }]);
    expect(deposits.map((deposit) => deposit.txid)).not.toContain(undone);
    expect(await system.available(customer, 'ETH')).toBe('0.25');
    await system.mustBalance();
  });
});

describe('tokens', () => {
  it('of a contract that is not listed, and an event that only looks like a transfer, credit nothing', async () => {
    const customer = await system.newCustomer('unlisted');
    const lookAlike = await deploy(system, loadArtifact('TestUSDT').bytecode);
    await callMined(system, lookAlike, calls.mint.encodeInput({ to: addressOf(customer), amount: 10n ** 9n }));
    await deploy(system, forgedTransfer(addressOf(customer), 10n ** 9n));
    const real = await payDeposit(system, customer, 'USDT', '12');
    await step(3);
    expect(await depositsOf(system, customer)).toMatchObject([
      { txid: real, state: 'credited', asset: 'USDT', amount: units('USDT', '12') },
    ]);
    expect(await system.available(customer, 'USDT')).toBe('12');
    await system.mustBalance();
  });

  it('that take a fee on the way are credited with what arrived', async () => {
    const customer = await system.newCustomer('fee-token');
    const owner = { key: devnetKeys.deployer };
    await callMined(system, system.evm.usdt, calls.setFee.encodeInput(100n), owner);
    await payDeposit(system, customer, 'USDT', '1000');
    await system.mineEvm();
    await callMined(system, system.evm.usdt, calls.setFee.encodeInput(0n), owner);
    await step(2);
    expect(await depositsOf(system, customer)).toMatchObject([{ state: 'credited', amount: units('USDT', '990') }]);
    expect(await system.available(customer, 'USDT')).toBe('990');
    await system.mustBalance();
  });

  it('of two kinds in two transfers of one block are credited each in its own asset', async () => {
    const customer = await system.newCustomer('two-tokens');
    await payDeposit(system, customer, 'USDT', '20');
    await payDeposit(system, customer, 'USDC', '30');
    await step(2);
    expect([await system.available(customer, 'USDT'), await system.available(customer, 'USDC')]).toEqual(['20', '30']);
  });
});

describe('a Bitcoin transaction of many outputs', () => {
  it('pays three customers, and one of them twice', async () => {
    const customers = [
      await system.newCustomer('many-a'),
      await system.newCustomer('many-b'),
      await system.newCustomer('many-c'),
    ];
    const [a, b, c] = customers.map((customer) => addressOf(customer, bitcoinNetworkId));
    const { rpc } = system.chains.bitcoin!.miner;
    // The node makes no transaction with one address twice, so a stand-in of the same length is replaced by hand.
    const standIn = await rpc<string>('getnewaddress', ['', 'bech32m'], 'miner');
    const scriptOf = async (address: string): Promise<string> =>
      (await rpc<{ scriptPubKey: string }>('validateaddress', [address])).scriptPubKey;
    const outputs = [{ [a!]: '0.11' }, { [b!]: '0.22' }, { [c!]: '0.33' }, { [standIn]: '0.04' }];
    const { hex } = await rpc<{ hex: string }>(
      'fundrawtransaction',
      [await rpc('createrawtransaction', [[], outputs])],
      'miner',
    );
    const doubled = hex.replace(await scriptOf(standIn), await scriptOf(a!));
    const signed = await rpc<{ hex: string }>('signrawtransactionwithwallet', [doubled], 'miner');
    const txid = await rpc<string>('sendrawtransaction', [signed.hex]);
    await step();
    const found = await Promise.all(customers.map((customer) => depositsOf(system, customer)));
    expect(found.map(amounts)).toEqual([
      [units('BTC', '0.11'), units('BTC', '0.04')].toSorted(),
      [units('BTC', '0.22')],
      [units('BTC', '0.33')],
    ]);
    expect(found.flat().every((deposit) => deposit.txid === txid && deposit.state === 'credited')).toBe(true);
    expect(await Promise.all(customers.map((customer) => system.available(customer, 'BTC')))).toEqual([
      '0.15',
      '0.22',
      '0.33',
    ]);
    await system.mustBalance();
  });
});

describe('coins that no deposit address received', () => {
  it('sent straight to the vault wait in suspense with an alarm', async () => {
    const before = (await openAlarms(system, 'unattributed-arrival')).length;
    const eth = await sendEth({ rpcUrl: system.chains.anvil.url, to: system.evm.safe, amountWei: 7n * 10n ** 17n });
    const usdc = await payDeposit(
      system,
      { name: 'vault', id: '', addresses: new Map([[evmNetworkId, system.evm.safe]]) },
      'USDC',
      '41',
    );
    await step(2);
    const alarms = (await openAlarms(system, 'unattributed-arrival')).filter(
      ({ subject }) => subject.startsWith(eth) || subject.startsWith(usdc),
    );
    expect(alarms.map(({ message }) => message).toSorted()).toEqual([
      expect.stringMatching(/^41000000 base units of USDC reached our wallet/),
      expect.stringMatching(/^700000000000000000 base units of ETH reached our wallet/),
    ]);
    expect(await openAlarms(system, 'unattributed-arrival')).toHaveLength(before + 2);
    await system.mustBalance();
  });

  it('and a forwarder that a stranger flushes before our sweep is no alarm: the books know where its coins are', async () => {
    const customer = await system.newCustomer('stranger');
    const { index } = (await system.client.listDepositAddresses({ customer: customer.id, network: evmNetworkId }))
      .data[0]!;
    const salt = forwarderSalt(customer.id, index);
    await payDeposit(system, customer, 'ETH', '0.8');
    await payDeposit(system, customer, 'USDC', '60');
    await system.mineEvm();
    await callMined(
      system,
      system.evm.factory,
      calls.flush.encodeInput({ salts: [salt, salt], tokens: [`0x${'0'.repeat(40)}`, system.evm.usdc] }),
    );
    await settle(system);
    await system.mustBalance();
    expect([await system.available(customer, 'ETH'), await system.available(customer, 'USDC')]).toEqual(['0.8', '60']);
    // Our own sweep finds the forwarder empty.
    await step(2);
    await step(2);
    expect(
      (await openAlarms(system)).filter(({ subject, message }) =>
        `${subject} ${message}`.includes(addressOf(customer)),
      ),
    ).toEqual([]);
    await system.mustBalance();
  });
});
