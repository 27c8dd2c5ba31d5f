import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { bitcoinBlockHash, bitcoinStuckAt, evmBlockHash, evmStuckAt } from '@holdfast/devnet/lies.ts';
import type { Lie } from '@holdfast/devnet/proxy.ts';
import { type AssetName, type Customer, payDeposit } from '@holdfast/devnet/story/actors.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  awaitAlarm,
  awaitNoAlarm,
  awaitPasses,
  depositsOf,
  endpointsOf,
  eventTypesOf,
  openAlarms,
  settle,
} from '../support/chain-steps.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());
afterEach(() => {
  for (const network of [evmNetworkId, bitcoinNetworkId])
    for (const proxy of endpointsOf(system, network)) proxy.setFault({ kind: 'none' });
});

const falseHash = 'ab'.repeat(32);
const families = [
  {
    family: 'EVM',
    network: evmNetworkId,
    asset: 'ETH' as AssetName,
    depth: 2,
    otherHash: (height: number) => evmBlockHash(height, `0x${falseHash}`),
    stuckAt: evmStuckAt,
  },
  {
    family: 'Bitcoin',
    network: bitcoinNetworkId,
    asset: 'BTC' as AssetName,
    depth: 1,
    otherHash: (height: number) => bitcoinBlockHash(height, falseHash),
    stuckAt: bitcoinStuckAt,
  },
];
const mine = (network: string, blocks: number): Promise<void> =>
  network === bitcoinNetworkId ? system.mineBitcoin(blocks) : system.mineEvm(blocks);
const heightOf = async (network: string): Promise<number> =>
  (await system.client.listNetworks()).data.find((one) => one.id === network)!.height!;
const nameOf = (network: string, endpoint: number): string =>
  `127.0.0.1:${endpointsOf(system, network)[endpoint]!.port}`;

/** Everything heals: the alarm closes, the server catches up, the deposit is credited once and the books balance. */
async function expectRecovery(
  network: string,
  customer: Customer,
  asset: AssetName,
  coins: string,
  alarm: string,
): Promise<void> {
  for (const proxy of endpointsOf(system, network)) proxy.setFault({ kind: 'none' });
  // One whose proof was false counts again after as many blocks as make a transaction final.
  await system.mineUntil('the endpoints counting again', async () =>
    (await system.client.listNetworks()).data
      .find(({ id }) => id === network)!
      .endpoints.every(({ standing }) => standing === 'counted'),
  );
  await awaitNoAlarm(system, alarm);
  await settle(system);
  const [deposit, ...others] = await depositsOf(system, customer);
  expect(others).toEqual([]);
  expect(deposit).toMatchObject({ state: 'credited' });
  await expect.poll(() => eventTypesOf(system, deposit!.id)).toEqual(['deposit.seen', 'deposit.credited']);
  expect(await system.available(customer, asset)).toBe(coins);
  const closed = (await system.client.listAlarms({ state: 'closed', limit: 200 })).data.find(
    ({ code }) => code === alarm,
  );
  expect(closed?.closed_at).not.toBeNull();
  await system.mustBalance();
}

describe.each(families)('$family', ({ network, asset, depth, otherHash, stuckAt }) => {
  it.each([0, 1])('while endpoint %i is down nothing is applied, and an alarm names it', async (down) => {
    const customer = await system.newCustomer('down');
    await settle(system);
    const before = await heightOf(network);
    endpointsOf(system, network)[down]!.setFault({ kind: 'down' });
    await payDeposit(system, customer, asset, '0.1');
    await mine(network, depth + 2);
    await awaitAlarm(system, 'node-quorum-lost', nameOf(network, down), `${network} follow`);
    // A failing pass asks the other endpoint once.
    await awaitPasses(system, network, 1 - down, 2);
    expect(await heightOf(network)).toBe(before);
    expect(await depositsOf(system, customer)).toEqual([]);
    await expectRecovery(network, customer, asset, '0.1', 'node-quorum-lost');
  });

  it.each([0, 1])(
    'a false block hash from endpoint %i stops crediting, and an alarm shows both answers',
    async (liar) => {
      const customer = await system.newCustomer('liar');
      await settle(system);
      const before = await heightOf(network);
      endpointsOf(system, network)[liar]!.setFault({ kind: 'lie', lie: otherHash(before + 1) });
      await payDeposit(system, customer, asset, '0.1');
      await mine(network, depth + 2);
      const { message } = await awaitAlarm(system, 'node-quorum-lost', `hash of block ${before + 1}`);
      for (const endpoint of [0, 1]) expect(message).toContain(`${nameOf(network, endpoint)} says`);
      await awaitPasses(system, network, 1, 2);
      expect(await heightOf(network)).toBe(before);
      expect(await depositsOf(system, customer)).toEqual([]);
      await expectRecovery(network, customer, asset, '0.1', 'node-quorum-lost');
    },
  );

  it('a false hash of a block that is applied takes no credit back', async () => {
    const customer = await system.newCustomer('no-reversal');
    await payDeposit(system, customer, asset, '0.1');
    await mine(network, depth);
    await settle(system);
    expect(await system.available(customer, asset)).toBe('0.1');
    endpointsOf(system, network)[0]!.setFault({ kind: 'lie', lie: otherHash(await heightOf(network)) });
    await awaitAlarm(system, 'node-quorum-lost');
    expect(await system.available(customer, asset)).toBe('0.1');
    await expectRecovery(network, customer, asset, '0.1', 'node-quorum-lost');
  });

  it('an endpoint that stands still is waited for, and an alarm tells how far it is behind', async () => {
    const customer = await system.newCustomer('stuck');
    await settle(system);
    const before = await heightOf(network);
    endpointsOf(system, network)[1]!.setFault({ kind: 'lie', lie: stuckAt(before) });
    await payDeposit(system, customer, asset, '0.1');
    await mine(network, 2);
    await awaitPasses(system, network, 0);
    expect(await openAlarms(system, 'node-quorum-lost')).toEqual([]);
    await mine(network, 1);
    const text = `${nameOf(network, 1)} is at block ${before}, 3 behind ${nameOf(network, 0)}`;
    expect((await awaitAlarm(system, 'node-quorum-lost', text)).message).toBe(text);
    expect(await heightOf(network)).toBe(before);
    expect(await depositsOf(system, customer)).toEqual([]);
    await expectRecovery(network, customer, asset, '0.1', 'node-quorum-lost');
  });

  it('nodes that lost blocks take no credit back, and an alarm tells how far they are behind', async () => {
    const customer = await system.newCustomer('lost');
    await payDeposit(system, customer, asset, '0.1');
    await mine(network, 3);
    await settle(system);
    const before = await heightOf(network);
    for (const proxy of endpointsOf(system, network)) proxy.setFault({ kind: 'lie', lie: stuckAt(before - 3) });
    await awaitAlarm(system, 'node-quorum-lost', `is at block ${before - 3}, 3 behind the applied chain`);
    expect(await heightOf(network)).toBe(before);
    expect(await system.available(customer, asset)).toBe('0.1');
    await expectRecovery(network, customer, asset, '0.1', 'node-quorum-lost');
  });

  it('an endpoint that answers late only delays the credit', async () => {
    const customer = await system.newCustomer('late');
    endpointsOf(system, network)[1]!.setFault({ kind: 'lag', delayMs: 150 });
    await payDeposit(system, customer, asset, '0.1');
    await mine(network, depth);
    await system.followed();
    await awaitPasses(system, network);
    expect(await system.available(customer, asset)).toBe('0.1');
    expect(await openAlarms(system, 'node-quorum-lost')).toEqual([]);
  });
});

describe('what one endpoint says of a block’s content', () => {
  const usdc = (): string => system.evm.usdc.toLowerCase();
  const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  /** Every Transfer log of USDC in a block is there twice. */
  const doubledLogs: Lie = (method, _params, result) => {
    if (method !== 'eth_getBlockReceipts' || !Array.isArray(result)) return result;
    return result.map((receipt: Record<string, unknown>) => {
      const logs = receipt['logs'] as { address: string }[];
      return { ...receipt, logs: [...logs, ...logs.filter((log) => log.address.toLowerCase() === usdc())] };
    });
  };
  /** Balances of USDC are one million base units higher. */
  const richer: Lie = (method, params, result) => {
    const call = params[0];
    if (
      method !== 'eth_call' ||
      !isRecord(call) ||
      String(call['to']).toLowerCase() !== usdc() ||
      typeof result !== 'string'
    )
      return result;
    const at = params[1];
    // Only the balance after the block: the same lie about both would leave the difference true.
    if (!isRecord(at) || at['blockHash'] !== tip) return result;
    return `0x${(BigInt(result) + 1_000_000n).toString(16).padStart(64, '0')}`;
  };
  let tip: unknown;
  /** Remembers the newest block whose content was asked for. */
  const noting =
    (lie: Lie): Lie =>
    (method, params, result) => {
      if (method === 'eth_getBlockReceipts') tip = params[0];
      return lie(method, params, result);
    };
  const failedTransfers: Lie = (method, _params, result) =>
    method === 'eth_getBlockReceipts' && Array.isArray(result)
      ? result.map((receipt: object) => ({ ...receipt, status: '0x0' }))
      : result;

  it.each([
    ['a log that is there twice', doubledLogs, 'gave a false proof'],
    ['a balance that is too high', noting(richer), 'balances at block'],
    ['a transaction that is said to have failed', failedTransfers, 'gave a false proof'],
  ])('%s: nothing is applied, and the credit is the true one afterwards', async (_, lie, what) => {
    const customer = await system.newCustomer('content');
    await settle(system);
    const before = await heightOf(evmNetworkId);
    endpointsOf(system, evmNetworkId)[1]!.setFault({ kind: 'lie', lie });
    await payDeposit(system, customer, 'USDC', '25');
    await mine(evmNetworkId, 4);
    expect((await awaitAlarm(system, 'node-quorum-lost', what)).message).toContain(nameOf(evmNetworkId, 1));
    expect(await heightOf(evmNetworkId)).toBe(before);
    expect(await depositsOf(system, customer)).toEqual([]);
    await expectRecovery(evmNetworkId, customer, 'USDC', '25', 'node-quorum-lost');
  });

  it('a Bitcoin block that does not hash to what was agreed is not believed: another endpoint brings it', async () => {
    const customer = await system.newCustomer('merkle');
    await settle(system);
    // The lock time of the last transaction, the last four bytes of a block.
    const tampered: Lie = (method, _params, result) =>
      method === 'getblock' && typeof result === 'string' ? `${result.slice(0, -8)}eeeeeeee` : result;
    endpointsOf(system, bitcoinNetworkId)[0]!.setFault({ kind: 'lie', lie: tampered });
    await payDeposit(system, customer, 'BTC', '0.1');
    await mine(bitcoinNetworkId, 1);
    const { message } = await awaitAlarm(system, 'node-disagreement', 'merkle root');
    expect(message).toContain(nameOf(bitcoinNetworkId, 0));
    // It takes two of two, so the network stands still from then on.
    await awaitAlarm(system, 'node-quorum-lost', 'merkle root');
    await expectRecovery(bitcoinNetworkId, customer, 'BTC', '0.1', 'node-disagreement');
  });

  it('told by both endpoints, a doubled log is not believed either: it is not under the receipt root', async () => {
    const customer = await system.newCustomer('both-lie');
    for (const proxy of endpointsOf(system, evmNetworkId)) proxy.setFault({ kind: 'lie', lie: doubledLogs });
    await payDeposit(system, customer, 'USDC', '25');
    await mine(evmNetworkId, 4);
    await awaitAlarm(system, 'node-quorum-lost', 'gave a false proof');
    expect(await depositsOf(system, customer)).toEqual([]);
    await expectRecovery(evmNetworkId, customer, 'USDC', '25', 'node-quorum-lost');
  });
});
