import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { BalanceResource, CustomerResource } from '@holdfast/core/contract/resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Asset } from '@holdfast/core/money/asset.ts';
import type { Sql } from './database.ts';
import { insertEvents } from './events.ts';
import { balances } from './ledger/balances.ts';
import { readPage } from './read-page.ts';

interface CustomerRow {
  readonly id: string;
  readonly client_reference: string;
  readonly created_at_ms: bigint;
}

const columns = 'id, client_reference, created_at_ms';

function resource(row: CustomerRow): CustomerResource {
  return {
    object: 'customer',
    id: formatId('cus', row.id),
    client_reference: row.client_reference,
    created_at: formatTime(row.created_at_ms),
  };
}

/** Registers a customer, or returns the one that has the reference. Run it in a transaction: an event goes with it. */
export async function createCustomer(
  sql: Sql,
  body: { client_reference: string },
  newId: () => string,
  nowMs: number,
): Promise<CustomerResource> {
  const id = newId();
  const [created] = await sql.query<CustomerRow>(
    `insert into customer (id, client_reference, created_at_ms) values ($1, $2, $3)
     on conflict (client_reference) do nothing returning ${columns}`,
    [id, body.client_reference, nowMs],
  );
  if (created !== undefined) {
    await insertEvents(sql, [{ id: newId(), type: 'customer.created', resource: 'customer', resourceId: id }], nowMs);
    return resource(created);
  }
  const [existing] = await sql.query<CustomerRow>(`select ${columns} from customer where client_reference = $1`, [
    body.client_reference,
  ]);
  invariant(existing, 'customers are never deleted');
  return resource(existing);
}

/** @throws Failure not-found. */
export async function getCustomer(sql: Sql, id: string): Promise<CustomerResource> {
  const [row] = await sql.query<CustomerRow>(`select ${columns} from customer where id = $1`, [parseId('cus', id)]);
  if (row === undefined) throw new Failure('not-found', `no customer ${id}`);
  return resource(row);
}

export async function listCustomers(
  sql: Sql,
  filter: { client_reference?: string | undefined },
  query: PageQuery,
): Promise<Page<CustomerResource>> {
  const rows = await readPage<CustomerRow>(
    sql,
    `select ${columns} from customer`,
    'id',
    [['client_reference = ?', filter.client_reference]],
    query,
  );
  return pageOf(rows, query.limit, (row) => row.id, resource);
}

/** What a customer has of every asset, zeros included. @throws Failure not-found. */
export async function listBalances(sql: Sql, assets: readonly Asset[], customer: string): Promise<BalanceResource[]> {
  await getCustomer(sql, customer);
  const codesOf = (asset: Asset) => ({
    available: accountCodes.customer(customer, asset.code),
    held: accountCodes.hold(customer, asset.code),
    receivable: accountCodes.receivable(customer, asset.code),
  });
  // One statement, so that a withdrawal that moves money from available to held meanwhile is seen whole.
  const amounts = await balances(
    sql,
    assets.flatMap((asset) => Object.values(codesOf(asset))),
  );
  const amount = (code: string): string => String(amounts.get(code) ?? 0n);
  return assets.map((asset) => {
    const codes = codesOf(asset);
    return {
      object: 'balance',
      customer,
      asset: asset.code,
      decimals: asset.decimals,
      available: amount(codes.available),
      held: amount(codes.held),
      receivable: amount(codes.receivable),
    };
  });
}

/** Of these public ids, those that name no customer. */
export async function unknownCustomers(sql: Sql, customers: ReadonlySet<string>): Promise<string[]> {
  const uuids = [...customers].map((customer) => parseId('cus', customer, '/record/entries'));
  const rows = await sql.query<{ id: string }>('select id from customer where id = any ($1::uuid[])', [uuids]);
  const known = new Set(rows.map((row) => formatId('cus', row.id)));
  return [...customers].filter((customer) => !known.has(customer));
}
