import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { bitcoinBlockHash, evmBlockHash, evmStuckAt } from '@holdfast/devnet/lies.ts';
import type { Fault } from '@holdfast/devnet/proxy.ts';
import { type AssetName, payDeposit } from '@holdfast/devnet/story/actors.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { awaitAlarm, awaitNoAlarm, depositsOf, endpointsOf, openAlarms, settle } from '../support/chain-steps.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem({ nodes: { endpoints: 3, agree: 2 } });
});
afterAll(() => system?.stop());

const networkOf = async (id: string) => (await system.client.listNetworks()).data.find((one) => one.id === id)!;
const standings = async (id: string) => (await networkOf(id)).endpoints.map(({ standing }) => standing);
const nameOf = (id: string, at: number): string => `127.0.0.1:${endpointsOf(system, id)[at]!.port}`;
const fault = (id: string, at: number, what: Fault): void => endpointsOf(system, id)[at]!.setFault(what);
const mine = (id: string, blocks: number) =>
  id === bitcoinNetworkId ? system.mineBitcoin(blocks) : system.mineEvm(blocks);

/** A deposit is credited as if every endpoint were there. */
async function credited(id: string, asset: AssetName): Promise<void> {
  const customer = await system.newCustomer('quorum');
  await payDeposit(system, customer, asset, '0.1');
  await mine(id, 2);
  await settle(system);
  expect(await depositsOf(system, customer)).toMatchObject([{ state: 'credited' }]);
}

it.each([
  { id: evmNetworkId, asset: 'ETH' as const, hash: (height: number) => evmBlockHash(height, `0x${'ab'.repeat(32)}`) },
  { id: bitcoinNetworkId, asset: 'BTC' as const, hash: (height: number) => bitcoinBlockHash(height, 'ab'.repeat(32)) },
])(
  '$asset: one of three that lies is named, set aside and outvoted; it is back when it has agreed again',
  async ({ id, asset, hash }) => {
    await settle(system);
    const { height } = await networkOf(id);
    fault(id, 1, { kind: 'lie', lie: hash(height! + 1) });
    await credited(id, asset);
    const alarm = await awaitAlarm(system, 'node-disagreement', nameOf(id, 1));
    expect(alarm.subject).toBe(`${id} node ${nameOf(id, 1)}`);
    expect(alarm.message).toMatch(/says "(0x)?(ab){32}" about the hash of block \d+, .* say "/);
    expect(await standings(id)).toEqual(['counted', 'set-aside', 'counted']);
    expect(await openAlarms(system, 'node-quorum-lost')).toEqual([]);
    // Without the liar it takes both others: with one of them away everything stands still, and goes on by itself.
    fault(id, 2, { kind: 'down' });
    const before = (await networkOf(id)).height;
    await mine(id, 1);
    await awaitAlarm(system, 'node-quorum-lost', 'fewer than 2 of 3 endpoints');
    await awaitAlarm(system, 'node-unavailable', nameOf(id, 2));
    expect((await networkOf(id)).height).toBe(before);
    fault(id, 2, { kind: 'none' });
    await awaitNoAlarm(system, 'node-quorum-lost');
    await awaitNoAlarm(system, 'node-unavailable');
    await system.followed();
    expect((await networkOf(id)).height).toBe(before! + 1);
    fault(id, 1, { kind: 'none' });
    await system.mineUntil('three endpoints', async () => (await standings(id)).every((one) => one === 'counted'));
    await awaitNoAlarm(system, 'node-disagreement');
    await system.mustBalance();
  },
);

it('one that is away or stands still, or fails at traces, holds nobody up', async () => {
  fault(evmNetworkId, 0, { kind: 'down' });
  await credited(evmNetworkId, 'ETH');
  await awaitAlarm(system, 'node-unavailable', nameOf(evmNetworkId, 0));
  const { height } = await networkOf(evmNetworkId);
  fault(evmNetworkId, 0, { kind: 'lie', lie: evmStuckAt(height!) });
  await system.mineEvm(3);
  await awaitAlarm(system, 'node-unavailable', `is at block ${height}, a quorum at block ${height! + 3}`);
  await credited(evmNetworkId, 'ETH');
  fault(evmNetworkId, 0, { kind: 'none' });
  await awaitNoAlarm(system, 'node-unavailable');
  expect(await standings(evmNetworkId)).toEqual(['counted', 'counted', 'counted']);
});
