import { formatId } from '@holdfast/core/contract/ids.ts';
import type { Sql } from './database.ts';

export interface OldestWaiting {
  readonly id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly created_at_ms: bigint;
  /** All that wait as long. */
  readonly count: number;
}

/** Of the withdrawals that no block shows and that wait for nobody's approval: the oldest asked for up to a time. */
export async function oldestWaiting(sql: Sql, network: string, untilMs: number): Promise<OldestWaiting | null> {
  const [row] = await sql.query<OldestWaiting>(
    `select w.id, w.state, coalesce(t.last_problem, w.reason) as reason, w.created_at_ms, (count(*) over ())::int as count
       from withdrawal w left join chain_transaction t on t.id = w.transaction_id
      where w.network = $1 and w.state in ('queued', 'signing', 'broadcast', 'uncertain') and w.created_at_ms <= $2
      order by w.created_at_ms, w.id limit 1`,
    [network, untilMs],
  );
  return row ? { ...row, id: formatId('wd', row.id) } : null;
}
