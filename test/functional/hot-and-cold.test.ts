import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { addressOfKey } from '@holdfast/devnet/evm/accounts.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import { type Customer, outsideAddress, payDeposit } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import type { Step } from '@holdfast/server/context.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { awaitAlarm, openAlarms } from '../support/chain-steps.ts';
import {
  type Books,
  mineUntilAll,
  openBooks,
  openTransactions,
  received,
  units,
  withdrawalBody,
} from '../support/payouts.ts';
import { relaxPolicy, type System, startSystem } from '../support/system.ts';

/* A custodian with one key on each chain, in place of five: what the server sees of a refill is the same. */
const coldKey = `0x${'c0'.repeat(32)}`;
const coldEvm = addressOfKey(coldKey);
/** Key 1, as bitcoind takes it, and its address of BIP-173. */
const coldWif = 'cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA';
const coldBitcoin = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';

const assets = [
  { name: 'BTC', network: bitcoinNetworkId, cold: coldBitcoin },
  { name: 'ETH', network: evmNetworkId, cold: coldEvm },
] as const;

let system: System;
let books: Books;
let customer: Customer;

/** At most 2 % hot. */
function withTargets(policy: Policy): void {
  relaxPolicy(policy);
  const rule = { floor_bps: 50, target_bps: 100, ceiling_bps: 200, skims_per_day_max: 4 };
  for (const network of policy.networks) {
    network.cold_addresses = [network.family === 'evm' ? coldEvm : coldBitcoin];
    if (network.family === 'bitcoin') network.hot = { ...rule, skim_min: '10000000' };
    else network.assets[0]!.hot = { ...rule, skim_min: '100000000000000000' };
  }
}

beforeAll(async () => {
  system = await startSystem({ policy: withTargets });
  books = openBooks(system);
  customer = await system.newCustomer('hot-and-cold');
  await awaitCondition(
    'both cold wallets watched',
    async () => (await books.db.query('select from cold_wallet')).length === 2,
  );
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

const skims = (): Promise<{ network: string; state: string }[]> =>
  books.db.query(`select network, state from chain_transaction where kind = 'skim' order by network`);
const wallet = (kind: 'hot' | 'cold', { network, name }: (typeof assets)[number]): Promise<bigint> =>
  books.balance(accountCodes[kind](network, name));

/** Dies there, once, and is started again as the next of the list says. */
async function dieAt([step, ...rest]: readonly Step[]): Promise<void> {
  const child = await system.startServer(step === undefined ? {} : { killAt: step });
  if (step === undefined) return;
  await system.mineUntil(`death at ${step}`, async () => !child.running());
  await dieAt(rest);
}

it('takes what is above the ceiling to cold, once, though the server dies between signing and sending', async () => {
  await system.server().stop();
  await payDeposit(system, customer, 'BTC', '2');
  await payDeposit(system, customer, 'ETH', '20');
  await dieAt(['skim-after-quorum', 'skim-after-store']);
  await system.mineUntil('both skims settled', async () => {
    const found = await skims();
    return found.length === 2 && found.every(({ state }) => state === 'final') && found;
  });
  await system.mineUntil('nothing under way', async () => (await openTransactions(system)).length === 0);
  for (const one of assets) {
    const whole = units(one.name, one.name === 'BTC' ? '2' : '20');
    const target = whole / 100n;
    expect(await wallet('cold', one)).toBe(whole - target);
    expect(await received(system, one.name, one.cold)).toBe(whole - target);
    const fee = await books.balance(accountCodes.feesPaid(one.network, one.name));
    expect(await wallet('hot', one)).toBe(one.name === 'BTC' ? target - fee : target);
    expect(await books.balance(accountCodes.inFlight(one.network, one.name))).toBe(0n);
  }
  // More blocks, and nothing more to take.
  await system.mineEvm();
  await system.mineBitcoin();
  await system.followed();
  expect(await skims()).toHaveLength(2);
  await system.mustBalance();
  expect(await openAlarms(system)).toEqual([]);
});

/** What the alarm asks for, as `holdfast cold request refill` takes it. */
async function asked(asset: 'BTC' | 'ETH'): Promise<{ to: string; amount: bigint; draft: Record<string, unknown> }> {
  const { message } = await awaitAlarm(system, 'hot-refill-needed', ` of ${asset} `);
  const [, amount = '', to = ''] = /needs ([0-9]+) base units of [A-Z]+ from cold, paid to ([0-9a-zA-Z]+)/.exec(
    message,
  )!;
  const draft = JSON.parse(message.slice(message.indexOf('{'))) as Record<string, unknown>;
  return { to, amount: BigInt(amount), draft };
}

async function refillCoins(to: string, amountSats: bigint): Promise<void> {
  const { rpc } = system.chains.bitcoin!.miner;
  const { unspents } = await rpc<{ unspents: { txid: string; vout: number; amount: number; scriptPubKey: string }[] }>(
    'scantxoutset',
    ['start', [`addr(${coldBitcoin})`]],
  );
  const held = unspents.reduce((sum, { amount }) => sum + BigInt(Math.round(amount * 1e8)), 0n);
  const coins = (sats: bigint): number => Number(sats) / 1e8;
  const outputs = [{ [to]: coins(amountSats) }, { [coldBitcoin]: coins(held - amountSats - 1_000n) }];
  const raw = await rpc<string>('createrawtransaction', [unspents.map(({ txid, vout }) => ({ txid, vout })), outputs]);
  const signed = await rpc<{ hex: string }>('signrawtransactionwithkey', [raw, [coldWif], unspents]);
  await rpc('sendrawtransaction', [signed.hex]);
}

it('asks custodians for what the queue lacks, and knows a refill from a deposit', async () => {
  const bodies = [
    withdrawalBody(system, customer, 'BTC', '0.5', await outsideAddress(system, 'BTC')),
    withdrawalBody(system, customer, 'ETH', '5', await outsideAddress(system, 'ETH')),
  ];
  const ids: string[] = [];
  for (const body of bodies) ids.push((await system.client.createWithdrawal(body)).id);
  await system.mineEvm();
  await system.mineBitcoin();
  const [btc, eth] = [await asked('BTC'), await asked('ETH')];
  expect(eth.to).toBe(system.evm.safe);
  expect(eth.draft).toEqual({ network: evmNetworkId, asset: 'ETH', amount: eth.amount.toString() });
  expect(btc.draft).toMatchObject({ network: bitcoinNetworkId, amount_sats: btc.amount.toString() });
  expect(btc.amount).toBeGreaterThan(units('BTC', '0.49'));
  await refillCoins(btc.to, btc.amount);
  await sendTransaction({ rpcUrl: system.chains.anvil.url, key: coldKey, to: eth.to, valueWei: eth.amount });
  await mineUntilAll(system, ids, 'settled');
  await system.mineUntil('no alarm', async () => (await openAlarms(system)).length === 0);
  await system.followed();
  await system.mustBalance();
  for (const { network, name } of assets) expect(await books.balance(accountCodes.suspense(network, name))).toBe(0n);
  // Its gas and its miner's fee came out of cold.
  expect(await wallet('cold', assets[0])).toBe(await received(system, 'BTC', coldBitcoin));
  expect(await wallet('cold', assets[1])).toBe(await received(system, 'ETH', coldEvm));
  expect((await system.client.listDeposits({ customer: customer.id, limit: 200 })).data).toHaveLength(2);
  expect(await skims()).toHaveLength(2);
});
