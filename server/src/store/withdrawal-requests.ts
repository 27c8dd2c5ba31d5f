import { formatId } from '@holdfast/core/contract/ids.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Sql } from './database.ts';
import type { WithdrawalRow } from './withdrawals.ts';

/** Withdrawals that a request would be a repetition of: those of its reference, and of its intent's digest. */
export async function earlierRequests(
  sql: Sql,
  clientReference: string,
  digest: string,
): Promise<Pick<WithdrawalRow, 'id' | 'client_reference' | 'digest'>[]> {
  return sql.query('select id, client_reference, digest from withdrawal where client_reference = $1 or digest = $2', [
    clientReference,
    digest,
  ]);
}

/** What the decision about a request is made of, beside its terms. */
export interface RequestFacts {
  /** Base units that the customer asked for since a time and that were not given back; for the rolling limit. */
  readonly withdrawn: bigint;
  /** The customer owes a receivable in any asset. */
  readonly owes: boolean;
  /** The destination is a deposit address of the network. */
  readonly destination_is_ours: boolean;
}

/** One statement: each is a round trip that every request would wait for. @param of `destinationKey` as scans look it up. */
export async function requestFacts(
  sql: Sql,
  of: { customerId: string; network: string; asset: string; sinceMs: number; destinationKey: string },
): Promise<RequestFacts> {
  const [row] = await sql.query<RequestFacts>(
    `select coalesce(sum(w.amount), 0) as withdrawn,
            exists (select from account r where r.balance > 0 and r.code >= $5 || ':' and r.code < $5 || ';') as owes,
            exists (select from deposit_address a where a.network = $2 and a.watch_key = $6) as destination_is_ours
       from withdrawal w
      where w.customer_id = $1 and w.network = $2 and w.asset = $3 and w.created_at_ms > $4 and w.state <> 'released'`,
    [
      of.customerId,
      of.network,
      of.asset,
      of.sinceMs,
      // Code units sort bytewise, so the unique index serves.
      `receivable:${formatId('cus', of.customerId)}`,
      of.destinationKey,
    ],
  );
  invariant(row, 'a sum has a row');
  return row;
}
