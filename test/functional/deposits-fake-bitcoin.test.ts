import { createHash } from 'node:crypto';
import { parseId } from '@holdfast/core/contract/ids.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { encodeSegwit } from '@holdfast/core/chains/bitcoin/address.ts';
import { parseNetworkId } from '@holdfast/core/money/network.ts';
import { conflictOf, type Miner } from '@holdfast/devnet/bitcoin/miner.ts';
import { reorgByInvalidation, untilSameTip } from '@holdfast/devnet/bitcoin/reorg.ts';
import { bitcoinNetworkId } from '@holdfast/devnet/configure.ts';
import type { Context } from '@holdfast/server/context.ts';
import { watchMempool } from '@holdfast/server/jobs/watch-mempool.ts';
import { bitcoinNetwork } from '@holdfast/server/networks/bitcoin/bitcoin-network.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { createCustomer } from '@holdfast/server/store/customers.ts';
import { insertAddress } from '@holdfast/server/store/deposit-addresses.ts';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BitcoinDevnet, startBitcoinDevnet } from '../support/bitcoind.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { assetRule, catchUp, depositContext, depositsAt } from '../support/deposit-stage.ts';

/* Bitcoin payments that are no deposits, or not yet, on two real nodes; without signers. */

let devnet: BitcoinDevnet;
let database: TestDatabase;
let ctx: Context;
let network: Network;
let miner: Miner;
let look: () => Promise<number>;
let issued = 0;

beforeAll(async () => {
  [devnet, database] = await Promise.all([startBitcoinDevnet(), testDatabase()]);
  [miner] = devnet.miners;
  ctx = depositContext(database);
  const urls = devnet.nodes.map(({ rpcUrl, user, password }) => rpcUrl.replace('//', `//${user}:${password}@`));
  const config = {
    id: bitcoinNetworkId,
    family: 'bitcoin',
    endpoints: urls,
    start_height: (await rpc<number>('getblockcount')) + 1,
    final_confirmations: 3,
    cold_keys: [],
    assets: [{ ...assetRule('BTC', null), confirmations: [{ below: null, confirmations: 1 }] }],
  };
  network = bitcoinNetwork(config as unknown as Parameters<typeof bitcoinNetwork>[0], {
    db: ctx.db,
    panel: null as never,
    nativeAsset: 'BTC',
    multisig: null,
    consolidation: undefined,
    easiestBits: null,
    coldAddresses: [],
  });
  look = watchMempool(ctx, network, network.mempool!);
});
afterAll(async () => {
  await database?.close();
  await devnet?.stop();
});

const rpc = <T>(method: string, params: unknown[] = [], wallet?: string): Promise<T> =>
  devnet.miners[0].rpc<T>(method, params, wallet);

interface Payee {
  readonly id: string;
  readonly address: string;
  /** x-only, hex. */
  readonly key: string;
}

/** A customer with a deposit address that is a key of its own. */
async function customer(): Promise<Payee> {
  const index = ++issued;
  const program = schnorr.getPublicKey(createHash('sha256').update(`payee ${index}`).digest());
  const key = bytesToHex(program);
  const params = bitcoinParams(parseNetworkId(bitcoinNetworkId));
  const address = encodeSegwit({ prefix: params.bech32, version: 1, program });
  const { id } = await createCustomer(ctx.db, { client_reference: ctx.newId() }, ctx.newId, ctx.now());
  await insertAddress(ctx.db, {
    id: ctx.newId(),
    customer_id: parseId('cus', id),
    network: bitcoinNetworkId,
    index,
    address,
    watch_key: `5120${key}`,
    state: 'active',
    epoch: 1,
    nowMs: ctx.now(),
  });
  return { id, address, key };
}

const deposits = ({ id }: Payee) => depositsAt(ctx, id);

/** `state amount` of a customer's payments that no block had, with what took their place. */
async function unconfirmed({ id }: Payee): Promise<string[]> {
  const rows = await ctx.db.query<{ state: string; amount: bigint; replaced_by: string | null }>(
    'select state, amount, replaced_by from unconfirmed_deposit where customer_id = $1 order by id',
    [parseId('cus', id)],
  );
  return rows.map(({ state, amount, replaced_by: by }) => `${state} ${amount}${by === null ? '' : ` ${by}`}`);
}

/** Both nodes have the same pool, and both jobs have seen all of it. */
async function seen(): Promise<void> {
  await expect
    .poll(async () => {
      const [one, other] = await Promise.all(devnet.miners.map((of) => of.rpc<string[]>('getrawmempool')));
      return JSON.stringify(one!.toSorted()) === JSON.stringify(other!.toSorted());
    })
    .toBe(true);
  await untilSameTip(...devnet.miners);
  await catchUp(ctx, network);
  while ((await look()) > 0);
}

async function mine(blocks = 1): Promise<void> {
  await miner.mine(blocks);
  await seen();
}

/** A signed payment of the miner with outputs as given: addresses with coins, or raw scripts; the change is added. */
async function pay(outputs: readonly object[], scripts: readonly [placeholder: string, script: string][] = []) {
  const unfunded = await rpc<string>('createrawtransaction', [[], outputs, 0, true]);
  const { hex } = await rpc<{ hex: string }>('fundrawtransaction', [unfunded, { fee_rate: 5 }], 'miner');
  const changed = scripts.reduce((raw, [placeholder, script]) => raw.replace(placeholder, script), hex);
  const signed = await rpc<{ hex: string }>('signrawtransactionwithwallet', [changed], 'miner');
  return rpc<string>('sendrawtransaction', [signed.hex]);
}

describe('a payment that no block has', () => {
  test('is shown and not credited; in a block it is credited once', async () => {
    const ann = await customer();
    await miner.pay(ann.address, 50_000n);
    await seen();
    expect([await unconfirmed(ann), await deposits(ann)]).toEqual([['waiting 50000'], []]);
    // As after a restart.
    look = watchMempool(ctx, network, network.mempool!);
    await seen();
    expect(await unconfirmed(ann)).toEqual(['waiting 50000']);
    await mine();
    expect([await unconfirmed(ann), await deposits(ann)]).toEqual([['confirmed 50000'], ['credited 50000 BTC']]);
  });

  test('that is replaced is never credited, and its record says what took its place', async () => {
    const ann = await customer();
    const txid = await miner.pay(ann.address, 60_000n);
    await seen();
    const other = await rpc<string>('sendrawtransaction', [await conflictOf(miner, txid)]);
    await seen();
    expect([await unconfirmed(ann), await deposits(ann)]).toEqual([[`replaced 60000 ${other}`], []]);
    await mine(2);
    expect([await unconfirmed(ann), await deposits(ann)]).toEqual([[`replaced 60000 ${other}`], []]);
  });

  test('that a block replaces by what no pool showed is never credited', async () => {
    const ann = await customer();
    const txid = await miner.pay(ann.address, 61_000n);
    await seen();
    await rpc('generateblock', [miner.address, [await conflictOf(miner, txid)]]);
    await seen();
    expect([await unconfirmed(ann), await deposits(ann)]).toEqual([['replaced 61000'], []]);
  });

  test('is not credited at the end of a chain of such payments, which falls with its first', async () => {
    const [ann, ben] = [await customer(), await customer()];
    const between = await rpc<string>('getnewaddress', ['', 'bech32'], 'miner');
    const first = await pay([{ [between]: '0.01' }]);
    const spend = async (to: Payee, txid: string, vout: number, coins: string): Promise<string> => {
      const raw = await rpc<string>('createrawtransaction', [[{ txid, vout }], [{ [to.address]: coins }], 0, true]);
      const { hex } = await rpc<{ hex: string }>('signrawtransactionwithwallet', [raw], 'miner');
      return rpc<string>('sendrawtransaction', [hex]);
    };
    const { vout } = await rpc<{ vout: { n: number; value: number }[] }>('getrawtransaction', [first, true]);
    const { n } = vout.find(({ value }) => value === 0.01)!;
    const last = await spend(ann, first, n, '0.0099');
    await seen();
    expect([await unconfirmed(ann), await deposits(ann)]).toEqual([['waiting 990000'], []]);
    await rpc('sendrawtransaction', [await conflictOf(miner, first)]);
    await seen();
    await mine();
    expect([await unconfirmed(ann), await deposits(ann)]).toEqual([['replaced 990000'], []]);
    expect(await rpc<string[]>('getrawmempool')).not.toContain(last);

    // A chain that holds is credited with its block.
    const again = await pay([{ [between]: '0.01' }]);
    const made = await rpc<{ vout: { n: number; value: number }[] }>('getrawtransaction', [again, true]);
    await spend(ben, again, made.vout.find(({ value }) => value === 0.01)!.n, '0.0098');
    await mine();
    expect(await deposits(ben)).toEqual(['credited 980000 BTC']);
  });
});

describe('an output that is not to an address of ours', () => {
  test('bare multisig with the key of an address, or its script inside another one, is no deposit', async () => {
    const ann = await customer();
    const own = `5120${ann.key}`;
    const wrapped = createHash('sha256').update(Buffer.from(own, 'hex')).digest('hex');
    // 1 of 2 with a key of ours; P2WSH of our script; our script after a push, and with a byte more.
    const scripts = [`512102${ann.key}2102${ann.key}52ae`, `0020${wrapped}`, `22${own}`, `${own}51`];
    const [placeholders, outputs] = [[] as [string, string][], [] as object[]];
    for (const script of scripts) {
      // Stands in for a script that the node makes no output of.
      const standIn = await rpc<string>('getnewaddress', ['', 'bech32m'], 'miner');
      const { scriptPubKey } = await rpc<{ scriptPubKey: string }>('validateaddress', [standIn]);
      const length = (hex: string): string => (hex.length / 2).toString(16).padStart(2, '0');
      placeholders.push([length(scriptPubKey) + scriptPubKey, length(script) + script]);
      outputs.push({ [standIn]: '0.001' });
    }
    const unfunded = await rpc<string>('createrawtransaction', [[], outputs]);
    const { hex } = await rpc<{ hex: string }>('fundrawtransaction', [unfunded, { fee_rate: 20 }], 'miner');
    const changed = placeholders.reduce((raw, [standIn, script]) => raw.replace(standIn, script), hex);
    const signed = await rpc<{ hex: string }>('signrawtransactionwithwallet', [changed], 'miner');
    await rpc('generateblock', [miner.address, [signed.hex]]);
    await seen();
    expect([await unconfirmed(ann), await deposits(ann)]).toEqual([[], []]);
  });
});

test('one transaction pays two hundred customers, each once', async () => {
  const payees = await Promise.all(Array.from({ length: 200 }, customer));
  await pay(payees.map(({ address }, i) => ({ [address]: `0.0001${String(i).padStart(4, '0')}` })));
  await mine();
  const found = await Promise.all(payees.map(deposits));
  expect(found).toEqual(payees.map((_, i) => [`credited ${10_000 + i} BTC`]));
});

test('the same transaction that comes back after a reorg is the same deposit, credited once', async () => {
  const ann = await customer();
  const txid = await miner.pay(ann.address, 70_000n);
  await mine();
  const ids = () =>
    ctx.db.query<{ id: string; credits: number }>('select id, credits from deposit where txid = $1', [txid]);
  const id = (await ids())[0]!.id;
  await reorgByInvalidation(miner, { depth: 1 });
  await seen();
  expect([await unconfirmed(ann), await deposits(ann)]).toEqual([['waiting 70000'], ['orphaned 70000 BTC']]);
  await mine();
  expect([await unconfirmed(ann), await deposits(ann)]).toEqual([['confirmed 70000'], ['credited 70000 BTC']]);
  expect(await ids()).toEqual([{ id, credits: 2 }]);
});

test('the reward of a block is credited when it can be spent, after a hundred blocks, once', async () => {
  const ann = await customer();
  await rpc('generatetoaddress', [1, ann.address]);
  await seen();
  const [reward] = await ctx.db.query<{ amount: bigint }>('select amount from deposit where customer_id = $1', [
    parseId('cus', ann.id),
  ]);
  await rpc('generatetodescriptor', [98, 'raw(6a)']);
  await seen();
  expect(await deposits(ann)).toEqual([`seen ${reward!.amount} BTC`]);
  await mine();
  expect(await deposits(ann)).toEqual([`credited ${reward!.amount} BTC`]);
  await mine(3);
  const credited = await ctx.db.query('select credits from deposit where customer_id = $1', [parseId('cus', ann.id)]);
  expect(credited).toEqual([{ credits: 1 }]);
});
