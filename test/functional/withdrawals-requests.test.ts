import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Failure } from '@holdfast/core/failure.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { outsideAddress } from '@holdfast/devnet/story/actors.ts';
import {
  type Books,
  fund,
  mineUntilAll,
  openBooks,
  openTransactions,
  received,
  units,
  withdrawalBody,
} from '../support/payouts.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
let books: Books;
beforeAll(async () => {
  system = await startSystem();
  books = openBooks(system);
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

/** Ids of those that were accepted, codes of those that were refused. */
async function outcomes(
  requests: readonly Promise<{ id: string }>[],
): Promise<{ accepted: string[]; refused: string[] }> {
  const settled = await Promise.allSettled(requests);
  return {
    accepted: settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value.id] : [])),
    refused: settled.flatMap((one) =>
      one.status === 'rejected' ? [one.reason instanceof Failure ? one.reason.code : String(one.reason)] : [],
    ),
  };
}

describe('withdrawals racing for one balance', () => {
  it('accepts one of two and refuses the other for want of funds', async () => {
    const customer = await system.newCustomer('race-two');
    await fund(system, customer, { BTC: '0.15' });
    const destination = await outsideAddress(system, 'BTC');
    const { accepted, refused } = await outcomes(
      [0, 1].map(() => system.client.createWithdrawal(withdrawalBody(system, customer, 'BTC', '0.1', destination))),
    );
    expect(accepted).toHaveLength(1);
    expect(refused).toEqual(['insufficient-funds']);
    await mineUntilAll(system, accepted, 'settled');
    expect(await received(system, 'BTC', destination)).toBe(units('BTC', '0.1'));
    expect(await system.available(customer, 'BTC')).toBe('0.04998');
  });

  it('accepts exactly 5 of 20 that ask for a fifth of the balance', async () => {
    const customer = await system.newCustomer('race-twenty');
    await fund(system, customer, { ETH: '5.002' });
    const destination = await outsideAddress(system, 'ETH');
    const { accepted, refused } = await outcomes(
      Array.from({ length: 20 }, () =>
        system.client.createWithdrawal(withdrawalBody(system, customer, 'ETH', '1', destination)),
      ),
    );
    expect(new Set(accepted).size).toBe(5);
    expect(refused).toEqual(Array.from({ length: 15 }, () => 'insufficient-funds'));
    expect(await system.available(customer, 'ETH')).toBe('0');
    await mineUntilAll(system, accepted, 'settled');
    expect(await received(system, 'ETH', destination)).toBe(units('ETH', '5'));
    expect(await system.balance(customer, 'ETH')).toMatchObject({ available: '0', held: '0' });
    await system.followed();
    await system.mustBalance();
  });
});

describe('the same withdrawal asked for again', () => {
  it('is one withdrawal with one hold, by key and by client_reference, one after the other and at once', async () => {
    const customer = await system.newCustomer('again');
    await fund(system, customer, { USDC: '100' });
    const destination = await outsideAddress(system, 'USDC');
    const body = withdrawalBody(system, customer, 'USDC', '20', destination);
    const first = await system.client.createWithdrawal(body, { idempotencyKey: 'again-1' });
    expect(await system.client.createWithdrawal(body, { idempotencyKey: 'again-1' })).toEqual(first);
    expect((await system.client.createWithdrawal(body, { idempotencyKey: 'again-2' })).id).toBe(first.id);
    const many = await outcomes(Array.from({ length: 10 }, () => system.client.createWithdrawal(body)));
    expect(new Set(many.accepted)).toEqual(new Set([first.id]));
    expect(many.refused).toEqual([]);
    expect(await books.postingsOf(first.id)).toEqual([`customer > hold ${units('USDC', '21')}`]);

    const fresh = withdrawalBody(system, customer, 'USDC', '30', destination);
    const racing = await outcomes(Array.from({ length: 10 }, () => system.client.createWithdrawal(fresh)));
    expect(new Set(racing.accepted).size).toBe(1);
    expect(racing.refused).toEqual([]);
    expect(await system.available(customer, 'USDC')).toBe('48');

    await mineUntilAll(system, [first.id, racing.accepted[0]!], 'settled');
    expect((await system.client.createWithdrawal(body, { idempotencyKey: 'again-3' })).state).toBe('settled');
    expect(await received(system, 'USDC', destination)).toBe(units('USDC', '50'));
  });

  it('is refused under another client_reference, and a taken client_reference for another intent, also of another customer at once', async () => {
    const [one, other] = [await system.newCustomer('taken'), await system.newCustomer('taken')];
    await fund(system, one, { USDC: '100' });
    await fund(system, other, { USDC: '100' });
    const destination = await outsideAddress(system, 'USDC');
    const body = withdrawalBody(system, one, 'USDC', '20', destination);
    await system.client.createWithdrawal(body);
    await expect(
      system.client.createWithdrawal({ ...body, client_reference: `${body.client_reference}-b` }),
    ).rejects.toMatchObject({ code: 'client-reference-taken' });
    await expect(
      system.client.createWithdrawal({
        ...withdrawalBody(system, one, 'USDC', '20', destination),
        client_reference: body.client_reference,
      }),
    ).rejects.toMatchObject({ code: 'client-reference-taken' });
    expect(await system.balance(one, 'USDC')).toMatchObject({ held: units('USDC', '21').toString() });

    for (let round = 0; round < 5; round++) {
      const client_reference = `shared-${round}`;
      const { accepted, refused } = await outcomes(
        [one, other].map((customer) =>
          system.client.createWithdrawal({
            ...withdrawalBody(system, customer, 'USDC', '5', destination),
            client_reference,
          }),
        ),
      );
      expect([accepted.length, refused]).toEqual([1, ['client-reference-taken']]);
    }
  });
});

describe('the server’s policy', () => {
  it('refuses a fee above fee_max and an amount above the limit of one withdrawal, and holds nothing', async () => {
    const customer = await system.newCustomer('policy');
    await fund(system, customer, { ETH: '2', BTC: '1' });
    const [ether, bitcoin] = [await outsideAddress(system, 'ETH'), await outsideAddress(system, 'BTC')];
    await expect(
      system.client.createWithdrawal(
        withdrawalBody(system, customer, 'ETH', '1', ether, { fee_max: (units('ETH', '0.0004') - 1n).toString() }),
      ),
    ).rejects.toMatchObject({ code: 'fee-above-maximum' });
    await expect(
      system.client.createWithdrawal(withdrawalBody(system, customer, 'BTC', '50.00000001', bitcoin)),
    ).rejects.toMatchObject({ code: 'limit-exceeded' });
    await expect(
      system.client.createWithdrawal(withdrawalBody(system, customer, 'ETH', '500.1', ether)),
    ).rejects.toMatchObject({ code: 'limit-exceeded' });
    expect(await system.balance(customer, 'ETH')).toMatchObject({ available: units('ETH', '2').toString(), held: '0' });
    const exact = await system.client.createWithdrawal(
      withdrawalBody(system, customer, 'ETH', '1', ether, { fee_max: units('ETH', '0.0004').toString() }),
    );
    expect(exact.fee).toBe(units('ETH', '0.0004').toString());
  });

  it('stops a customer at the limit of a day, also when requests race for what is left of it', async () => {
    const customer = await system.newCustomer('day');
    await fund(system, customer, { USDT: '6000000' });
    const destination = await outsideAddress(system, 'USDT');
    const ask = (coins: string) =>
      system.client.createWithdrawal(withdrawalBody(system, customer, 'USDT', coins, destination));
    const first = await outcomes(['1000000', '1000000', '1000000', '1000000'].map(ask));
    expect(first.accepted).toHaveLength(4);
    const racing = await outcomes(Array.from({ length: 8 }, () => ask('400000')));
    expect(racing.accepted).toHaveLength(2);
    expect(new Set(racing.refused)).toEqual(new Set(['limit-exceeded']));
    const rest = await ask('200000');
    await expect(ask('5')).rejects.toMatchObject({ code: 'limit-exceeded' });
    await mineUntilAll(system, [...first.accepted, ...racing.accepted, rest.id], 'settled');
    expect(await received(system, 'USDT', destination)).toBe(units('USDT', '5000000'));
  });
});

describe('fees', () => {
  it('are booked as they were charged and as the chains took them', async () => {
    const customer = await system.newCustomer('fees');
    await fund(system, customer, { BTC: '0.5', ETH: '2', USDC: '300' });
    await system.mineUntil('nothing under way', async () => (await openTransactions(system)).length === 0);
    const feeAccounts = [
      'fee_revenue:BTC',
      'fee_revenue:ETH',
      'fee_revenue:USDC',
      `fees_paid:${bitcoinNetworkId}:BTC`,
      `fees_paid:${evmNetworkId}:ETH`,
    ];
    const read = (): Promise<bigint[]> => Promise.all(feeAccounts.map((code) => books.balance(code)));
    const before = await read();
    const requested = [];
    for (const [asset, coins] of [
      ['BTC', '0.1'],
      ['ETH', '0.5'],
      ['USDC', '40'],
      ['USDC', '60'],
    ] as const) {
      requested.push(
        await system.client.createWithdrawal(
          withdrawalBody(system, customer, asset, coins, await outsideAddress(system, asset)),
        ),
      );
    }
    const settled = await mineUntilAll(
      system,
      requested.map((one) => one.id),
      'settled',
    );
    const after = await read();
    const chain = { bitcoin: 0n, evm: 0n };
    for (const txid of new Set(settled.map((one) => one.txid!))) {
      if (txid.startsWith('0x')) {
        const receipt = await rpcCall<{ gasUsed: string; effectiveGasPrice: string }>(
          system.chains.anvil.url,
          'eth_getTransactionReceipt',
          [txid],
        );
        chain.evm += BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice);
      } else chain.bitcoin += await bitcoinFee(txid);
    }
    expect(chain.evm > 0n && chain.bitcoin > 0n).toBe(true);
    expect(after.map((value, i) => value - before[i]!)).toEqual([
      units('BTC', '0.00002'),
      units('ETH', '0.0004'),
      units('USDC', '2'),
      chain.bitcoin,
      chain.evm,
    ]);
    for (const one of settled) {
      expect(await books.postingsOf(one.id)).toEqual([
        `customer > hold ${BigInt(one.amount) + BigInt(one.fee)}`,
        `hold > in_flight ${one.amount}`,
        `hold > fee_revenue ${one.fee}`,
      ]);
    }
    for (const asset of ['BTC', 'ETH', 'USDC', 'USDT'] as const) {
      expect(await books.balance(`in_flight:${asset === 'BTC' ? bitcoinNetworkId : evmNetworkId}:${asset}`)).toBe(0n);
    }
    await system.followed();
    await system.mustBalance();
  });
});

async function bitcoinFee(txid: string): Promise<bigint> {
  const { miner } = system.chains.bitcoin!;
  const sats = (coins: number): bigint => BigInt(Math.round(coins * 1e8));
  interface Decoded {
    vin: { txid: string; vout: number }[];
    vout: { value: number }[];
  }
  const decoded = await miner.rpc<Decoded>('getrawtransaction', [txid, true]);
  let fee = -decoded.vout.reduce((sum, output) => sum + sats(output.value), 0n);
  for (const input of decoded.vin)
    fee += sats((await miner.rpc<Decoded>('getrawtransaction', [input.txid, true])).vout[input.vout]!.value);
  return fee;
}
