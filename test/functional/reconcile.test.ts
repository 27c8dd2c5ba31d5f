import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { outsideAddress, payDeposit, requestWithdrawal } from '@holdfast/devnet/story/actors.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { awaitAlarm, awaitNoAlarm, depositsOf, settle } from '../support/chain-steps.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

/** Changes a balance as no transaction does; it is in the next blocks. */
async function change(address: string, wei: bigint): Promise<void> {
  const { url } = system.chains.anvil;
  const held = BigInt(await rpcCall<string>(url, 'eth_getBalance', [address, 'latest']));
  await rpcCall(url, 'anvil_setBalance', [address, `0x${(held + wei).toString(16)}`]);
}
/** Blocks until the next comparison of both networks. */
async function nextRound(): Promise<void> {
  await system.mineEvm(6);
  await system.mineBitcoin(6);
  await system.followed();
}
const differences = async (): Promise<unknown[]> =>
  (await system.client.listAlarms({ state: 'closed', limit: 200 })).data
    .concat((await system.client.listAlarms({ limit: 200 })).data)
    .filter(({ code }) => code === 'reconcile-difference');
const metrics = async (): Promise<string> => (await fetch(`${system.apiUrl()}/metrics`)).text();

it('deposits, sweeps, payments under way and a reorg are no difference', async () => {
  const customer = await system.newCustomer('busy');
  for (const asset of ['ETH', 'USDT', 'BTC'] as const) await payDeposit(system, customer, asset, '20');
  await nextRound();
  await requestWithdrawal(system, customer, 'ETH', '1', await outsideAddress(system, 'ETH'));
  await requestWithdrawal(system, customer, 'BTC', '1', await outsideAddress(system, 'BTC'));
  await payDeposit(system, customer, 'ETH', '3');
  await system.mineEvm();
  await system.followed();
  await rpcCall(system.chains.anvil.url, 'anvil_reorg', [3, []]);
  await system.mineEvm();
  await nextRound();
  await settle(system);
  expect(await depositsOf(system, customer)).not.toEqual([]);
  expect(await differences()).toEqual([]);
  const shown = await metrics();
  for (const [network, wallet, asset] of [
    [evmNetworkId, 'hot', 'USDT'],
    [evmNetworkId, 'uncollected', 'ETH'],
    [evmNetworkId, 'relayer', 'ETH'],
    [bitcoinNetworkId, 'hot', 'BTC'],
    [evmNetworkId, 'cold', 'ETH'],
    [bitcoinNetworkId, 'cold', 'BTC'],
  ])
    expect(shown).toContain(
      `holdfast_reconcile_difference{network="${network}",wallet="${wallet}",asset="${asset}"} 0`,
    );
});

it('one wei of the vault that nothing explains is an alarm until it is gone', async () => {
  await change(system.evm.safe, 2n);
  await nextRound();
  const alarm = await awaitAlarm(system, 'reconcile-difference');
  expect(alarm).toMatchObject({ subject: `${evmNetworkId} hot ETH` });
  expect(alarm.message).toContain('difference -2');
  expect(await metrics()).toContain(`{network="${evmNetworkId}",wallet="hot",asset="ETH"} -2`);
  await change(system.evm.safe, -1n);
  await nextRound();
  expect((await awaitAlarm(system, 'reconcile-difference', 'difference -1')).id).toBe(alarm.id);
  await change(system.evm.safe, -1n);
  await nextRound();
  await awaitNoAlarm(system, 'reconcile-difference');
});

it('one wei too much on a deposit address that never had a deposit is found in its turn, named, and remembered', async () => {
  const customer = await system.newCustomer('quiet');
  const address = customer.addresses.get(evmNetworkId)!;
  await change(address, 1n);
  await nextRound();
  const { message } = await awaitAlarm(system, 'reconcile-difference', address);
  expect(message).toContain(`${address} holds 1, expected 0`);
  await nextRound();
  await awaitAlarm(system, 'reconcile-difference', address);
  await change(address, -1n);
  await nextRound();
  await awaitNoAlarm(system, 'reconcile-difference');
  await system.mustBalance();
});
