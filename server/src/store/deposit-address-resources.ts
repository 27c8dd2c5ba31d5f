import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { DepositAddressResource } from '@holdfast/core/contract/resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Sql } from './database.ts';
import type { DepositAddressRow } from './deposit-addresses.ts';
import { readPage } from './read-page.ts';

const select =
  'select id, customer_id, network, derivation_index, address, watch_key, state, epoch, statements, created_at_ms from deposit_address';
/** A pending address was not yet derived by a signer too: nobody may be told of it. */
const issued = `state <> 'pending'`;

/** The API's form of an issued address. @throws Failure not-found for a pending one. */
export function depositAddressResource(row: DepositAddressRow): DepositAddressResource {
  if (row.state === 'pending') throw new Failure('not-found', 'this address is not issued yet');
  return {
    object: 'deposit_address',
    id: formatId('addr', row.id),
    customer: formatId('cus', row.customer_id),
    network: row.network,
    address: row.address,
    index: Number(row.derivation_index),
    state: row.state,
    attestation: { epoch: row.epoch, statements: row.statements.map((one) => ({ ...one })) },
    created_at: formatTime(row.created_at_ms),
  };
}

/** @throws Failure not-found. */
export async function getDepositAddress(sql: Sql, id: string): Promise<DepositAddressResource> {
  const [row] = await sql.query<DepositAddressRow>(`${select} where id = $1 and ${issued}`, [parseId('addr', id)]);
  if (row === undefined) throw new Failure('not-found', `no deposit address ${id}`);
  return depositAddressResource(row);
}

export async function listDepositAddresses(
  sql: Sql,
  filter: { customer?: string | undefined; network?: string | undefined; address?: string | undefined },
  query: PageQuery,
): Promise<Page<DepositAddressResource>> {
  const customer = filter.customer && parseId('cus', filter.customer, '/query/customer');
  const rows = await readPage<DepositAddressRow>(
    sql,
    select,
    'id',
    [
      ['state <> ?', 'pending'],
      ['customer_id = ?', customer],
      ['network = ?', filter.network],
      ['address = ?', filter.address],
    ],
    query,
  );
  return pageOf(rows, query.limit, (row) => row.id, depositAddressResource);
}
