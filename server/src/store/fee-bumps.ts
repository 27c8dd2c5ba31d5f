import { type ChainTransactionRow, laterVersion, transactionColumns } from './chain-transactions.ts';
import type { Sql } from './database.ts';

export interface WaitingTransaction extends ChainTransactionRow {
  readonly waiting_from_ms: bigint;
  readonly waiting_from_height: bigint;
  readonly fee_refused: boolean;
  /** Versions so far, those among them that signers refused. */
  readonly versions: number;
}

/**
 * Newest versions that were offered and that no block shows, without those of which a later one is built already.
 * @param id of the only one that is asked about; without it the oldest.
 */
export async function waitingTransactions(
  sql: Sql,
  network: string,
  kinds: readonly string[],
  id: string | null = null,
): Promise<WaitingTransaction[]> {
  return sql.query<WaitingTransaction>(
    `select ${transactionColumns}, t.waiting_from_ms, t.waiting_from_height, t.fee_refused,
            (select max(v.version) from chain_transaction v where v.first_version = t.first_version) as versions
       from chain_transaction t
      where t.network = $1 and t.state = 'broadcast' and t.kind = any ($2) and t.waiting_from_ms is not null and not exists (${laterVersion})
        and not exists (select from chain_transaction b where b.first_version = t.first_version and b.version > t.version and b.state = 'built')
        and ($3::uuid is null or t.id = $3)
      order by t.id limit 20`,
    [network, kinds, id],
  );
}

/**
 * Takes the turn to make a bump, and lets the waiting begin anew.
 * @param seen as `waitingTransactions` gave it.
 * @returns false when it is not in flight any more, or another server has made one.
 */
export async function takeBump(sql: Sql, seen: WaitingTransaction, height: number, nowMs: number): Promise<boolean> {
  const rows = await sql.query(
    `update chain_transaction t set waiting_from_ms = $4, waiting_from_height = $5
      where t.id = $1 and t.state = 'broadcast' and t.version = $2 and not exists (${laterVersion})
        and (select max(v.version) from chain_transaction v where v.first_version = t.first_version) = $3 returning t.id`,
    [seen.id, seen.version, seen.versions, nowMs, height],
  );
  return rows.length > 0;
}
