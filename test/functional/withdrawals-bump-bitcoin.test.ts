import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WithdrawalResource } from '@holdfast/core/contract/resources.ts';
import { openMiner } from '@holdfast/devnet/bitcoin/miner.ts';
import { type Customer, outsideAddress } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { bumpSteps } from '@holdfast/server/context.ts';
import { eventTypesOf } from '../support/chain-steps.ts';
import {
  allIn,
  type Books,
  fund,
  mineUntilAll,
  openBooks,
  received,
  units,
  withdrawalBody,
} from '../support/payouts.ts';
import { type System, startSystem } from '../support/system.ts';

/* Payments that no block takes: versions of a higher fee, on two nodes. */

let system: System;
let books: Books;
let customer: Customer;

beforeAll(async () => {
  system = await startSystem({ feeBump: { after_blocks: 2, after_ms: 0, tries_max: 6, percent: 25 } });
  books = openBooks(system);
  customer = await system.newCustomer('bump');
  await fund(system, customer, { BTC: '3' });
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

interface Decoded {
  readonly txid: string;
  readonly vin: readonly { readonly txid: string; readonly vout: number }[];
  readonly vout: readonly { readonly value: number; readonly scriptPubKey: { readonly address: string } }[];
}

const rpc = <T>(method: string, params: unknown[] = []) => system.chains.bitcoin!.miner.rpc<T>(method, params);

/** Blocks that take nothing out of the mempool. */
async function emptyBlocks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await rpc('generateblock', [system.chains.bitcoin!.miner.address, []]);
}

async function pay(coins: string): Promise<{ id: string; to: string; first: WithdrawalResource }> {
  const to = await outsideAddress(system, 'BTC');
  const { id } = await system.client.createWithdrawal(withdrawalBody(system, customer, 'BTC', coins, to));
  const [first] = await allIn(system, [id], 'broadcast');
  await inMempool(first!.txid!);
  return { id, to, first: first! };
}

async function inMempool(txid: string): Promise<void> {
  const { nodes } = system.chains.bitcoin!;
  await awaitCondition(
    `${txid} in both mempools`,
    async () =>
      (await Promise.all(nodes.map((node) => node.rpc<string[]>('getrawmempool')))).every((pool) =>
        pool.includes(txid),
      ),
    15_000,
    20,
  );
}

/** Lets blocks pass until the payment goes on in another version. @returns its txid. */
async function bump(id: string, from: string, blocks = 2): Promise<string> {
  await emptyBlocks(blocks);
  const txid = await awaitCondition(
    `another version of ${from}`,
    async () => {
      const found = await system.client.getWithdrawal({ id });
      return found.txid !== from && found.state === 'broadcast' && found.txid;
    },
    20_000,
    20,
  );
  await inMempool(txid);
  return txid;
}

async function rawOf(txid: string): Promise<string> {
  const [row] = await books.db.query<{ raw: Uint8Array }>('select raw from chain_transaction where txid = $1', [txid]);
  return Buffer.from(row!.raw).toString('hex');
}

const decode = async (txid: string) => rpc<Decoded>('decoderawtransaction', [await rawOf(txid)]);

async function paidOnce(id: string, to: string, coins: string): Promise<void> {
  expect(await received(system, 'BTC', to)).toBe(units('BTC', coins));
  expect((await books.postingsOf(id)).map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
    'customer > hold',
    'hold > in_flight',
    'hold > fee_revenue',
  ]);
  await system.followed();
  await system.mustBalance();
}

describe('a Bitcoin payment that no block takes', () => {
  it('is replaced by the same payouts from the same coins at a higher fee, which settles it once', async () => {
    const { id, to, first } = await pay('0.4');
    const one = await decode(first.txid!);
    const second = await bump(id, first.txid!);
    const two = await decode(second);
    expect(two.vin.map(({ txid, vout }) => `${txid}:${vout}`)).toEqual(
      one.vin.map(({ txid, vout }) => `${txid}:${vout}`),
    );
    const sum = (tx: Decoded) => tx.vout.reduce((sats, { value }) => sats + Math.round(value * 1e8), 0);
    // At 5 sat/vB and then at 7.
    expect(sum(one) - sum(two)).toBeGreaterThan(200);
    expect(two.vout.find(({ scriptPubKey }) => scriptPubKey.address === to)?.value).toBe(0.4);
    const change = (tx: Decoded) =>
      tx.vout.find(({ scriptPubKey }) => scriptPubKey.address !== to)!.scriptPubKey.address;
    expect(change(two)).toBe(change(one));

    const [settled] = await mineUntilAll(system, [id], 'settled');
    expect(settled!.txid).toBe(second);
    expect(await books.attemptsOf(id)).toEqual([
      { state: 'replaced', txid: first.txid },
      { state: 'final', txid: second },
    ]);
    expect(await eventTypesOf(system, id)).toContain('withdrawal.replaced');
    await paidOnce(id, to, '0.4');
  });

  it('is settled once when a block takes the first version after all, also when a reorg brings the second', async () => {
    const { id, to, first } = await pay('0.3');
    const second = await bump(id, first.txid!);
    // The wait doubles.
    const third = await bump(id, second, 4);
    const { miner, nodes } = system.chains.bitcoin!;
    const other = await openMiner(nodes[1].rpc, { funded: false });
    const raws = [await rawOf(first.txid!), await rawOf(second)];
    await rpc('generateblock', [miner.address, [raws[0]]]);
    const [settled] = await allIn(system, [id], 'settled');
    expect(settled!.txid).toBe(first.txid);
    expect((await books.attemptsOf(id)).map(({ state }) => state)).toEqual(['final', 'replaced', 'replaced']);
    await paidOnce(id, to, '0.3');

    const height = await rpc<number>('getblockcount');
    await other.rpc('invalidateblock', [await rpc('getblockhash', [height])]);
    await other.rpc('generateblock', [miner.address, [raws[1]]]);
    await other.rpc('generateblock', [miner.address, []]);
    const branch = await other.rpc('getbestblockhash');
    await awaitCondition('the branch at both nodes', async () => (await rpc('getbestblockhash')) === branch);
    await system.followed();
    const [after] = await allIn(system, [id], 'settled');
    expect(after!.txid).toBe(second);
    expect(await received(system, 'BTC', to)).toBe(units('BTC', '0.3'));
    expect((await books.attemptsOf(id)).map(({ txid, state }) => [txid, state])).toEqual([
      [first.txid, 'replaced'],
      [second, 'final'],
      [third, 'replaced'],
    ]);
    await system.mustBalance();
  });

  it('goes on wherever the server dies', async () => {
    const { id, to, first } = await pay('0.2');
    await system.server().stop();
    const [step, ...rest] = bumpSteps;
    let child = await system.startServer({ killAt: step });
    await emptyBlocks(2);
    for (const next of rest) {
      expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
      child = await system.startServer({ killAt: next });
      // A turn that was taken and undone by the death is there again; one that was kept waits for more blocks.
      await emptyBlocks(1);
    }
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await system.startServer();
    // Stored and not offered yet when it died the last time.
    await inMempool((await system.client.getWithdrawal({ id })).txid!);
    const [settled] = await mineUntilAll(system, [id], 'settled');
    expect(settled!.txid).not.toBe(first.txid);
    await paidOnce(id, to, '0.2');
  });
});
