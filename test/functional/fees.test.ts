import { join } from 'node:path';
import { run } from '@holdfast/cli/run.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CreateFeeScheduleBody } from '@holdfast/core/contract/fee-resources.ts';
import { parseId } from '@holdfast/core/contract/ids.ts';
import { reorgByInvalidation } from '@holdfast/devnet/bitcoin/reorg.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { type AssetName, type Customer, networkOf, outsideAddress, payDeposit } from '@holdfast/devnet/story/actors.ts';
import { awaitAlarm, depositsOf, eventTypesOf, openAlarms, settle } from '../support/chain-steps.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { type Books, fund, mineUntilAll, openBooks, units, withdrawalBody } from '../support/payouts.ts';
import { journalOf, signerIds } from '../support/signers-direct.ts';
import { relaxPolicy, type System, startSystem } from '../support/system.ts';

let system: System;
let books: Books;
let customer: Customer;

beforeAll(async () => {
  system = await startSystem({
    policy: (policy) => {
      relaxPolicy(policy);
      policy.positions.count_fees = true;
    },
  });
  books = openBooks(system);
  customer = await system.newCustomer('fees');
  await fund(system, customer, { ETH: '10', USDC: '1000' });
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

let references = 0;
const terms = (asset: AssetName, changes: Partial<CreateFeeScheduleBody> = {}): CreateFeeScheduleBody => ({
  client_reference: `terms-${++references}`,
  network: networkOf(asset),
  asset,
  fee_flat: units(asset, '0.001').toString(),
  fee_per_mille: 0,
  network_share_per_mille: 0,
  network_fee_rate_max: null,
  withdrawal_minimum: units(asset, '0.5').toString(),
  deposit_minimum: '0',
  precision: 3,
  reason: 'test',
  ...changes,
});
const askFor = async (asset: AssetName, coins: string, quote?: string) =>
  system.client.createWithdrawal({
    ...withdrawalBody(system, customer, asset, coins, await outsideAddress(system, asset)),
    ...(quote === undefined ? {} : { quote }),
  });
const quoteFor = (asset: AssetName, coins: { amount: string } | { total: string }) =>
  system.client.createQuote({ customer: customer.id, network: networkOf(asset), asset, ...coins });

describe('a fee schedule', () => {
  it('begins with the configuration, is replaced by a version and never changed, and says who asked for it', async () => {
    const { data: first } = await system.client.listFeeSchedules({ network: evmNetworkId, asset: 'USDC' });
    expect(first).toMatchObject([{ version: 1, fee_flat: units('USDC', '1').toString(), created_by: 'config' }]);
    const body = terms('USDC', { fee_flat: '0', fee_per_mille: 5 });
    const second = await system.client.createFeeSchedule(body);
    expect(second).toMatchObject({
      version: 2,
      fee_per_mille: 5,
      created_by: expect.stringMatching(/./),
      reason: 'test',
    });
    expect(await system.client.createFeeSchedule(body)).toEqual(second);
    await expect(system.client.createFeeSchedule({ ...body, fee_per_mille: 6 })).rejects.toMatchObject({
      code: 'client-reference-taken',
    });
    await awaitCondition('its event', async () =>
      (await eventTypesOf(system, second.id)).includes('fee_schedule.created'),
    );
    await expect(books.db.query('update fee_schedule set fee_flat = 1')).rejects.toThrow('append-only');

    const charged = await askFor('USDC', '10.001');
    expect(charged).toMatchObject({ fee: '50005', schedule_version: 2, quote: null });
    await expect(askFor('USDC', '0.499')).rejects.toMatchObject({ code: 'below-minimum' });
    await expect(askFor('USDC', '1.0001')).rejects.toMatchObject({ code: 'too-precise' });
    const usdc = (await system.client.listAssets()).data.find(({ code }) => code === 'USDC');
    expect(usdc?.networks).toMatchObject([{ schedule_version: 2, withdrawal_fee_per_mille: 5, precision: 3 }]);
  });

  it('counts from its own time on', async () => {
    const ahead = new Date(Date.now() + 3_600_000).toISOString();
    const later = await system.client.createFeeSchedule(terms('USDC', { fee_flat: '7', valid_from: ahead }));
    expect((await askFor('USDC', '1')).schedule_version).toBe(later.version - 1);
  });

  it.each<[string, Partial<CreateFeeScheduleBody>, string]>([
    ['a time that has passed', { valid_from: '2020-01-01T00:00:00.000Z' }, 'schedule-invalid'],
    ['more decimal places than the asset has', { precision: 7 }, 'schedule-invalid'],
    ['a part of a fee that is paid in another coin', { network_share_per_mille: 1 }, 'schedule-invalid'],
    ['an asset that the network lacks', { asset: 'BTC' }, 'unknown-asset'],
    ['a network that there is not', { network: 'eip155:5' }, 'unknown-network'],
  ])('is refused with %s', async (_what, changes, code) => {
    await expect(system.client.createFeeSchedule(terms('USDC', changes))).rejects.toMatchObject({ code });
  });
});

describe('a quote', () => {
  it('keeps its terms for one withdrawal while a new version is in force, and signers take the fee from the position', async () => {
    await system.client.createFeeSchedule(terms('ETH', { fee_per_mille: 1, network_share_per_mille: 1000 }));
    const quote = await quoteFor('ETH', { amount: units('ETH', '2').toString() });
    const parts = units('ETH', '0.001') + units('ETH', '0.002');
    expect(BigInt(quote.fee)).toBeGreaterThan(parts);
    expect(quote).toMatchObject({ net_amount: units('ETH', '2').toString(), schedule_version: 2 });
    expect(BigInt(quote.total)).toBe(units('ETH', '2') + BigInt(quote.fee));
    await system.client.createFeeSchedule(terms('ETH', { fee_flat: units('ETH', '1').toString() }));
    const withdrawal = await askFor('ETH', '2', quote.id);
    expect(withdrawal).toMatchObject({ fee: quote.fee, schedule_version: 2, quote: quote.id });
    expect((await askFor('ETH', '1')).fee).toBe(units('ETH', '1').toString());
    await expect(askFor('ETH', '2', quote.id)).rejects.toMatchObject({ code: 'quote-differs' });
    await mineUntilAll(system, [withdrawal.id], 'settled');
    for (const id of signerIds) {
      const takes = journalOf(system, id).flatMap((record) =>
        record.kind === 'accepted' ? record.body.positions.map(({ amount }) => amount) : [],
      );
      expect(takes, id).toContain(quote.total);
    }
  });

  it('of a total leaves the fee room, to the decimal places of the terms', async () => {
    await system.client.createFeeSchedule(terms('USDC', { fee_flat: '1', fee_per_mille: 10 }));
    const quote = await quoteFor('USDC', { total: units('USDC', '10').toString() });
    // 10 less 1% is 9.90099, and its fee leaves the rest of less than a thousandth.
    expect(quote).toMatchObject({ net_amount: units('USDC', '9.9').toString(), fee: '99001' });
  });

  it('is refused when it has ended, is for something else or for somebody else', async () => {
    const other = await system.newCustomer('other');
    const quote = await quoteFor('USDC', { amount: units('USDC', '3').toString() });
    await expect(askFor('USDC', '4', quote.id)).rejects.toMatchObject({ code: 'quote-differs' });
    await expect(askFor('ETH', '3', quote.id)).rejects.toMatchObject({ code: 'quote-differs' });
    await expect(
      system.client.createWithdrawal({
        ...withdrawalBody(system, other, 'USDC', '3', await outsideAddress(system, 'USDC')),
        quote: quote.id,
      }),
    ).rejects.toMatchObject({ code: 'quote-expired' });
    await books.db.query('update quote set expires_at_ms = $2 where id = $1', [parseId('quo', quote.id), Date.now()]);
    await expect(askFor('USDC', '3', quote.id)).rejects.toMatchObject({ code: 'quote-expired' });
    await expect(quoteFor('USDC', { amount: '1' })).rejects.toMatchObject({ code: 'below-minimum' });
    await expect(quoteFor('USDC', { total: '1' })).rejects.toMatchObject({ code: 'below-minimum' });
  });
});

it('keeps payments waiting while the network asks for more than the terms let, with an alarm', async () => {
  await system.client.createFeeSchedule(terms('USDC', { network_fee_rate_max: '1' }));
  const { id } = await askFor('USDC', '2');
  expect(await awaitAlarm(system, 'network-fee-high')).toMatchObject({ subject: `${evmNetworkId} network fee` });
  expect((await system.client.getWithdrawal({ id })).state).toBe('queued');
  await system.client.createFeeSchedule(terms('USDC'));
  await mineUntilAll(system, [id], 'settled');
  expect(await openAlarms(system, 'network-fee-high')).toEqual([]);
  await system.followed();
  await system.mustBalance();
});

it('reports what was charged and what the chain took, equal to ledger and receipts, also on the command line', async () => {
  const report = await system.client.reportFees();
  expect(report).toMatchObject({ balanced: true });
  const settled = (await system.client.listWithdrawals({ state: 'settled', limit: 200 })).data;
  const charged = (asset: string): bigint =>
    settled.filter((one) => one.asset === asset).reduce((sum, { fee }) => sum + BigInt(fee), 0n);
  const row = (asset: string) => report.rows.find((one) => one.asset === asset)!;
  for (const asset of ['ETH', 'USDC']) expect(row(asset).charged).toBe(charged(asset).toString());
  expect(charged('ETH')).toBeGreaterThan(0n);
  let taken = 0n;
  for (const { txid } of (await system.client.listTransactions({ network: evmNetworkId, limit: 200 })).data) {
    const receipt = await rpcCall<{ gasUsed: string; effectiveGasPrice: string }>(
      system.chains.anvil.url,
      'eth_getTransactionReceipt',
      [txid],
    );
    taken += BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice);
  }
  expect(row('ETH')).toMatchObject({ paid: taken.toString(), paid_otherwise: '0' });
  expect(row('ETH').difference).toBe((charged('ETH') - taken).toString());
  expect(await books.balance(`fees_paid:${evmNetworkId}:ETH`)).toBe(taken);
  expect(await books.balance('fee_revenue:ETH')).toBe(charged('ETH'));

  const config = join(system.folder, 'cli', 'config.json');
  const said: string[] = [];
  const output = { out: (text: string) => said.push(text), err: (text: string) => said.push(text) };
  expect(await run(['fees', '--config', config], output)).toBe(0);
  const terms = ['--network', evmNetworkId, '--asset', 'USDT', '--fee-flat', '1.5', '--reason', 'by hand'];
  expect(await run(['fees', 'set', ...terms, '--config', config], output)).toBe(0);
  expect(await run(['fees', 'list', '--asset', 'USDT', '--config', config], output)).toBe(0);
  expect(said.join('\n')).toMatch(/equal to the ledger[\s\S]*version 2 of USDT[\s\S]*by hand/);
});

it('goes through the checklist of a listing by nodes, policy and terms', async () => {
  const { data } = await system.client.checkListing({ network: evmNetworkId });
  const failed = data.filter(({ result }) => result === 'failed').map(({ asset, check }) => `${asset} ${check}`);
  // The devnet takes any deposit of ether.
  expect(failed).toEqual(['ETH minimum']);
  const usdc = data.filter(({ asset }) => asset === 'USDC');
  expect(usdc.find(({ check }) => check === 'fee on transfer')).toMatchObject({
    result: 'ok',
    detail: '10000 of 10000 arrived',
  });
  expect(usdc.find(({ check }) => check === 'code')).toMatchObject({
    detail: expect.stringMatching(/^0x[0-9a-f]{64}$/),
  });
  expect(usdc.find(({ check }) => check === 'decimals')).toMatchObject({ detail: '6 on chain, 6 here' });
  const config = join(system.folder, 'cli', 'config.json');
  const said: string[] = [];
  const output = { out: (text: string) => said.push(text), err: (text: string) => said.push(text) };
  expect(await run(['listing', 'check', evmNetworkId, 'USDC', '--config', config], output)).toBe(0);
  expect(await run(['listing', 'check', evmNetworkId, 'ETH', '--config', config], output)).toBe(1);
  expect(said.join('\n')).toContain('holdfast fees set');
});

describe('deposits below the minimum', () => {
  let small: Customer;
  const states = async () => (await depositsOf(system, small)).map(({ state }) => state);
  const confirmed = async () => {
    await system.mineBitcoin();
    await settle(system);
  };
  const claim = (reference: string, cost_max: string, asset: AssetName = 'BTC') =>
    system.client.claimDeposits({
      client_reference: reference,
      customer: small.id,
      network: networkOf(asset),
      asset,
      cost_max,
    });

  it('wait with their reason, also through a reorganisation, and are credited together when they reach it', async () => {
    small = await system.newCustomer('small');
    await system.client.createFeeSchedule(
      terms('BTC', { withdrawal_minimum: '10000', precision: 8, deposit_minimum: units('BTC', '0.001').toString() }),
    );
    await payDeposit(system, small, 'BTC', '0.0004');
    await confirmed();
    const [first] = await depositsOf(system, small);
    expect(first).toMatchObject({
      state: 'below_minimum',
      reason: expect.stringContaining('100000'),
      schedule_version: 2,
    });
    expect(await system.available(small, 'BTC')).toBe('0');
    expect((await system.client.listDeposits({ customer: small.id, state: 'below_minimum' })).data).toHaveLength(1);

    await reorgByInvalidation(system.chains.bitcoin!.miner, { depth: 1 });
    await settle(system);
    expect(await states()).toEqual(['orphaned']);
    await confirmed();
    expect(await states()).toEqual(['below_minimum']);
    expect((await depositsOf(system, small))[0]!.id).toBe(first!.id);

    await payDeposit(system, small, 'BTC', '0.0006');
    await confirmed();
    expect(await states()).toEqual(['credited', 'credited']);
    expect(await system.available(small, 'BTC')).toBe('0.001');
  });

  it('are credited when they are claimed, less what the collection costs, once', async () => {
    await payDeposit(system, small, 'BTC', '0.0005');
    await confirmed();
    expect((await states()).at(-1)).toBe('below_minimum');
    await expect(claim('claim-1', '1')).rejects.toMatchObject({ code: 'claim-too-dear' });
    await expect(claim('claim-1', '100000', 'ETH')).rejects.toMatchObject({ code: 'nothing-to-claim' });
    const made = await claim('claim-1', '100000');
    expect(made).toMatchObject({ amount: units('BTC', '0.0005').toString(), cost_asset: 'BTC' });
    expect(BigInt(made.cost)).toBeGreaterThan(0n);
    expect(await claim('claim-1', '100000')).toEqual(made);
    const { available } = await system.balance(small, 'BTC');
    expect(BigInt(available)).toBe(units('BTC', '0.0015') - BigInt(made.cost));
    await system.mustBalance();
  });

  it('are let go by a version with a lower minimum', async () => {
    await payDeposit(system, small, 'BTC', '0.0002');
    await confirmed();
    expect((await states()).at(-1)).toBe('below_minimum');
    await system.client.createFeeSchedule(terms('BTC', { precision: 8, deposit_minimum: '20000' }));
    await awaitCondition('the deposit credited', async () => (await states()).at(-1) === 'credited');
  });
});
