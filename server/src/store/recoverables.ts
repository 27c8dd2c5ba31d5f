import { type StrayToken, straysOfAddressMax } from '@holdfast/core/chains/evm/stray-tokens.ts';
import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { RecoverableResource } from '@holdfast/core/contract/resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import type { Sql } from './database.ts';
import { readPage } from './read-page.ts';

/** Rows of a network that blocks may make; beyond it only an operator names more. */
const rowsOfNetworkMax = 100_000;

interface Row {
  readonly id: string;
  readonly network: string;
  readonly customer_id: string;
  readonly address: string;
  readonly contract: string;
  readonly last_txid: string | null;
  readonly last_height: bigint;
  readonly claimed: bigint | null;
  readonly held: bigint | null;
  readonly held_height: bigint | null;
  readonly created_at_ms: bigint;
}

const select = `
  select r.id, r.network, a.customer_id, a.address, r.contract, r.last_txid, r.last_height, r.claimed, r.held, r.held_height,
         r.created_at_ms
    from recoverable r join deposit_address a on a.id = r.address_id`;

const resourceOf = (row: Row): RecoverableResource => ({
  object: 'recoverable',
  id: formatId('rcv', row.id),
  customer: formatId('cus', row.customer_id),
  network: row.network,
  address: row.address,
  contract: row.contract,
  txid: row.last_txid,
  height: Number(row.last_height),
  claimed: row.claimed === null ? null : row.claimed.toString(),
  held: row.held === null ? null : row.held.toString(),
  held_height: row.held_height === null ? null : Number(row.held_height),
  created_at: formatTime(row.created_at_ms),
});

/**
 * Remembers unlisted tokens of a block, in the transaction that applies it. A block that comes again, or in another order,
 * changes nothing: the highest sighting counts.
 * @returns how many were left out because their address or the network has too many.
 */
export async function recordStrays(
  sql: Sql,
  network: string,
  height: number,
  strays: readonly (StrayToken & { readonly addressId: string })[],
  newId: () => string,
  nowMs: number,
): Promise<number> {
  if (strays.length === 0) return 0;
  const rows = await sql.query(
    `with given as (
       select * from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::numeric[]) with ordinality
           as g (id, address_id, contract, txid, claimed, ord)),
     known as (select g.* from given g where exists (
       select from recoverable r where r.network = $1 and r.address_id = g.address_id and r.contract = g.contract)),
     fresh as (
       select g.*, row_number() over (partition by g.address_id order by g.ord)
                 + (select count(*) from recoverable r where r.network = $1 and r.address_id = g.address_id) as place
         from given g where not exists (select from known k where k.id = g.id)),
     room as (select count(*) < $9::bigint as has from (select from recoverable where network = $1 limit $9) r),
     kept as (select id, address_id, contract, txid, claimed from known union all
              select id, address_id, contract, txid, claimed from fresh, room where place <= $10::bigint and has)
     insert into recoverable (id, network, address_id, contract, last_txid, last_height, claimed, created_at_ms)
     select id, $1, address_id, contract, txid, $2, claimed, $8 from kept
     on conflict (network, address_id, contract) do update
       set last_txid = case when excluded.last_height >= recoverable.last_height then excluded.last_txid else recoverable.last_txid end,
           claimed = case when excluded.last_height >= recoverable.last_height then excluded.claimed else recoverable.claimed end,
           last_height = greatest(excluded.last_height, recoverable.last_height)
     returning id`,
    [
      network,
      height,
      strays.map(newId),
      strays.map(({ addressId }) => addressId),
      strays.map(({ contract }) => contract),
      strays.map(({ txid }) => txid),
      strays.map(({ claimed }) => claimed),
      nowMs,
      rowsOfNetworkMax,
      straysOfAddressMax,
    ],
  );
  return strays.length - rows.length;
}

/** What the nodes said that an address holds of a token, listed by blocks before or not. */
export async function recordHeld(
  sql: Sql,
  row: { id: string; network: string; addressId: string; contract: string; held: bigint; height: number },
  nowMs: number,
): Promise<RecoverableResource> {
  const [kept] = await sql.query<{ id: string }>(
    `insert into recoverable (id, network, address_id, contract, last_height, held, held_height, created_at_ms)
     values ($1, $2, $3, $4, $6, $5, $6, $7)
     on conflict (network, address_id, contract) do update set held = excluded.held, held_height = excluded.held_height
     returning id`,
    [row.id, row.network, row.addressId, row.contract, row.held, row.height, nowMs],
  );
  const [found] = await sql.query<Row>(`${select} where r.id = $1`, [kept!.id]);
  return resourceOf(found!);
}

export async function listRecoverables(
  sql: Sql,
  filter: { customer?: string | undefined; network?: string | undefined },
  query: PageQuery,
): Promise<Page<RecoverableResource>> {
  const customer = filter.customer && parseId('cus', filter.customer, '/query/customer');
  const rows = await readPage<Row>(
    sql,
    select,
    'r.id',
    [
      ['a.customer_id = ?', customer],
      ['r.network = ?', filter.network],
    ],
    query,
  );
  return pageOf(rows, query.limit, (row) => row.id, resourceOf);
}
