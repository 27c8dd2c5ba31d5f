import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { DepositResource } from '@holdfast/core/contract/resources.ts';
import { formatTime, formatTimeOrNull } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { AssetTraits } from './asset-traits.ts';
import type { Sql } from './database.ts';
import { readPage } from './read-page.ts';

interface Row {
  readonly id: string;
  readonly customer_id: string;
  readonly network: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly address: string;
  readonly txid: string;
  readonly idx: string;
  readonly block_hash: string;
  readonly state: DepositResource['state'];
  readonly reason: string | null;
  readonly height: bigint;
  /** Height of the applied chain; null before its first block. */
  readonly tip: bigint | null;
  readonly confirmations_required: number;
  readonly schedule_version: number | null;
  readonly seen_at_ms: bigint;
  readonly credited_at_ms: bigint | null;
}

/** What waits below the minimum is `seen` for whoever follows the chain. */
const shownState = `case when d.state = 'seen' and d.below_minimum then 'below_minimum' else d.state end`;

const select = `
  select d.id, d.customer_id, d.network, d.asset, d.amount, a.address, d.txid, d.idx, bl.hash as block_hash, ${shownState} as state, d.reason, d.height,
         (select max(b.height) from block b where b.network = d.network and b.state = 'applied') as tip,
         d.confirmations_required, s.version as schedule_version, d.seen_at_ms, d.credited_at_ms
    from deposit d join deposit_address a on a.id = d.address_id join block bl on bl.id = d.block_id
    left join fee_schedule s on s.id = d.schedule_id`;

function resourceOf(traits: AssetTraits): (row: Row) => DepositResource {
  return (row) => ({
    object: 'deposit',
    id: formatId('dep', row.id),
    customer: formatId('cus', row.customer_id),
    network: row.network,
    asset: row.asset,
    decimals: traits.decimalsOf(row.asset),
    amount: String(row.amount),
    address: row.address,
    txid: row.txid,
    index: row.idx,
    block_hash: row.block_hash.replace(/^0x/, ''),
    state: row.state,
    reason: row.reason,
    // The block that holds it is the first confirmation; a block that was rolled back gives none.
    confirmations: row.state === 'orphaned' || row.tip === null ? 0 : Math.max(0, Number(row.tip - row.height) + 1),
    confirmations_required: row.confirmations_required,
    schedule_version: row.schedule_version,
    seen_at: formatTime(row.seen_at_ms),
    credited_at: formatTimeOrNull(row.credited_at_ms),
  });
}

/** @throws Failure not-found. */
export async function getDeposit(sql: Sql, traits: AssetTraits, id: string): Promise<DepositResource> {
  const [row] = await sql.query<Row>(`${select} where d.id = $1`, [parseId('dep', id)]);
  if (row === undefined) throw new Failure('not-found', `no deposit ${id}`);
  return resourceOf(traits)(row);
}

export async function listDeposits(
  sql: Sql,
  traits: AssetTraits,
  filter: {
    customer?: string | undefined;
    network?: string | undefined;
    asset?: string | undefined;
    state?: string | undefined;
  },
  query: PageQuery,
): Promise<Page<DepositResource>> {
  const customer = filter.customer && parseId('cus', filter.customer, '/query/customer');
  const rows = await readPage<Row>(
    sql,
    select,
    'd.id',
    [
      ['d.customer_id = ?', customer],
      ['d.network = ?', filter.network],
      ['d.asset = ?', filter.asset],
      [`(${shownState}) = ?`, filter.state],
      // The same by the column, which has an index: few deposits are in any other state than credited.
      ['d.state = ?', filter.state === 'below_minimum' ? 'seen' : filter.state],
    ],
    query,
  );
  return pageOf(rows, query.limit, (row) => row.id, resourceOf(traits));
}
