import { formatUnits } from '@holdfast/core/money/base-units.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { type AssetName, type Customer, decimalsOf } from '@holdfast/devnet/story/actors.ts';
import { depositsOf, openAlarms } from '../support/chain-steps.ts';
import { openTransactions, received } from '../support/payouts.ts';
import type { AskedWithdrawal, Load, PaidDeposit } from './load.ts';
import type { SoakStage } from './stage.ts';

/** What the customers had before the load, base units by customer and asset. */
export type Holdings = ReadonlyMap<string, bigint>;

const assets = ['BTC', 'ETH', 'USDC', 'USDT'] as const;
const keyOf = (customer: Customer, asset: AssetName): string => `${customer.id} ${asset}`;
const ended = ['settled', 'released'];

export async function holdingsOf({ system, customers }: SoakStage): Promise<Holdings> {
  const holdings = new Map<string, bigint>();
  for (const customer of customers)
    for (const asset of assets)
      holdings.set(keyOf(customer, asset), BigInt((await system.balance(customer, asset)).available));
  return holdings;
}

/** Waits, with blocks that go on, until nothing is under way any more: no withdrawal, transaction or deposit. */
export async function awaitRest(stage: SoakStage, load: Load, withinMs: number): Promise<void> {
  const { system, customers } = stage;
  await awaitCondition(
    'rest',
    async () => {
      for (const { id } of load.withdrawals) {
        const { state, reason } = await system.client.getWithdrawal({ id });
        if (!ended.includes(state)) throw new Error(`withdrawal ${id} is ${state} (${reason ?? 'no reason'})`);
      }
      const open = await openTransactions(system);
      if (open.length > 0) throw new Error(`transactions ${open.join()} are under way`);
      for (const customer of customers)
        for (const deposit of await depositsOf(system, customer))
          if (deposit.state === 'seen') throw new Error(`deposit ${deposit.id} is seen, and not credited`);
      const late = (await openAlarms(system)).filter(({ code }) => code === 'node-quorum-lost' || code === 'halted');
      if (late.length > 0) throw new Error(late.map(({ code, message }) => `${code}: ${message}`).join('; '));
      return true;
    },
    withinMs,
    500,
  );
}

/** @returns every difference between what was done to the system, the chains and the books; none is what is wanted. */
export async function differences(stage: SoakStage, load: Load, before: Holdings): Promise<string[]> {
  const found: string[] = [];
  const expected = new Map(before);
  const add = (customer: Customer, asset: AssetName, amount: bigint): void =>
    void expected.set(keyOf(customer, asset), expected.get(keyOf(customer, asset))! + amount);
  for (const deposit of load.deposits) {
    if (!(await isOnChain(stage, deposit))) continue;
    const { credits } = (
      await stage.books.db.query<{ credits: number }>(
        `select coalesce(sum(credits), 0)::int as credits from deposit where txid = $1 and state = 'credited'`,
        [deposit.txid],
      )
    )[0]!;
    if (credits < 1) found.push(`deposit ${deposit.txid} of ${told(deposit)} is on chain and not credited`);
    add(deposit.customer, deposit.asset, deposit.amount);
  }
  for (const withdrawal of load.withdrawals) found.push(...(await paidWrongly(stage, withdrawal, add)));
  for (const [key, had] of await holdingsOf(stage))
    if (had !== expected.get(key)) found.push(`${key}: available ${had}, expected ${expected.get(key)}`);
  await stage.system.mustBalance().catch((error: unknown) => found.push(String(error)));
  return found;
}

async function paidWrongly(
  { system }: SoakStage,
  withdrawal: AskedWithdrawal,
  add: (customer: Customer, asset: AssetName, amount: bigint) => void,
): Promise<string[]> {
  const { customer, asset, amount, destination, id } = withdrawal;
  const { state, fee } = await system.client.getWithdrawal({ id });
  const got = await received(system, asset, destination);
  const due = state === 'settled' ? amount : 0n;
  if (state === 'settled') add(customer, asset, -amount - BigInt(fee));
  return got === due ? [] : [`withdrawal ${id} of ${told(withdrawal)} is ${state}, and its destination got ${got}`];
}

const told = ({ asset, amount }: { asset: AssetName; amount: bigint }): string =>
  `${formatUnits(amount, decimalsOf[asset])} ${asset}`;

/** In a block of the chain as it is now. */
async function isOnChain({ system }: SoakStage, { asset, txid }: PaidDeposit): Promise<boolean> {
  const { anvil, bitcoin } = system.chains;
  if (asset === 'BTC') {
    const { confirmations } = await bitcoin!.miner.rpc<{ confirmations?: number }>('getrawtransaction', [txid, true]);
    return (confirmations ?? 0) > 0;
  }
  return (await rpcCall<unknown>(anvil.url, 'eth_getTransactionReceipt', [txid])) !== null;
}
