import type { BuiltBatch } from '@holdfast/core/chains/bitcoin/build.ts';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { nameOf } from '@holdfast/core/chains/bitcoin/select-coins.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { reserveCoins, type CoinRow } from '../../store/coins.ts';
import type { Sql } from '../../store/database.ts';

/** What a transaction is stored and signed with, beside its bytes. */
export interface SpentCoins {
  readonly refs: string[];
  readonly conflictKeys: string[];
  /** In the order of the inputs. */
  readonly input_paths: [number, number][];
  readonly prevouts: { script: string; amount: string }[];
}

/**
 * Reserves the coins that a transaction spends, inside the transaction that decides it.
 * @param offered among them, locked.
 * @param taken of the version before: they stay reserved by that one, which may confirm instead.
 */
export async function spendCoins(
  sql: Sql,
  network: string,
  transactionId: string,
  built: Pick<BuiltBatch, 'rawTx' | 'inputs'>,
  offered: readonly CoinRow[],
  taken: readonly CoinRow[] = [],
): Promise<SpentCoins> {
  const rowOf = new Map(offered.map((row) => [`${row.txid}:${row.vout}`, row]));
  const names = built.inputs.map(nameOf);
  const reserved = new Set(taken.map((row) => `${row.txid}:${row.vout}`));
  await reserveCoins(
    sql,
    network,
    names.filter((name) => !reserved.has(name)),
    transactionId,
  );
  const spent = names.map((name) => {
    const row = rowOf.get(name);
    invariant(row, `input ${name} is none of the coins offered`);
    return row;
  });
  return {
    refs: [`tx:${inspectBitcoinTransaction(built.rawTx).txid}`],
    conflictKeys: names.map((name) => `coin:${name}`),
    input_paths: spent.map(pathOf),
    prevouts: spent.map((row) => ({ script: row.script, amount: row.amount.toString() })),
  };
}

/** Branch and index of the address that a coin is at. */
export function pathOf(row: CoinRow): [number, number] {
  return [row.branch, Number(row.derivation_index)];
}
