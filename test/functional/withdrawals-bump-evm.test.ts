import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { type Customer, outsideAddress } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { signRelay } from '@holdfast/core/chains/evm/sign-relay.ts';
import { callOf } from '@holdfast/server/networks/evm/price-above.ts';
import { laneSteps } from '@holdfast/server/context.ts';
import { hexToBytes } from '@noble/hashes/utils.js';
import { callMined, eventTypesOf } from '../support/chain-steps.ts';
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

/* Calls of the relayer that no block takes, on anvil without automine. */

let system: System;
let books: Books;
let customer: Customer;

beforeAll(async () => {
  system = await startSystem({ feeBump: { after_blocks: 2, after_ms: 0, tries_max: 6, percent: 25 } });
  books = openBooks(system);
  customer = await system.newCustomer('lanes');
  await fund(system, customer, { ETH: '9' });
});
afterAll(async () => {
  await books?.close();
  await system?.stop();
});

interface Sent {
  readonly from: string;
  readonly nonce: string;
  readonly maxFeePerGas: string;
  readonly input: string;
  readonly blockNumber: string | null;
}
const rpc = <T>(method: string, params: unknown[] = []) => rpcCall<T>(system.chains.anvil.url, method, params);

async function inPool(txid: string): Promise<Sent> {
  return awaitCondition(`${txid} in the pool`, () => rpc<Sent | null>('eth_getTransactionByHash', [txid]), 15_000, 20);
}

async function pay(coins: string): Promise<{ id: string; to: string; txid: string }> {
  const to = await outsideAddress(system, 'ETH');
  const { id } = await system.client.createWithdrawal(withdrawalBody(system, customer, 'ETH', coins, to));
  const [first] = await allIn(system, [id], 'broadcast');
  await inPool(first!.txid!);
  return { id, to, txid: first!.txid! };
}

/** Blocks that are too dear for what the relayer offered. */
async function dearBlocks(count: number, baseFeeGwei: bigint): Promise<void> {
  for (let i = 0; i < count; i++) {
    await rpc('anvil_setNextBlockBaseFeePerGas', [`0x${(baseFeeGwei * 10n ** 9n).toString(16)}`]);
    await system.mineEvm();
  }
}

async function otherThan(id: string, txid: string): Promise<string> {
  return awaitCondition(
    `another envelope than ${txid}`,
    async () => {
      const found = await system.client.getWithdrawal({ id });
      return found.txid !== txid && found.state === 'broadcast' && found.txid;
    },
    20_000,
    20,
  );
}

async function paidOnce(id: string, to: string, coins: string): Promise<void> {
  expect(await received(system, 'ETH', to)).toBe(units('ETH', coins));
  expect(await books.attemptsOf(id)).toHaveLength(1);
  await system.followed();
  await system.mustBalance();
}

const keyOf = (file: string) => hexToBytes(readFileSync(join(system.folder, 'server', file), 'utf8').trim());

describe('a call of the relayer that no block takes', () => {
  it('is offered with the same nonce at a higher price, wherever the server dies, and pays once', async () => {
    const { id, to, txid } = await pay('0.5');
    const before = await inPool(txid);
    await system.server().stop();
    let child = await system.startServer({ killAt: laneSteps[0] });
    await dearBlocks(2, 40n);
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
    child = await system.startServer({ killAt: laneSteps[1] });
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await system.startServer();
    const second = await otherThan(id, txid);
    const after = await inPool(second);
    expect([after.from, after.nonce, after.input]).toEqual([before.from, before.nonce, before.input]);
    expect(BigInt(after.maxFeePerGas)).toBeGreaterThanOrEqual(80n * 10n ** 9n);
    expect(await rpc('eth_getTransactionByHash', [txid])).toBeNull();
    const [settled] = await mineUntilAll(system, [id], 'settled');
    expect(settled!.txid).toBe(second);
    expect(await eventTypesOf(system, id)).toContain('withdrawal.replaced');
    await paidOnce(id, to, '0.5');
  });

  it('is settled when a block takes the first envelope after all', async () => {
    const { id, to, txid } = await pay('0.4');
    const [{ raw }] = (await books.db.query('select raw from chain_transaction where txid = $1', [txid])) as [
      { raw: Uint8Array },
    ];
    await dearBlocks(2, 200n);
    const second = await otherThan(id, txid);
    await inPool(second);
    await system.server().stop();
    await rpc('anvil_dropTransaction', [second]);
    // A node takes nothing below the base fee of the newest block.
    await rpc('anvil_setNextBlockBaseFeePerGas', ['0x1']);
    await system.mineEvm();
    await rpc('eth_sendRawTransaction', [`0x${Buffer.from(raw).toString('hex')}`]);
    await rpc('anvil_setNextBlockBaseFeePerGas', ['0x1']);
    await system.mineEvm();
    await system.startServer();
    const [settled] = await mineUntilAll(system, [id], 'settled');
    expect(settled!.txid).toBe(txid);
    await paidOnce(id, to, '0.4');
  });

  it('is settled once when somebody else relays the signed call: it is known by the Safe’s hash and not by its txid', async () => {
    const { id, to, txid } = await pay('0.15');
    expect((await system.client.getWithdrawal({ id })).waiting).toMatchObject({ reason: 'no block has it yet' });
    const [{ raw }] = (await books.db.query('select raw from chain_transaction where txid = $1', [txid])) as [
      { raw: Uint8Array },
    ];
    await system.server().stop();
    await rpc('anvil_dropTransaction', [txid]);
    const { to: safe, data } = callOf(raw);
    const theirs = await callMined(system, safe, hexToBytes(data.slice(2)));
    // Ours is mined too, where it finds the Safe's nonce used.
    await rpc('eth_sendRawTransaction', [`0x${Buffer.from(raw).toString('hex')}`]);
    await system.mineEvm();
    expect(await rpc('eth_getTransactionReceipt', [txid])).toMatchObject({ status: '0x0' });
    await system.startServer();
    const [settled] = await mineUntilAll(system, [id], 'settled');
    expect(settled).toMatchObject({ txid: theirs, waiting: null });
    await paidOnce(id, to, '0.15');
  });

  it('gets another nonce when something else has used its own', async () => {
    const { id, to, txid } = await pay('0.3');
    const { nonce, from } = await inPool(txid);
    const price = { maxFeePerGas: 400n * 10n ** 9n, maxPriorityFeePerGas: 300n * 10n ** 9n };
    const call = { chainId: 31_337n, nonce: BigInt(nonce), to: from, data: '0x', gasLimit: 21_000n, ...price };
    await rpc('eth_sendRawTransaction', [signRelay(call, keyOf('relayer.key')).raw]);
    await system.mineEvm(2);
    const second = await otherThan(id, txid);
    expect(BigInt((await inPool(second)).nonce)).toBe(BigInt(nonce) + 1n);
    await mineUntilAll(system, [id], 'settled');
    await paidOnce(id, to, '0.3');
  });
});

describe('the accounts of the relayer', () => {
  it('are two: a payment does not wait for sweeps', async () => {
    const [sweep] = await books.db.query<{ txid: string }>(
      `select txid from chain_transaction where kind = 'sweep' and state = 'final' limit 1`,
    );
    const { id, txid } = await pay('0.1');
    const senders = [(await inPool(sweep!.txid)).from, (await inPool(txid)).from];
    expect(new Set(senders).size).toBe(2);
    await mineUntilAll(system, [id], 'settled');
  });

  it('fill a nonce that nothing carries, which what has later ones waits for', async () => {
    const { id, to, txid } = await pay('0.2');
    const nonce = BigInt((await inPool(txid)).nonce);
    // As if a payment below it had been given up, and every node had forgotten it.
    await system.server().stop();
    await rpc('anvil_dropTransaction', [txid]);
    const [{ raw }] = (await books.db.query('select raw from chain_transaction where txid = $1', [txid])) as [
      { raw: Uint8Array },
    ];
    const { to: safe, data, gasLimit } = callOf(raw);
    const price = { maxFeePerGas: 400n * 10n ** 9n, maxPriorityFeePerGas: 2n };
    const moved = signRelay(
      { chainId: 31_337n, nonce: nonce + 1n, to: safe, data, gasLimit, ...price },
      keyOf('relayer.key'),
    );
    await books.db.query(
      `update chain_transaction set raw = $2, txid = $3, relayer_nonce = $4, refs = refs || array['tx:' || $3] where txid = $1`,
      [txid, Buffer.from(moved.raw.slice(2), 'hex'), moved.txid, nonce + 1n],
    );
    await system.startServer();
    const filler = await awaitCondition(
      'a filler',
      async () =>
        (await books.db.query<{ txid: string }>(`select txid from chain_transaction where kind = 'filler'`))[0],
      20_000,
      20,
    );
    expect(BigInt((await inPool(filler.txid)).nonce)).toBe(nonce);
    const [settled] = await mineUntilAll(system, [id], 'settled');
    expect(BigInt((await inPool(settled!.txid!)).nonce)).toBe(nonce + 1n);
    await paidOnce(id, to, '0.2');
  });
});
