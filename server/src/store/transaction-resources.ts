import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { TransactionResource } from '@holdfast/core/contract/resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { AssetTraits } from './asset-traits.ts';
import type { Sql } from './database.ts';
import { readPage } from './read-page.ts';

interface Row {
  readonly id: string;
  readonly network: string;
  readonly kind: TransactionResource['kind'];
  readonly state: string;
  readonly txid: string | null;
  readonly fee: bigint | null;
  readonly withdrawals: number;
  readonly last_problem: string | null;
  readonly created_at_ms: bigint;
}

// Counts attempts, not what the transaction pays now: an abandoned one shows what it was built for.
const select = `
  select t.id, t.network, t.kind, t.state, t.txid, t.fee, t.last_problem, t.created_at_ms,
         (select count(*)::int from withdrawal_attempt a where a.transaction_id = t.id) as withdrawals
    from chain_transaction t`;

function resourceOf(traits: AssetTraits): (row: Row) => TransactionResource {
  return (row) => ({
    object: 'transaction',
    id: formatId('tx', row.id),
    network: row.network,
    kind: row.kind,
    state: row.state,
    txid: row.txid,
    fee: row.fee === null ? null : String(row.fee),
    fee_asset: traits.nativeAssetOf(row.network),
    withdrawals: row.withdrawals,
    problem: row.last_problem,
    created_at: formatTime(row.created_at_ms),
  });
}

/** @throws Failure not-found. */
export async function getTransaction(sql: Sql, traits: AssetTraits, id: string): Promise<TransactionResource> {
  const [row] = await sql.query<Row>(`${select} where t.id = $1`, [parseId('tx', id)]);
  if (row === undefined) throw new Failure('not-found', `no transaction ${id}`);
  return resourceOf(traits)(row);
}

export async function listTransactions(
  sql: Sql,
  traits: AssetTraits,
  filter: { network?: string | undefined; kind?: string | undefined; state?: string | undefined },
  query: PageQuery,
): Promise<Page<TransactionResource>> {
  const rows = await readPage<Row>(
    sql,
    select,
    't.id',
    [
      ['t.network = ?', filter.network],
      ['t.kind = ?', filter.kind],
      ['t.state = ?', filter.state],
    ],
    query,
  );
  return pageOf(rows, query.limit, (row) => row.id, resourceOf(traits));
}
