import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { CustomerRecordResource } from '@holdfast/core/contract/resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { CustomerRecord } from '@holdfast/core/signing/customer-record.ts';
import type { Sql } from './database.ts';
import { readPage } from './read-page.ts';

interface Row {
  readonly id: string;
  readonly kind: CustomerRecordResource['kind'];
  readonly customer_id: string | null;
  readonly digest: string;
  readonly signed: CustomerRecord;
  readonly created_at_ms: bigint;
  readonly signers: {
    readonly signer: string;
    readonly state: 'pending' | 'accepted' | 'refused';
    readonly code: string | null;
    readonly message: string | null;
    readonly effective_at_ms: number | null;
  }[];
}

const select = `
  select r.id, r.kind, r.customer_id, r.digest, r.signed, r.created_at_ms,
         (select coalesce(jsonb_agg(jsonb_build_object('signer', d.signer, 'state', d.state, 'code', d.code, 'message', d.message,
                   'effective_at_ms', d.effective_at_ms) order by d.signer), '[]')
            from signer_delivery d where d.record_id = r.id) as signers
    from customer_record r`;
/** Where to look for a deposit is between server and signers; the deposit itself is a resource. */
const isPublic = `r.kind <> 'deposit'`;

function resourceOf(row: Row): CustomerRecordResource {
  return {
    object: 'customer_record',
    id: formatId('rec', row.id),
    kind: row.kind,
    customer: row.customer_id === null ? null : formatId('cus', row.customer_id),
    digest: row.digest,
    record: row.signed.record,
    signers: row.signers.map(({ effective_at_ms: effectiveAtMs, ...verdict }) => ({
      ...verdict,
      effective_at: effectiveAtMs === null ? null : formatTime(BigInt(effectiveAtMs)),
    })),
    created_at: formatTime(row.created_at_ms),
  };
}

/** @throws Failure not-found. */
export async function getCustomerRecord(sql: Sql, id: string): Promise<CustomerRecordResource> {
  const [row] = await sql.query<Row>(`${select} where r.id = $1 and ${isPublic}`, [parseId('rec', id)]);
  if (row === undefined) throw new Failure('not-found', `no customer record ${id}`);
  return resourceOf(row);
}

export async function customerRecordByDigest(sql: Sql, digest: string): Promise<CustomerRecordResource | null> {
  const [row] = await sql.query<Row>(`${select} where r.digest = $1 and ${isPublic}`, [digest]);
  return row ? resourceOf(row) : null;
}

export async function listCustomerRecords(
  sql: Sql,
  filter: { customer?: string | undefined; kind?: string | undefined },
  query: PageQuery,
): Promise<Page<CustomerRecordResource>> {
  const customer = filter.customer && parseId('cus', filter.customer, '/query/customer');
  const rows = await readPage<Row>(
    sql,
    select,
    'r.id',
    [
      ['r.kind <> ?', 'deposit'],
      ['r.customer_id = ?', customer],
      ['r.kind = ?', filter.kind],
    ],
    query,
  );
  return pageOf(rows, query.limit, (row) => row.id, resourceOf);
}
