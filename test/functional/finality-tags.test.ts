import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { mine, sendEth } from '@holdfast/devnet/evm/payments.ts';
import type { Context } from '@holdfast/server/context.ts';
import { taggedHeight } from '@holdfast/server/jobs/finality.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startVaultDevnet, type VaultDevnet } from '../support/anvil.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import {
  assetRule,
  catchUp,
  depositContext,
  depositsAt,
  evmStageNetwork,
  stageCustomer,
} from '../support/deposit-stage.ts';

/* Networks that go by the nodes' own word for what is final. Anvil, as the devnet starts it, calls the second block below its tip final. */

let devnet: VaultDevnet;
let database: TestDatabase;
let ctx: Context;
let startHeight: number;
beforeAll(async () => {
  [devnet, database] = await Promise.all([startVaultDevnet(), testDatabase()]);
  ctx = depositContext(database);
  startHeight = (await tip()) + 1;
});
afterAll(async () => {
  await database?.close();
  await devnet?.stop();
});

const tip = async (): Promise<number> => Number(await rpcCall<string>(devnet.url, 'eth_blockNumber', []));
const assets = [
  {
    ...assetRule('ETH', null),
    confirmations: [
      { below: '1000', confirmations: 1 },
      { below: null, confirmations: 2 },
    ],
  },
];
const networkBy = (id: string, more: object): Network =>
  evmStageNetwork(ctx, devnet, { id, startHeight, more: { assets, final_confirmations: 1, ...more } });

test('the last tier waits for the block that nodes call final, lower tiers for their depth; without a tag the depth alone counts', async () => {
  const finalized = networkBy('eip155:31337', { finality_tag: 'finalized' });
  const byDepth = networkBy('eip155:31338', {});
  const customers = [await stageCustomer(ctx, finalized, devnet, 1), await stageCustomer(ctx, byDepth, devnet, 1)];
  for (const { address } of customers) {
    await sendEth({ rpcUrl: devnet.url, to: address, amountWei: 999n });
    await sendEth({ rpcUrl: devnet.url, to: address, amountWei: 1_000n });
  }
  const after = async (): Promise<string[][]> => {
    await catchUp(ctx, finalized);
    await catchUp(ctx, byDepth);
    return Promise.all(customers.map(({ id }) => depositsAt(ctx, id)));
  };
  // The last of the four blocks is the tip, the second lies two below: its customer's large one is in block tip - 2.
  expect(await taggedHeight(ctx, finalized)).toBe(-1);
  await catchUp(ctx, finalized);
  expect(await taggedHeight(ctx, finalized)).toBe((await tip()) - 2);
  expect(await taggedHeight(ctx, byDepth)).toBe(Number.MAX_SAFE_INTEGER);
  expect(await after()).toEqual([
    ['credited 1000 ETH', 'credited 999 ETH'],
    ['credited 999 ETH', 'seen 1000 ETH'],
  ]);
  await sendEth({ rpcUrl: devnet.url, to: customers[0]!.address, amountWei: 2_000n });
  await mine({ rpcUrl: devnet.url, blocks: 1 });
  // Two deep, as the tier asks, and not final yet.
  expect((await after()).map((found) => found.join())).toEqual([
    'credited 1000 ETH,credited 999 ETH,seen 2000 ETH',
    'credited 1000 ETH,credited 999 ETH',
  ]);
  await mine({ rpcUrl: devnet.url, blocks: 1 });
  expect((await after())[0]).toContain('credited 2000 ETH');
});

test('`safe` is what anvil calls the block below its tip', async () => {
  const safe = networkBy('eip155:31339', { finality_tag: 'safe' });
  await catchUp(ctx, safe);
  expect(await taggedHeight(ctx, safe)).toBe((await tip()) - 1);
});

test('a tag that no quorum serves, or on another branch than the applied one, credits nothing', async () => {
  const id = 'eip155:31340';
  const served = networkBy(id, { finality_tag: 'finalized' });
  const { id: customer, address } = await stageCustomer(ctx, served, devnet, 1);
  await sendEth({ rpcUrl: devnet.url, to: address, amountWei: 5_000n });
  await mine({ rpcUrl: devnet.url, blocks: 4 });
  const unknown = networkBy(id, { finality_tag: 'nothing-of-the-kind' });
  await expect(catchUp(ctx, unknown)).rejects.toMatchObject({ code: 'node-quorum-lost' });
  const elsewhere = {
    ...served,
    finalBlock: async () => ({ height: (await tip()) - 1, hash: `0x${'ab'.repeat(32)}` }),
  };
  await catchUp(ctx, elsewhere);
  expect(await depositsAt(ctx, customer)).toEqual(['seen 5000 ETH']);
  await catchUp(ctx, served);
  expect(await depositsAt(ctx, customer)).toEqual(['credited 5000 ETH']);
});
