import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bitcoinNetworkId } from '@holdfast/devnet/configure.ts';
import {
  awaitDeposit,
  type Customer,
  outsideAddress,
  payDeposit,
  requestWithdrawal,
} from '@holdfast/devnet/story/actors.ts';
import { rotationSteps } from '@holdfast/server/context.ts';
import { changePolicy } from '../support/change-policy.ts';
import { allIn, type Books, fund, mineUntilAll, openBooks, received, units } from '../support/payouts.ts';
import { type System, startSystem } from '../support/system.ts';

/** One rotation of the Bitcoin wallet from end to end, in order. */
let system: System;
let books: Books;
let customer: Customer;
let oldAddress: string;

beforeAll(async () => {
  system = await startSystem();
  books = openBooks(system);
  customer = await system.newCustomer('rotation');
  oldAddress = customer.addresses.get(bitcoinNetworkId)!;
  await payDeposit(system, customer, 'BTC', '1');
  await fund(system, customer, { BTC: '2' });
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

/** Unspent coins of an epoch, base units. */
async function held(epoch: number): Promise<bigint> {
  const [row] = await books.db.query<{ sum: bigint }>(
    'select coalesce(sum(amount), 0)::bigint as sum from coin where epoch = $1 and spent_by is null and block_id is not null',
    [epoch],
  );
  return row!.sum;
}

async function sweeps(): Promise<{ state: string; txid: string | null }[]> {
  return books.db.query(`select state, txid from chain_transaction where kind = 'sweep' and network = $1 order by id`, [
    bitcoinNetworkId,
  ]);
}

const isDone = ({ state }: { state: string }): boolean => state === 'included' || state === 'final';

describe('a rotation of the Bitcoin wallet', () => {
  it('takes every coin to the new keys once, wherever the server dies', async () => {
    // Its change comes to the old keys when they are superseded already.
    const to = await outsideAddress(system, 'BTC');
    const inFlight = await requestWithdrawal(system, customer, 'BTC', '0.5', to);
    await allIn(system, [inFlight.id], 'broadcast');
    await system.server().stop();
    // Each dies at the next step of the same rotation.
    const [first, ...rest] = rotationSteps;
    let child = await system.startServer({ killAt: first });
    await changePolicy(system, (policy) => {
      for (const network of policy.networks) if (network.family === 'bitcoin') network.key_epoch = 2;
    });
    for (const step of rest) {
      expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
      child = await system.startServer({ killAt: step });
    }
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await system.startServer();
    await mineUntilAll(system, [inFlight.id], 'settled');
    await system.mineUntil('all coins swept', async () => (await held(1)) === 0n && (await sweeps()).every(isDone));
    expect(await received(system, 'BTC', to)).toBe(units('BTC', '0.5'));
    // The deposit that was left over, and the change.
    expect(await sweeps()).toHaveLength(2);
    expect((await held(2)) > units('BTC', '2.4999')).toBe(true);
    await system.followed();
    await system.mustBalance();
  });

  it('gives out addresses of the new keys, and shows the old ones as superseded', async () => {
    const issued = await system.client.issueDepositAddress({ customer: customer.id, network: bitcoinNetworkId });
    expect(issued.address).not.toBe(oldAddress);
    expect(issued).toMatchObject({ state: 'active', attestation: { epoch: 2 } });
    const { data } = await system.client.listDepositAddresses({ customer: customer.id, network: bitcoinNetworkId });
    expect(data.find(({ address }) => address === oldAddress)?.state).toBe('superseded');
    const fresh = { ...customer, addresses: new Map([...customer.addresses, [bitcoinNetworkId, issued.address]]) };
    const txid = await payDeposit(system, fresh, 'BTC', '0.3');
    await system.mineUntil('the new deposit credited', async () => isCredited(txid));
  });

  it('credits what comes to an old address later, and sweeps it', async () => {
    const before = BigInt((await system.balance(customer, 'BTC')).available);
    const txid = await payDeposit(system, customer, 'BTC', '0.7');
    await system.mineUntil('the late deposit swept', async () => {
      return (await isCredited(txid)) && (await sweeps()).length === 3 && (await held(1)) === 0n;
    });
    expect(BigInt((await system.balance(customer, 'BTC')).available)).toBe(before + units('BTC', '0.7'));
    await awaitDeposit(system, customer, txid, 'credited');
  });

  it('pays from the new keys, and the books balance', async () => {
    const to = await outsideAddress(system, 'BTC');
    const { id } = await requestWithdrawal(system, customer, 'BTC', '2.2', to);
    await mineUntilAll(system, [id], 'settled');
    expect(await received(system, 'BTC', to)).toBe(units('BTC', '2.2'));
    const spent = await books.db.query('select from coin where epoch = 2 and spent_by is not null');
    expect(spent.length).toBeGreaterThan(0);
    await system.followed();
    await system.mustBalance();
  });
});

async function isCredited(txid: string): Promise<boolean> {
  const rows = await books.db.query(`select from deposit where txid = $1 and state = 'credited'`, [txid]);
  return rows.length > 0;
}
