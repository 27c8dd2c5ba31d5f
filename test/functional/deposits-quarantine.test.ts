import { loadArtifact } from '@holdfast/contracts/artifact.ts';
import type { ReleaseDepositBody } from '@holdfast/core/contract/bodies.ts';
import type { DepositResource } from '@holdfast/core/contract/resources.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { type Customer, outsideAddress, payDeposit, requestWithdrawal } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { quarantineSteps } from '@holdfast/server/context.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  callContract,
  callMined,
  deploy,
  depositsOf,
  eventTypesOf,
  openAlarms,
  settle,
} from '../support/chain-steps.ts';
import { habits, hostile } from '../support/hostile-token.ts';
import { mineUntilAll, received, units } from '../support/payouts.ts';
import { type System, startSystem } from '../support/system.ts';

/* A token that is listed turns: it moves without a log. What came so is set aside until approvers decide. */

let system: System;
let usdc: string;
beforeAll(async () => {
  system = await startSystem();
  usdc = system.evm.usdc;
  const twin = await deploy(system, loadArtifact('HostileToken').bytecode);
  const code = await rpcCall<string>(system.chains.anvil.url, 'eth_getCode', [twin, 'latest']);
  await rpcCall(system.chains.anvil.url, 'anvil_setCode', [usdc, code]);
  await call(hostile.setPercent.encodeInput(100n));
  await call(hostile.mint.encodeInput({ to: addressOfKey(devnetKeys.spare), amount: 10n ** 12n }));
});
afterAll(() => system?.stop());

const call = (data: Uint8Array): Promise<string> => callMined(system, usdc, data);
const addressOf = (customer: Customer): string => customer.addresses.get(evmNetworkId)!;

async function step(blocks = 1): Promise<void> {
  await system.mineEvm(blocks);
  await settle(system);
}

/** Brings some with a log and some without, in one block. @returns the one that is set aside. */
async function bring(customer: Customer, logged: string, silent: string): Promise<DepositResource> {
  const transfer = (coins: string): Uint8Array =>
    hostile.transfer.encodeInput({ to: addressOf(customer), amount: units('USDC', coins) });
  await callContract(system, usdc, transfer(logged));
  await callContract(system, usdc, hostile.setHabit.encodeInput(habits.silent));
  await callContract(system, usdc, transfer(silent));
  await callContract(system, usdc, hostile.setHabit.encodeInput(habits.honest));
  await step(2);
  const found = await depositsOf(system, customer);
  expect(found.map(({ state, amount, reason }) => `${state} ${amount} ${reason}`).toSorted()).toEqual([
    `credited ${units('USDC', logged)} null`,
    `quarantined ${units('USDC', silent)} unlogged-arrival`,
  ]);
  expect(await system.available(customer, 'USDC')).toBe(logged);
  await system.mustBalance();
  return found.find(({ state }) => state === 'quarantined')!;
}

const release = (id: string, body: ReleaseDepositBody): Promise<DepositResource> =>
  system.client.releaseDeposit({ id, ...body });

/** Waits until every signer has the decision. */
const decided = (customer: Customer): Promise<unknown> =>
  awaitCondition(
    'the decision at every signer',
    async () => {
      const { data } = await system.client.listCustomerRecords({ customer: customer.id, kind: 'release' });
      return data.length === 1 && data[0]!.signers.every(({ state }) => state === 'accepted');
    },
    20_000,
    30,
  );

it('approvers release what came without a log, the signers count it, and the customer takes it out', async () => {
  const customer = await system.newCustomer('released');
  const deposit = await bring(customer, '30', '12');
  const signed = system.release(deposit, 'credit', 'the issuer confirmed it');
  const refusals: [string, ReleaseDepositBody][] = [
    ['approval-missing', { ...signed, approvals: signed.approvals.slice(0, 1) }],
    ['approval-invalid', { ...signed, record: { ...signed.record, decision: 'keep' } }],
    ['invalid-request', system.release({ ...deposit, amount: '1' }, 'credit', 'less')],
    ['invalid-request', system.release({ ...deposit, index: 'log:0' }, 'credit', 'another one')],
  ];
  for (const [code, body] of refusals) {
    await expect(release(deposit.id, body)).rejects.toMatchObject({ code });
  }
  const [credited] = (await depositsOf(system, customer)).filter(({ state }) => state === 'credited');
  const about = system.release(credited!, 'credit', 'it was credited');
  await expect(release(credited!.id, about)).rejects.toMatchObject({ code: 'deposit-not-quarantined' });

  expect((await release(deposit.id, signed)).state).toBe('seen');
  // The same once more, and another decision.
  await release(deposit.id, signed);
  await expect(release(deposit.id, system.release(deposit, 'keep', 'no'))).rejects.toMatchObject({
    code: 'deposit-not-quarantined',
  });
  await awaitCondition('the credit', async () => (await system.available(customer, 'USDC')) === '42', 20_000, 30);
  await expect
    .poll(() => eventTypesOf(system, deposit.id))
    .toEqual(['deposit.quarantined', 'deposit.released', 'deposit.credited']);
  await decided(customer);

  // More than what a signer's own nodes prove: the released part counts too.
  await system.mineUntil('the sweep', async () => (await openAlarms(system)).length === 0);
  const to = await outsideAddress(system, 'USDC');
  const { id } = await requestWithdrawal(system, customer, 'USDC', '41', to);
  await mineUntilAll(system, [id], 'settled');
  expect(await received(system, 'USDC', to)).toBe(units('USDC', '41'));
  expect(await openAlarms(system)).toEqual([]);
  await system.mustBalance();
});

it('what came while the token answered no balance is recorded, holds nobody else up, and is credited when approvers say so', async () => {
  const [customer, other] = [await system.newCustomer('unread'), await system.newCustomer('beside')];
  const amount = units('USDC', '9');
  await callContract(system, usdc, hostile.setHabit.encodeInput(habits.balanceReverts));
  await callContract(system, usdc, hostile.transfer.encodeInput({ to: addressOf(customer), amount }));
  await payDeposit(system, other, 'ETH', '0.3');
  await step(2);
  const [deposit] = await depositsOf(system, customer);
  expect(deposit).toMatchObject({ state: 'quarantined', reason: 'balance-unread', amount: amount.toString() });
  expect(await system.available(other, 'ETH')).toBe('0.3');
  const [alarm] = await openAlarms(system, 'token-unread');
  expect(alarm).toMatchObject({ subject: `${evmNetworkId} USDC balance` });
  expect(await system.client.reconcile()).toMatchObject({
    balanced: false,
    unread: [{ network: evmNetworkId, asset: 'USDC' }],
  });

  await call(hostile.setHabit.encodeInput(habits.honest));
  await settle(system);
  const differing = (await system.client.reconcile()).rows.filter(({ difference }) => difference !== '0');
  expect(differing).toMatchObject([{ asset: 'USDC', difference: (-amount).toString() }]);
  await release(deposit!.id, system.release(deposit!, 'credit', 'the address holds it'));
  await settle(system);
  // Approved and still held back: the asset is in service again when an operator says so.
  expect(await system.available(customer, 'USDC')).toBe('0');
  await system.client.closeAlarm({ id: alarm!.id, note: 'the issuer undid the upgrade' });
  await awaitCondition('the credit', async () => (await system.available(customer, 'USDC')) === '9', 20_000, 30);
  await decided(customer);
  await system.mustBalance();
  await system.mineUntil('no alarm', async () => (await openAlarms(system)).length === 0);
  await system.mustBalance();
});

it('wherever the server dies, a deposit is kept once', async () => {
  const customer = await system.newCustomer('kept');
  const deposit = await bring(customer, '5', '3');
  const signed = system.release(deposit, 'keep', 'nobody claims it');
  for (const killAt of quarantineSteps) {
    await system.server().stop();
    const child = await system.startServer({ killAt });
    await release(deposit.id, signed).catch(() => undefined);
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await system.startServer();
  }
  expect((await release(deposit.id, signed)).state).toBe('kept');
  await settle(system);
  expect(await system.available(customer, 'USDC')).toBe('5');
  await expect.poll(() => eventTypesOf(system, deposit.id)).toEqual(['deposit.quarantined', 'deposit.kept']);
  await decided(customer);
  expect(await openAlarms(system)).toEqual([]);
  await system.mustBalance();
});
