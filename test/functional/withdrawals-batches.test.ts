import { randomBytes } from 'node:crypto';
import { bech32 } from '@scure/base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadArtifact } from '@holdfast/contracts/artifact.ts';
import { formatUnits } from '@holdfast/core/money/base-units.ts';
import { bitcoinNetworkId } from '@holdfast/devnet/configure.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { reorg } from '@holdfast/devnet/evm/payments.ts';
import { type AssetName, type Customer, outsideAddress } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { callMined, calls, deploy, openAlarms } from '../support/chain-steps.ts';
import {
  allIn,
  type Books,
  fund,
  lend,
  mineUntilAll,
  openBooks,
  received,
  units,
  withdrawalBody,
  withdrawalsIn,
} from '../support/payouts.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
let books: Books;
let customers: Customer[];

interface DecodedTransaction {
  readonly vin: readonly { readonly txid: string; readonly vout: number }[];
  readonly vout: readonly {
    readonly n: number;
    readonly value: number;
    readonly scriptPubKey: { readonly address: string };
  }[];
}
const decode = (txid: string) =>
  system.chains.bitcoin!.miner.rpc<DecodedTransaction>('getrawtransaction', [txid, true]);

beforeAll(async () => {
  // Long enough that all requests of a test are in one batch.
  system = await startSystem({ batchWaitMs: 1_500 });
  books = openBooks(system);
  customers = [
    await system.newCustomer('batch-a'),
    await system.newCustomer('batch-b'),
    await system.newCustomer('batch-c'),
  ];
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

/** Asks for all at once. @returns the withdrawals' ids in the order asked. */
async function ask(
  payouts: readonly { customer: Customer; asset: AssetName; coins: string; to: string }[],
): Promise<string[]> {
  const made = await Promise.all(
    payouts.map(({ customer, asset, coins, to }) =>
      system.client.createWithdrawal(withdrawalBody(system, customer, asset, coins, to)),
    ),
  );
  return made.map((one) => one.id);
}

async function balanced(): Promise<void> {
  await system.followed();
  await system.mustBalance();
}

describe('a batch on Bitcoin', () => {
  it('pays 30 withdrawals of several customers to every kind of address in one transaction, and its change is spent next', async () => {
    await fund(system, customers[0]!, { BTC: '6' });
    for (const customer of customers.slice(1)) await fund(system, customer, { BTC: '0.5' });
    const { rpc } = system.chains.bitcoin!.miner;
    const address = async (kind: string): Promise<string> => rpc<string>('getnewaddress', ['', kind], 'miner');
    const p2wsh = (): string => bech32.encode('bcrt', [0, ...bech32.toWords(randomBytes(32))]);
    const kinds = [
      () => address('legacy'),
      () => address('p2sh-segwit'),
      () => address('bech32'),
      async () => p2wsh(),
      () => address('bech32m'),
    ];
    const payouts = [];
    for (let i = 0; i < 30; i++) {
      const to = await kinds[i % kinds.length]!();
      payouts.push({ customer: customers[i % 3]!, asset: 'BTC' as const, coins: `0.0${100 + i}`, to });
    }
    const ids = await ask(payouts);
    const settled = await mineUntilAll(system, ids, 'settled');
    const txids = new Set(settled.map((one) => one.txid));
    expect(txids.size).toBe(1);
    for (const { to, coins } of payouts) expect(await received(system, 'BTC', to)).toBe(units('BTC', coins));
    const [txid] = [...txids] as [string];
    const batch = await decode(txid);
    expect(batch.vout).toHaveLength(31);
    const paid = new Set(payouts.map((payout) => payout.to));
    const change = batch.vout.find((output) => !paid.has(output.scriptPubKey.address))!;

    // Only the change is large enough.
    const to = await address('bech32m');
    const next = await ask([{ customer: customers[0]!, asset: 'BTC', coins: '4.5', to }]);
    const [spent] = await mineUntilAll(system, next, 'settled');
    expect((await decode(spent!.txid!)).vin.map((input) => `${input.txid}:${input.vout}`)).toContain(
      `${txid}:${change.n}`,
    );
    expect(await received(system, 'BTC', to)).toBe(units('BTC', '4.5'));
    await balanced();
  });

  it('waits when the wallet is short of coins, lets smaller ones pass, and pays when coins arrive', async () => {
    const [, other, third] = customers as [Customer, Customer, Customer];
    await fund(system, other, { BTC: '0.2' });
    const customer = await system.newCustomer('short');
    const hot = await books.balance(`hot:${bitcoinNetworkId}:BTC`);
    await lend(system, books, customer, 'BTC', hot + units('BTC', '1'));
    const to = await outsideAddress(system, 'BTC');
    const amount = hot + units('BTC', '0.5');
    const [large] = await ask([{ customer, asset: 'BTC', coins: formatUnits(amount, 8), to }]);
    const [small] = await ask([
      { customer: other, asset: 'BTC', coins: '0.05', to: await outsideAddress(system, 'BTC') },
    ]);
    await mineUntilAll(system, [small!], 'settled');
    expect((await withdrawalsIn(system, [large!]))[0]).toMatchObject({ state: 'queued' });
    await fund(system, third, { BTC: '2' });
    await mineUntilAll(system, [large!], 'settled');
    expect(await received(system, 'BTC', to)).toBe(amount);
    expect(await books.attemptsOf(large!)).toHaveLength(1);
    await balanced();
  });
});

/** Init code of: PUSH0 SLOAD PUSH1 revert JUMPI STOP JUMPDEST PUSH0 PUSH0 REVERT. A recipient until its storage says no. */
const trapCode = '0x600a600a5f39600a5ff35f54600657005b5f5ffd';

describe('a batch on an EVM chain', () => {
  it('pays 12 withdrawals of three assets in one transaction of the Safe', async () => {
    for (const customer of customers) await fund(system, customer, { ETH: '4', USDT: '400', USDC: '400' });
    const assets = ['ETH', 'USDT', 'USDC'] as const;
    const coins = { ETH: '0.3', USDT: '31', USDC: '47' } as const;
    const payouts = [];
    for (let i = 0; i < 12; i++) {
      const asset = assets[i % 3]!;
      payouts.push({
        customer: customers[Math.floor(i / 3) % 3]!,
        asset,
        coins: coins[asset],
        to: await outsideAddress(system, asset),
      });
    }
    const settled = await mineUntilAll(system, await ask(payouts), 'settled');
    expect(new Set(settled.map((one) => one.txid)).size).toBe(1);
    for (const { asset, coins: amount, to } of payouts)
      expect(await received(system, asset, to)).toBe(units(asset, amount));
    const transaction = await rpcCall<{ to: string }>(system.chains.anvil.url, 'eth_getTransactionByHash', [
      settled[0]!.txid,
    ]);
    expect(transaction.to.toLowerCase()).toBe(system.evm.safe.toLowerCase());
    await balanced();
  });

  it('sets a reverting, a gas-burning and a blacklisted recipient aside and pays the others', async () => {
    const reverting = await deploy(system, loadArtifact('RevertingRecipient').bytecode);
    const burner = await deploy(system, loadArtifact('GasBurner').bytecode);
    const barred = await outsideAddress(system, 'USDC');
    await callMined(system, system.evm.usdc, calls.setBlacklisted.encodeInput({ account: barred, barred: true }), {
      key: devnetKeys.deployer,
    });
    const customer = await system.newCustomer('aside');
    await fund(system, customer, { ETH: '4', USDC: '400' });
    const good = [await outsideAddress(system, 'ETH'), await outsideAddress(system, 'USDC')];
    const ids = await ask([
      { customer, asset: 'ETH', coins: '1', to: reverting },
      { customer, asset: 'ETH', coins: '0.5', to: good[0]! },
      { customer, asset: 'ETH', coins: '1', to: burner },
      { customer, asset: 'USDC', coins: '50', to: good[1]! },
      { customer, asset: 'USDC', coins: '60', to: barred },
    ]);
    const released = await allIn(system, [ids[0]!, ids[2]!, ids[4]!], 'released');
    for (const one of released) {
      expect(one).toMatchObject({
        reason: expect.stringContaining(`destination-reverts: ${one.destination}`) as string,
        txid: null,
      });
    }
    const settled = await mineUntilAll(system, [ids[1]!, ids[3]!], 'settled');
    expect(new Set(settled.map((one) => one.txid)).size).toBe(1);
    expect(await received(system, 'ETH', good[0]!)).toBe(units('ETH', '0.5'));
    expect(await received(system, 'USDC', good[1]!)).toBe(units('USDC', '50'));
    expect([await system.available(customer, 'ETH'), await system.available(customer, 'USDC')]).toEqual([
      '3.4996',
      '349',
    ]);
    expect(await system.balance(customer, 'ETH')).toMatchObject({ held: '0' });
    for (const to of [reverting, burner]) expect(await received(system, 'ETH', to)).toBe(0n);
    await balanced();
  });

  it('pays the others when a recipient fails only in the block, and gives that one back', async () => {
    const trap = await deploy(system, trapCode);
    const customer = await system.newCustomer('trap');
    await fund(system, customer, { ETH: '4', USDC: '400' });
    const good = await Promise.all([0, 1, 2].map(() => outsideAddress(system, 'ETH')));
    const [bad, ...others] = await ask([
      { customer, asset: 'ETH', coins: '0.9', to: trap },
      { customer, asset: 'ETH', coins: '0.2', to: good[0]! },
      { customer, asset: 'ETH', coins: '0.3', to: good[1]! },
      { customer, asset: 'USDC', coins: '40', to: good[2]! },
    ]);
    const [first] = await allIn(system, [bad!, ...others], 'broadcast');
    await inPool(first!.txid!);
    await rpcCall(system.chains.anvil.url, 'anvil_setStorageAt', [trap, `0x${'0'.repeat(64)}`, `0x${'0'.repeat(63)}1`]);
    const settled = await mineUntilAll(system, others, 'settled');
    expect(settled.map((one) => one.txid)).not.toContain(first!.txid);
    const [given] = await mineUntilAll(system, [bad!], 'released');
    expect(given!.reason).toContain('destination-reverts');
    expect([
      await received(system, 'ETH', trap),
      await received(system, 'ETH', good[0]!),
      await received(system, 'ETH', good[1]!),
      await received(system, 'USDC', good[2]!),
    ]).toEqual([0n, units('ETH', '0.2'), units('ETH', '0.3'), units('USDC', '40')]);
    expect(await system.balance(customer, 'ETH')).toMatchObject({
      held: '0',
      available: units('ETH', '3.4992').toString(),
    });
    expect((await openAlarms(system)).map((alarm) => alarm.code)).toContain('payment-reverted');
    await balanced();
  });

  it('waits for what the vault is short of, pays other assets meanwhile, and goes on when coins arrive', async () => {
    const customer = await system.newCustomer('vault-short');
    await fund(system, customer, { ETH: '2' });
    const vault = await received(system, 'USDT', system.evm.safe);
    await lend(system, books, customer, 'USDT', vault + units('USDT', '500'));
    const to = await outsideAddress(system, 'USDT');
    const [large] = await ask([{ customer, asset: 'USDT', coins: formatUnits(vault + units('USDT', '100'), 6), to }]);
    const [ether] = await ask([{ customer, asset: 'ETH', coins: '1', to: await outsideAddress(system, 'ETH') }]);
    await mineUntilAll(system, [ether!], 'settled');
    expect((await withdrawalsIn(system, [large!]))[0]).toMatchObject({ state: 'queued' });
    await fund(system, customers[0]!, { USDT: '300' });
    await mineUntilAll(system, [large!], 'settled');
    expect(await received(system, 'USDT', to)).toBe(vault + units('USDT', '100'));
  });
});

describe('a reorg that removes a payment', () => {
  it('puts Bitcoin payments back in flight and settles them once', async () => {
    const customer = await system.newCustomer('reorg-btc');
    await fund(system, customer, { BTC: '1' });
    const to = await outsideAddress(system, 'BTC');
    const [id] = await ask([{ customer, asset: 'BTC', coins: '0.4', to }]);
    await allIn(system, [id!], 'broadcast');
    const { rpc, address } = system.chains.bitcoin!.miner;
    const txid = await awaitCondition(
      'the payment in the mempool',
      async () => (await rpc<string[]>('getrawmempool'))[0],
      10_000,
      30,
    );
    await system.mineBitcoin();
    await allIn(system, [id!], 'settled');
    expect(await received(system, 'BTC', to)).toBe(units('BTC', '0.4'));
    // The block leaves, its two successors are empty.
    await rpc('invalidateblock', [await rpc<string>('getbestblockhash')]);
    for (let i = 0; i < 2; i++) await rpc('generateblock', [address, []]);
    await allIn(system, [id!], 'broadcast');
    expect(await system.balance(customer, 'BTC')).toMatchObject({ held: units('BTC', '0.40002').toString() });
    expect((await openAlarms(system)).map((alarm) => alarm.code)).toContain('reorg-below-finality');
    await balanced();
    const [again] = await mineUntilAll(system, [id!], 'settled');
    expect(again!.txid).toBe(txid);
    expect(await received(system, 'BTC', to)).toBe(units('BTC', '0.4'));
    expect(await system.balance(customer, 'BTC')).toMatchObject({
      held: '0',
      available: units('BTC', '0.59998').toString(),
    });
    await balanced();
  });

  it.each([1, 4])('puts EVM payments %i blocks deep back in flight and settles them once', async (depth) => {
    const customer = await system.newCustomer('reorg-evm');
    await fund(system, customer, { ETH: '3', USDC: '200' });
    const to = await outsideAddress(system, 'ETH');
    const ids = await ask([
      { customer, asset: 'ETH', coins: '0.7', to },
      { customer, asset: 'USDC', coins: '70', to },
    ]);
    const before = await allIn(system, ids, 'broadcast');
    await inPool(before[0]!.txid!);
    await system.mineEvm(depth);
    await allIn(system, ids, depth === 1 ? 'included' : 'settled');
    // The blocks that take their place are empty, and the node forgets what was in them.
    await reorg({ rpcUrl: system.chains.anvil.url, depth });
    await allIn(system, ids, 'broadcast');
    expect(await received(system, 'ETH', to)).toBe(0n);
    expect(await system.balance(customer, 'ETH')).toMatchObject({ held: units('ETH', '0.7004').toString() });
    await balanced();
    const after = await mineUntilAll(system, ids, 'settled');
    expect(after.map((one) => one.txid)).toEqual(before.map((one) => one.txid));
    expect([await received(system, 'ETH', to), await received(system, 'USDC', to)]).toEqual([
      units('ETH', '0.7'),
      units('USDC', '70'),
    ]);
    expect(await system.balance(customer, 'USDC')).toMatchObject({
      held: '0',
      available: units('USDC', '129').toString(),
    });
    await balanced();
  });
});

async function inPool(txid: string): Promise<void> {
  await awaitCondition(
    `${txid} in the pool`,
    async () => rpcCall<unknown>(system.chains.anvil.url, 'eth_getTransactionByHash', [txid]),
    10_000,
    30,
  );
}
