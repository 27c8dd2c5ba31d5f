import { forwarderAddress, forwarderSalt } from '@holdfast/core/chains/evm/forwarder.ts';
import { parseId } from '@holdfast/core/contract/ids.ts';
import type { Context } from '@holdfast/server/context.ts';
import { creditDeposits } from '@holdfast/server/jobs/credit-deposits.ts';
import { followChain } from '@holdfast/server/jobs/follow-chain.ts';
import { evmNetwork } from '@holdfast/server/networks/evm/evm-network.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { createCustomer } from '@holdfast/server/store/customers.ts';
import { insertAddress } from '@holdfast/server/store/deposit-addresses.ts';
import { balances } from '@holdfast/server/store/ledger/balances.ts';
import { hexToBytes } from '@noble/hashes/utils.js';
import { relayerKey, type VaultDevnet } from './anvil.ts';
import type { TestDatabase } from './database.ts';

/* The server's deposit jobs on a real database and a real node, without signers: nothing is swept or paid. */

const confirmations = [
  { below: '1000', confirmations: 1 },
  { below: null, confirmations: 3 },
];
export const assetRule = (asset: string, contract: string | null): object => ({
  asset,
  caip19: `test:${asset}`,
  contract,
  confirmations,
});

/** What the jobs ask of their context; the clock stands still. */
export function depositContext({ db }: TestDatabase): Context {
  const nowMs = Date.now();
  let made = 0;
  const newId = (): string => uuidV7(nowMs + made++);
  const ctx = { db, config: { signers: [] }, now: () => nowMs, newId, step: () => undefined, log: () => undefined };
  return ctx as unknown as Context;
}

/** A network row over a node; `tokens` are listed beside ETH. */
export function evmStageNetwork(
  ctx: Context,
  devnet: VaultDevnet,
  row: {
    id: string;
    startHeight: number;
    tokens?: ReadonlyMap<string, string>;
    twins?: readonly string[];
    more?: object;
  },
): Network {
  const { deployment } = devnet;
  const config = {
    id: row.id,
    family: 'evm',
    endpoints: [devnet.url],
    start_height: row.startHeight,
    final_confirmations: 2,
    safe: deployment.safe,
    multi_send: deployment.multiSend,
    registry: deployment.registry,
    forwarder_factory: deployment.factory,
    forwarder_init_code_hash: deployment.forwarderInitCodeHash.slice(2),
    max_fee_per_gas: '500000000000',
    assets: [assetRule('ETH', null), ...[...(row.tokens ?? [])].map(([contract, asset]) => assetRule(asset, contract))],
    ...row.more,
  };
  return evmNetwork(config as unknown as Parameters<typeof evmNetwork>[0], {
    coldAddresses: [],
    db: ctx.db,
    panel: null as never,
    sweeperKey: null,
    relayerKey: hexToBytes(relayerKey.slice(2)),
    nativeAsset: 'ETH',
    now: ctx.now,
    ...(row.twins && { twins: row.twins }),
  });
}

/** A customer with a deposit address on a network, as the signers would have vouched for it. @returns the public id. */
export async function stageCustomer(
  ctx: Context,
  network: Network,
  devnet: VaultDevnet,
  index: number,
): Promise<{ id: string; address: string }> {
  const customer = await createCustomer(ctx.db, { client_reference: ctx.newId() }, ctx.newId, ctx.now());
  const { factory, forwarderInitCodeHash } = devnet.deployment;
  const salt = forwarderSalt(customer.id, index);
  const address = forwarderAddress({ factory, initCodeHash: forwarderInitCodeHash, salt });
  await insertAddress(ctx.db, {
    id: ctx.newId(),
    customer_id: parseId('cus', customer.id),
    network: network.id,
    index,
    address,
    watch_key: network.watchKey(address),
    state: 'active',
    epoch: 1,
    nowMs: ctx.now(),
  });
  return { id: customer.id, address };
}

/** Follows to the node's tip and credits what is deep enough. */
export async function catchUp(ctx: Context, network: Network): Promise<void> {
  while ((await followChain(ctx, network)) > 0);
  while ((await creditDeposits(ctx, network)) > 0);
}

/** `state amount asset reason` of a customer's deposits, sorted. */
export async function depositsAt(ctx: Context, customer: string): Promise<string[]> {
  const rows = await ctx.db.query<{
    network: string;
    state: string;
    amount: bigint;
    asset: string;
    reason: string | null;
  }>('select network, state, amount, asset, reason from deposit where customer_id = $1', [parseId('cus', customer)]);
  return rows
    .map(({ state, amount, asset, reason }) => [state, amount, asset, ...(reason ? [reason] : [])].join(' '))
    .toSorted();
}

/** Everything that blocks made, without ids: deposits as they stand, balances other than zero, unlisted tokens. */
export async function bookOf(ctx: Context): Promise<{ deposits: object[]; balances: object[]; strays: object[] }> {
  const deposits = await ctx.db.query(
    `select network, txid, idx, asset, customer_id, amount, state, reason, height, credits > 0 as was_credited
       from deposit where state <> 'orphaned' order by network, txid, idx, asset`,
  );
  const codes = await ctx.db.query<{ code: string }>('select code from account order by code');
  const all = await balances(
    ctx.db,
    codes.map(({ code }) => code),
  );
  const strays = await ctx.db.query(
    'select network, address_id, contract, last_txid, last_height, claimed from recoverable order by 1, 2, 3',
  );
  return { deposits, balances: [...all].filter(([, amount]) => amount !== 0n), strays };
}
