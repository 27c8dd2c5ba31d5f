import { randomBytes } from 'node:crypto';
import type { CustomerRecordResource, WithdrawalResource, WithdrawalState } from '@holdfast/core/contract/resources.ts';
import type { CreateWithdrawalBody } from '@holdfast/core/contract/bodies.ts';
import { parseId } from '@holdfast/core/contract/ids.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { baseUnits, parseUnits } from '@holdfast/core/money/base-units.ts';
import type { WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { toHex } from '@holdfast/devnet/evm/abi.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import {
  type AssetName,
  type Customer,
  decimalsOf,
  networkOf,
  payDeposit,
  withdrawalIntent,
} from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { mustPost } from '@holdfast/server/store/ledger/post-batch.ts';
import { createContract } from 'micro-eth-signer/abi.js';
import type { System } from './system.ts';

const token = createContract([
  {
    type: 'function',
    name: 'balanceOf',
    inputs: [{ name: 'account', type: 'address' }],
    outputs: [{ name: 'balance', type: 'uint256' }],
  },
] as const);

export const units = (asset: AssetName, coins: string): bigint => parseUnits(coins, decimalsOf[asset]);

/** A new authorised request; `changes` are made to the intent before it is signed. */
export function withdrawalBody(
  system: System,
  customer: Customer,
  asset: AssetName,
  coins: string,
  destination: string,
  changes: Partial<WithdrawalIntent> = {},
): CreateWithdrawalBody {
  const intent = { ...withdrawalIntent(system, customer, asset, coins, destination), ...changes };
  return { client_reference: `wd-${randomBytes(8).toString('hex')}`, ...system.authorize(intent) };
}

/** Deposits coins, waits until they are credited and, on an EVM network, collected from the forwarder. */
export async function fund(
  system: System,
  customer: Customer,
  coins: Partial<Record<AssetName, string>>,
): Promise<void> {
  const assets = Object.keys(coins) as AssetName[];
  const before = new Map<AssetName, bigint>();
  for (const asset of assets) {
    before.set(asset, BigInt((await system.balance(customer, asset)).available));
    await payDeposit(system, customer, asset, coins[asset]!);
  }
  await system.mineUntil(`${customer.name} has ${JSON.stringify(coins)}`, async () => {
    for (const asset of assets) {
      const { available } = await system.balance(customer, asset);
      if (BigInt(available) < before.get(asset)! + units(asset, coins[asset]!)) return false;
      const address = customer.addresses.get(networkOf(asset))!;
      if (asset !== 'BTC' && (await received(system, asset, address)) > 0n) return false;
    }
    return (await openTransactions(system)).length === 0;
  });
}

/** Our transactions that are still under way. */
export async function openTransactions(system: System): Promise<string[]> {
  const { data } = await system.client.listTransactions({ limit: 50 });
  return data
    .filter((one) => ['built', 'signed', 'broadcast', 'uncertain', 'included'].includes(one.state))
    .map((one) => one.id);
}

export async function withdrawalsIn(system: System, ids: readonly string[]): Promise<WithdrawalResource[]> {
  return Promise.all(ids.map((id) => system.client.getWithdrawal({ id })));
}

/** Waits, without a block, until every withdrawal has the state. */
export async function allIn(
  system: System,
  ids: readonly string[],
  state: WithdrawalState,
): Promise<WithdrawalResource[]> {
  return awaitCondition(
    `${ids.length} withdrawals ${state}`,
    async () => {
      const found = await withdrawalsIn(system, ids);
      const other = found.find((one) => one.state !== state);
      if (other) throw new Error(`${other.id} is ${other.state} (${other.reason ?? 'no reason'})`);
      return found;
    },
    30_000,
    30,
  );
}

/** Mines until every withdrawal has the state. */
export async function mineUntilAll(
  system: System,
  ids: readonly string[],
  state: WithdrawalState,
): Promise<WithdrawalResource[]> {
  return system.mineUntil(`${ids.length} withdrawals ${state}`, async () => {
    const found = await withdrawalsIn(system, ids);
    return found.every((one) => one.state === state) && found;
  });
}

/** What an address of the world outside holds on chain, base units; mined blocks only. */
export async function received(system: System, asset: AssetName, address: string): Promise<bigint> {
  if (asset === 'BTC') {
    // A node makes one such scan at a time, and the server's reconciler may have it make one.
    const found = await awaitCondition(`a scan for ${address}`, () =>
      system.chains.bitcoin!.miner.rpc<{ total_amount: number }>('scantxoutset', ['start', [`addr(${address})`]]),
    );
    return BigInt(Math.round(found.total_amount * 1e8));
  }
  const url = system.chains.anvil.url;
  if (asset === 'ETH') return BigInt(await rpcCall<string>(url, 'eth_getBalance', [address, 'latest']));
  const contract = asset === 'USDC' ? system.evm.usdc : system.evm.usdt;
  const data = toHex(token.balanceOf.encodeInput(address));
  return BigInt(await rpcCall<string>(url, 'eth_call', [{ to: contract, data }, 'latest']));
}

/** The house gives a customer coins that its hot wallet does not hold; two approvers tell the signers of it. */
export async function lend(
  system: System,
  books: Books,
  customer: Customer,
  asset: AssetName,
  amount: bigint,
): Promise<CustomerRecordResource> {
  const idem = `lent/${customer.id}/${amount}/${Date.now()}`;
  const posting = {
    idem,
    cause: idem,
    debit: accountCodes.capital(asset),
    credit: accountCodes.customer(customer.id, asset),
    amount: baseUnits(amount),
  };
  await books.db.transaction((sql) => mustPost(sql, [posting], Date.now()));
  return system.client.createAdjustment(system.adjustment(customer.id, asset, amount, 'lent by the house'));
}

/** The system's own tables, read beside the server. */
export interface Books {
  readonly db: Database;
  /** Balance of an account in its normal direction; 0 before its first posting. */
  balance(code: string): Promise<bigint>;
  /** What a withdrawal posted, `debit kind > credit kind amount`, in order. */
  postingsOf(withdrawalId: string): Promise<string[]>;
  /** Bytes that were ever stored for a withdrawal, by transaction: what could pay it. */
  attemptsOf(withdrawalId: string): Promise<{ state: string; txid: string | null }[]>;
  close(): Promise<void>;
}

export function openBooks(system: System): Books {
  const db = openDatabase(system.databaseUrl, { connectionsMax: 4 });
  return {
    db,
    balance: async (code) => {
      const [row] = await db.query<{ balance: bigint }>('select balance from account where code = $1', [code]);
      return row?.balance ?? 0n;
    },
    postingsOf: async (withdrawalId) => {
      const id = parseId('wd', withdrawalId);
      const rows = await db.query<{ debit: string; credit: string; amount: bigint }>(
        `select split_part(d.code, ':', 1) as debit, split_part(c.code, ':', 1) as credit, t.amount
           from transfer t join account d on d.id = t.debit join account c on c.id = t.credit
          where t.idem like 'withdrawal/' || $1 || '/%' or t.idem like 'settle/' || $1 || '/%' order by t.id`,
        [id],
      );
      return rows.map((row) => `${row.debit} > ${row.credit} ${row.amount}`);
    },
    attemptsOf: async (withdrawalId) =>
      db.query<{ state: string; txid: string | null }>(
        `select t.state, t.txid from withdrawal_attempt a join chain_transaction t on t.id = a.transaction_id
          where a.withdrawal_id = $1 order by t.id`,
        [parseId('wd', withdrawalId)],
      ),
    close: () => db.close(),
  };
}
