import { type ChainTransactionRow, transactionColumns } from './chain-transactions.ts';
import type { Sql } from './database.ts';

/** The skim of the network that is under way: no block has it yet. */
export async function openSkim(sql: Sql, network: string): Promise<ChainTransactionRow | null> {
  const [row] = await sql.query<ChainTransactionRow>(
    `select ${transactionColumns} from chain_transaction t
      where network = $1 and kind = 'skim' and state in ('built', 'signed', 'broadcast', 'uncertain') order by id limit 1`,
    [network],
  );
  return row ?? null;
}

/** Skims of the network since a time, UTC milliseconds: those that may have been signed, and those that were given up. */
export async function countSkims(
  sql: Sql,
  network: string,
  since: { readonly madeMs: number; readonly refusedMs: number },
): Promise<{ made: number; refused: number }> {
  const [row] = await sql.query<{ made: bigint; refused: bigint }>(
    `select count(*) filter (where state <> 'abandoned' and created_at_ms >= $2)::bigint as made,
            count(*) filter (where state = 'abandoned' and created_at_ms >= $3)::bigint as refused
       from chain_transaction where network = $1 and kind = 'skim' and created_at_ms >= least($2::bigint, $3::bigint)`,
    [network, since.madeMs, since.refusedMs],
  );
  return { made: Number(row!.made), refused: Number(row!.refused) };
}
