import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import type { DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import { conflictOf } from '@holdfast/devnet/bitcoin/miner.ts';
import { reorgByInvalidation } from '@holdfast/devnet/bitcoin/reorg.ts';
import { caip19, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import {
  type AssetName,
  awaitDeposit,
  type Customer,
  networkOf,
  outsideAddress,
  payDeposit,
  requestWithdrawal,
} from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { mustPost } from '@holdfast/server/store/ledger/post-batch.ts';
import { awaitAlarm, eventTypesOf, settle } from '../support/chain-steps.ts';
import { type Books, fund, mineUntilAll, openBooks, received, units } from '../support/payouts.ts';
import { awaitRefusal, callSigners, journalMark, journalOf, signerIds } from '../support/signers-direct.ts';
import { relaxPolicy, type System, startSystem } from '../support/system.ts';

let system: System;
let books: Books;
let customer: Customer;

beforeAll(async () => {
  system = await startSystem({
    policy: (policy) => {
      relaxPolicy(policy);
      // The server credits small deposits with the first confirmation.
      for (const network of policy.networks) if (network.family === 'bitcoin') network.deposit_confirmations = 3;
    },
  });
  books = openBooks(system);
  customer = await system.newCustomer('positions');
  // Somebody else's coins, so that the wallet could pay what the customer does not have.
  await fund(system, await system.newCustomer('treasury'), { ETH: '20', BTC: '2' });
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

/** What a signer has proven, by its own journal. */
function proven(signer: string, asset: AssetName, who: Customer = customer): bigint[] {
  return journalOf(system, signer).flatMap((record) =>
    record.kind === 'customer-record' &&
    record.body.signed.record.kind === 'deposit' &&
    record.body.signed.record.customer === who.id &&
    record.body.code === asset
      ? [BigInt(record.body.amount!)]
      : [],
  );
}

/** A balance out of nothing, as root on the database would write it. */
async function mint(asset: AssetName, amount: bigint): Promise<void> {
  const posting = {
    idem: `minted/${asset}`,
    cause: 'test',
    debit: accountCodes.hot(networkOf(asset) as typeof evmNetworkId, asset),
    credit: accountCodes.customer(customer.id, asset),
    amount: baseUnits(amount),
  };
  await books.db.transaction((sql) => mustPost(sql, [posting], Date.now()));
}

describe('what signers know that a customer has', () => {
  it('is what each of them found on its own nodes, and the customer takes out that much', async () => {
    await fund(system, customer, { ETH: '3', BTC: '0.5' });
    for (const asset of ['ETH', 'BTC'] as const) {
      const amount = units(asset, asset === 'ETH' ? '3' : '0.5');
      for (const signer of signerIds)
        await awaitCondition(`${asset} proven at ${signer}`, async () => proven(signer, asset).length > 0, 20_000, 30);
      expect(signerIds.map((signer) => proven(signer, asset))).toEqual([[amount], [amount], [amount]]);
    }
    const to = await outsideAddress(system, 'BTC');
    const { id } = await requestWithdrawal(system, customer, 'BTC', '0.4', to);
    await mineUntilAll(system, [id], 'settled');
    expect(await received(system, 'BTC', to)).toBe(units('BTC', '0.4'));
  });

  it('does not grow with a row in the ledger: a minted balance waits for approvers, and an adjustment of theirs lets it go', async () => {
    await mint('ETH', units('ETH', '5'));
    const mark = journalMark(system);
    const to = await outsideAddress(system, 'ETH');
    const { id } = await requestWithdrawal(system, customer, 'ETH', '7', to);
    expect(await awaitRefusal(system, 'position-exceeded', mark)).toEqual(new Set(['position-exceeded']));
    expect(await awaitAlarm(system, 'signing-refused')).toMatchObject({
      message: expect.stringContaining('position-exceeded'),
    });
    expect((await system.client.getWithdrawal({ id })).reason).toContain('position-exceeded');

    const adjustment = system.adjustment(customer.id, 'ETH', units('ETH', '5'), 'compensation, ticket 7');
    await expect(
      system.client.createAdjustment({ ...adjustment, record: { ...adjustment.record, amount: '1' } }),
    ).rejects.toMatchObject({ code: 'approval-invalid' });
    await expect(
      system.client.createAdjustment({ ...adjustment, approvals: adjustment.approvals.slice(0, 1) }),
    ).rejects.toMatchObject({ code: 'approval-missing' });
    const posted = await system.client.createAdjustment(adjustment);
    expect((await system.client.createAdjustment(adjustment)).id).toBe(posted.id);
    await mineUntilAll(system, [id], 'settled');
    expect(await received(system, 'ETH', to)).toBe(units('ETH', '7'));
    expect((await system.client.getCustomerRecord({ id: posted.id })).signers.map(({ state }) => state)).toEqual([
      'accepted',
      'accepted',
      'accepted',
    ]);
    await expect.poll(() => eventTypesOf(system, posted.id)).toEqual(['adjustment.added']);
  });

  it('does not grow with a credit that the signers’ nodes do not show deep enough, nor when a reorg takes it back', async () => {
    const other = await system.newCustomer('reorged');
    const { miner } = system.chains.bitcoin!;
    const txid = await payDeposit(system, other, 'BTC', '0.3');
    await system.mineBitcoin();
    await awaitDeposit(system, other, txid, 'credited', 10_000);
    const mark = journalMark(system);
    const to = await outsideAddress(system, 'BTC');
    const { id } = await requestWithdrawal(system, other, 'BTC', '0.2', to);
    expect(await awaitRefusal(system, 'position-exceeded', mark)).toEqual(new Set(['position-exceeded']));
    await reorgByInvalidation(miner, { depth: 1, transactions: [await conflictOf(miner, txid)] });
    await awaitDeposit(system, other, txid, 'orphaned', 10_000);
    await system.mineBitcoin(4);
    await settle(system);
    expect(signerIds.map((signer) => proven(signer, 'BTC', other))).toEqual([[], [], []]);
    expect((await system.client.getWithdrawal({ id })).txid).toBeNull();
    expect(await received(system, 'BTC', to)).toBe(0n);
    // Deep enough is enough: the next deposit makes up for it, and the first payment goes.
    await payDeposit(system, other, 'BTC', '0.4');
    await mineUntilAll(system, [id], 'settled');
    expect(await received(system, 'BTC', to)).toBe(units('BTC', '0.2'));
  });
});

describe('a claim of a deposit that never came', () => {
  it('halts its network at every signer, told to one of them', async () => {
    const { signers, close } = callSigners(system);
    const [address] = (await system.client.listDepositAddresses({ customer: customer.id, network: evmNetworkId })).data;
    await system.mineEvm(6);
    await system.followed();
    const block = await rpcCall<{ hash: string; number: string }>(system.chains.anvil.url, 'eth_getBlockByNumber', [
      `0x${(BigInt(await rpcCall<string>(system.chains.anvil.url, 'eth_blockNumber', [])) - 4n).toString(16)}`,
      false,
    ]);
    const claim: DepositClaim = {
      version: 1,
      kind: 'deposit',
      network: evmNetworkId,
      customer: customer.id,
      index: address!.index,
      address: address!.address,
      asset: caip19('ETH', system.evm),
      block_height: Number(block.number),
      block_hash: block.hash.slice(2),
      outpoint: null,
    };
    const { results } = await signers[0]!.call('/v1/records', { records: [{ record: claim }] });
    expect(results).toMatchObject([{ state: 'refused', code: 'deposit-unproven' }]);
    const halts = await awaitCondition('halt everywhere', async () => {
      const { data } = await system.client.listHalts();
      return data.some((halt) => halt.signers.length === 3) && data;
    });
    expect(halts).toMatchObject([{ by: 'signer-1', statement: { scope: { network: evmNetworkId, asset: null } } }]);
    expect(await awaitAlarm(system, 'halted')).toMatchObject({ message: expect.stringContaining('false credit') });
    // Elsewhere payments go on.
    const to = await outsideAddress(system, 'BTC');
    const paid = await requestWithdrawal(system, customer, 'BTC', '0.01', to);
    await mineUntilAll(system, [paid.id], 'settled');
    close();
  });
});
