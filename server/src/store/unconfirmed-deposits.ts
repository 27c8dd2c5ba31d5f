import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { UnconfirmedDepositResource } from '@holdfast/core/contract/resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import type { PoolPayment } from '../networks/network.ts';
import type { AssetTraits } from './asset-traits.ts';
import type { Sql } from './database.ts';
import { readPage } from './read-page.ts';

/** Remembers payments that no block has; one that was gone or replaced and is back waits again. */
export async function recordWaiting(
  sql: Sql,
  network: string,
  payments: readonly PoolPayment[],
  newId: () => string,
  nowMs: number,
): Promise<void> {
  for (const one of payments) {
    await sql.query(
      `insert into unconfirmed_deposit (id, network, txid, idx, asset, address_id, customer_id, amount, inputs, state, seen_at_ms, updated_at_ms)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', $10, $10)
       on conflict (network, txid, idx) do update set state = 'waiting', replaced_by = null, updated_at_ms = excluded.updated_at_ms
         where unconfirmed_deposit.state <> 'waiting'`,
      [newId(), network, one.txid, one.index, one.asset, one.addressId, one.customerId, one.amount, one.inputs, nowMs],
    );
  }
}

/** Notes which transaction spends a coin of one that waits. @param spends outpoints with the txid that spends them now. */
export async function noteReplacements(
  sql: Sql,
  network: string,
  spends: readonly { readonly outpoint: string; readonly txid: string }[],
): Promise<void> {
  await sql.query(
    `update unconfirmed_deposit u set replaced_by = s.txid
       from unnest($2::text[], $3::text[]) as s (outpoint, txid)
      where u.network = $1 and u.state = 'waiting' and s.outpoint = any (u.inputs) and s.txid <> u.txid`,
    [network, spends.map(({ outpoint }) => outpoint), spends.map(({ txid }) => txid)],
  );
}

export interface WaitingPayment {
  readonly id: string;
  readonly txid: string;
  readonly inputs: string[];
  readonly replaced_by: string | null;
}

export async function waitingPayments(sql: Sql, network: string): Promise<WaitingPayment[]> {
  return sql.query<WaitingPayment>(
    `select id, txid, inputs, replaced_by from unconfirmed_deposit where network = $1 and state = 'waiting' order by id`,
    [network],
  );
}

/** Ends the wait of a payment: as confirmed where a deposit has it, otherwise as `state`. */
export async function endWait(sql: Sql, id: string, state: 'replaced' | 'gone', nowMs: number): Promise<void> {
  await sql.query(
    `update unconfirmed_deposit u set updated_at_ms = $3,
            state = case when exists (select from deposit d where d.network = u.network and d.txid = u.txid and d.idx = u.idx and d.state <> 'orphaned')
                         then 'confirmed' else $2 end
      where u.id = $1 and u.state = 'waiting'`,
    [id, state, nowMs],
  );
}

interface Row {
  readonly id: string;
  readonly customer_id: string;
  readonly network: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly address: string;
  readonly txid: string;
  readonly idx: string;
  readonly state: UnconfirmedDepositResource['state'];
  readonly replaced_by: string | null;
  readonly seen_at_ms: bigint;
  readonly updated_at_ms: bigint;
}

export async function listUnconfirmedDeposits(
  sql: Sql,
  traits: AssetTraits,
  filter: { customer?: string | undefined; network?: string | undefined; state?: string | undefined },
  query: PageQuery,
): Promise<Page<UnconfirmedDepositResource>> {
  const customer = filter.customer && parseId('cus', filter.customer, '/query/customer');
  const rows = await readPage<Row>(
    sql,
    `select u.id, u.customer_id, u.network, u.asset, u.amount, a.address, u.txid, u.idx, u.state, u.replaced_by, u.seen_at_ms, u.updated_at_ms
       from unconfirmed_deposit u join deposit_address a on a.id = u.address_id`,
    'u.id',
    [
      ['u.customer_id = ?', customer],
      ['u.network = ?', filter.network],
      ['u.state = ?', filter.state],
    ],
    query,
  );
  return pageOf(
    rows,
    query.limit,
    (row) => row.id,
    (row) => ({
      object: 'unconfirmed_deposit',
      id: formatId('ucd', row.id),
      customer: formatId('cus', row.customer_id),
      network: row.network,
      asset: row.asset,
      decimals: traits.decimalsOf(row.asset),
      amount: String(row.amount),
      address: row.address,
      txid: row.txid,
      index: row.idx,
      state: row.state,
      replaced_by: row.state === 'replaced' ? row.replaced_by : null,
      seen_at: formatTime(row.seen_at_ms),
      updated_at: formatTime(row.updated_at_ms),
    }),
  );
}
