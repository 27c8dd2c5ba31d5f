import { loadArtifact } from '@holdfast/contracts/artifact.ts';
import { toHex } from '@holdfast/devnet/evm/abi.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { mine, reorg, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import type { Context } from '@holdfast/server/context.ts';
import { followChain } from '@holdfast/server/jobs/follow-chain.ts';
import { rescanBlocks } from '@holdfast/server/jobs/rescan-blocks.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { startRescan } from '@holdfast/server/operations/start-rescan.ts';
import { listRescans } from '@holdfast/server/store/rescans.ts';
import { addr } from 'micro-eth-signer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mined, startVaultDevnet, type VaultDevnet } from '../support/anvil.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import {
  bookOf,
  catchUp,
  depositContext,
  depositsAt,
  evmStageNetwork,
  stageCustomer,
} from '../support/deposit-stage.ts';
import { hostile } from '../support/hostile-token.ts';

/* Blocks read once more: what is there stays, what was missed is added, whatever came between. */

const id = 'eip155:31337';
const key = devnetKeys.faucet;
let devnet: VaultDevnet;
let database: TestDatabase;
let ctx: Context;
let startHeight: number;
let token: string;

beforeAll(async () => {
  [devnet, database] = await Promise.all([startVaultDevnet(), testDatabase()]);
  ctx = depositContext(database);
  const data = loadArtifact('HostileToken').bytecode;
  const { contractAddress } = await sendAndWait({ rpcUrl: devnet.url, key, data });
  token = addr.addChecksum(contractAddress!);
  await send(hostile.mint.encodeInput({ to: addressOfKey(key), amount: 10n ** 12n }));
  startHeight = Number(await rpcCall<string>(devnet.url, 'eth_blockNumber', [])) + 1;
});
afterAll(async () => {
  await database?.close();
  await devnet?.stop();
});

const send = (data: Uint8Array) => sendAndWait({ rpcUrl: devnet.url, key, to: token, data: toHex(data) });
const network = (more: Partial<Parameters<typeof evmStageNetwork>[2]> = {}): Network =>
  evmStageNetwork(ctx, devnet, { id, startHeight, ...more });
const pay = (to: string, amountWei: bigint) => mined(devnet, sendEth({ rpcUrl: devnet.url, to, amountWei }));

/** Reads every block once more. @returns what the rescan says of itself. */
async function rescan(of: Network) {
  await startRescan(ctx, new Map([[id, of]]), { network: id, from_height: startHeight });
  while ((await rescanBlocks(ctx, of)) > 0);
  const [last] = (await listRescans(ctx.db, {}, { limit: 1, after: null })).data;
  expect(last!.finished_at).not.toBeNull();
  return { found: last!.deposits_found, differing: last!.blocks_differing };
}

test('a rescan finds everything again and changes nothing, over reorgs and twice', async () => {
  const chain = network();
  const [ann, ben] = [await stageCustomer(ctx, chain, devnet, 1), await stageCustomer(ctx, chain, devnet, 2)];
  await pay(ann.address, 5n);
  await send(hostile.transfer.encodeInput({ to: ann.address, amount: 9n }));
  await catchUp(ctx, chain);
  await pay(ben.address, 2_000n);
  await catchUp(ctx, chain);
  await reorg({ rpcUrl: devnet.url, depth: 1 });
  await pay(ben.address, 3_000n);
  await mine({ rpcUrl: devnet.url, blocks: 3 });
  await catchUp(ctx, chain);
  expect(await depositsAt(ctx, ben.id)).toEqual(['credited 3000 ETH', 'orphaned 2000 ETH']);
  const before = await bookOf(ctx);
  const events = await ctx.db.query('select count(*) from event');
  expect(await rescan(chain)).toEqual({ found: 0, differing: 0 });
  expect(await rescan(chain)).toEqual({ found: 0, differing: 0 });
  expect(await bookOf(ctx)).toEqual(before);
  expect(await ctx.db.query('select count(*) from event')).toEqual(events);
  expect(await ctx.db.query('select code from alarm')).toEqual([]);
});

test('a rescan credits what was missed: a token that is listed since, and an address that was unknown', async () => {
  const chain = network();
  const carol = await stageCustomer(ctx, chain, devnet, 3);
  await send(hostile.transfer.encodeInput({ to: carol.address, amount: 40n }));
  const hidden = await ctx.db.query(`update deposit_address set watch_key = 'hidden' where address = $1 returning id`, [
    carol.address,
  ]);
  expect(hidden).toHaveLength(1);
  await pay(carol.address, 7n);
  await mine({ rpcUrl: devnet.url, blocks: 3 });
  await catchUp(ctx, chain);
  expect(await depositsAt(ctx, carol.id)).toEqual([]);
  await ctx.db.query('update deposit_address set watch_key = $2 where address = $1', [
    carol.address,
    chain.watchKey(carol.address),
  ]);
  const listing = network({ tokens: new Map([[token, 'HST']]) });
  await ctx.db.query(
    `insert into fee_schedule select gen_random_uuid(), $1, 'ETH', 1, 0, 0, 0, 0, null, 0, 7, 18, 'eth', 'config', 'test', 0`,
    [id],
  );
  // Ann's nine of the test before, and both of Carol's.
  expect(await rescan(listing)).toEqual({ found: 3, differing: 0 });
  await catchUp(ctx, listing);
  expect(await depositsAt(ctx, carol.id)).toEqual(['credited 40 HST', 'credited 7 ETH']);
  const terms = await ctx.db.query(
    `select asset from deposit where 'cus_' || customer_id = $1 and schedule_id is not null`,
    [carol.id],
  );
  expect(terms).toEqual([{ asset: 'ETH' }]);
  const after = await bookOf(ctx);
  expect(await rescan(listing)).toEqual({ found: 0, differing: 0 });
  expect(await bookOf(ctx)).toEqual(after);

  // A reorg takes what a rescan added with the rest of its block.
  await pay(carol.address, 11n);
  await followChain(ctx, chain);
  await reorg({ rpcUrl: devnet.url, depth: 2 });
  await catchUp(ctx, listing);
  expect(await rescan(listing)).toEqual({ found: 0, differing: 0 });
});

test('a block that says less than was posted is left alone, with an alarm', async () => {
  // As if the token were taken off the list again: it is on record as unlisted, and the books stay.
  const { deposits, balances } = await bookOf(ctx);
  expect((await rescan(network())).differing).toBe(2);
  expect(await bookOf(ctx)).toMatchObject({ deposits, balances });
  expect(await ctx.db.query('select distinct code from alarm')).toEqual([{ code: 'rescan-differs' }]);
});
