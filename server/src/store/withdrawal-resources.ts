import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { WithdrawalResource } from '@holdfast/core/contract/resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { isAssertion, type Authorization } from '@holdfast/core/signing/evidence.ts';
import type { AssetTraits } from './asset-traits.ts';
import type { Sql } from './database.ts';
import { readPage } from './read-page.ts';

interface Row {
  readonly id: string;
  readonly client_reference: string;
  readonly customer_id: string;
  readonly network: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly fee: bigint;
  readonly schedule_version: number | null;
  readonly quote_id: string | null;
  readonly reservation: string | null;
  readonly destination: string;
  readonly memo: string | null;
  readonly digest: string;
  readonly state: WithdrawalResource['state'];
  readonly authorization: Authorization;
  readonly approvals_needed: number;
  readonly approvals_given: number;
  readonly reason: string | null;
  /** What its transaction met last. */
  readonly last_problem: string | null;
  readonly txid: string | null;
  readonly expires_at_ms: bigint;
  readonly created_at_ms: bigint;
  readonly updated_at_ms: bigint;
}

const select = `
  select w.id, w.client_reference, w.customer_id, w.network, w.asset, w.amount, w.fee, s.version as schedule_version, w.quote_id, w.reservation, w.destination, w.memo, w.digest,
         w.state, w."authorization", w.approvals_needed,
         (select count(*)::int from withdrawal_approval p where p.withdrawal_id = w.id) as approvals_given, w.reason, t.last_problem, t.txid, w.expires_at_ms, w.created_at_ms, w.updated_at_ms
    from withdrawal w left join chain_transaction t on t.id = w.transaction_id
    left join fee_schedule s on s.id = w.schedule_id`;

/** Of states in which a withdrawal waits, where nothing more is recorded. */
const usualReason: Partial<Record<WithdrawalResource['state'], string>> = {
  awaiting_approval: 'approvals are missing',
  queued: 'the next batch takes it',
  signing: 'a quorum of signers has yet to sign it',
  broadcast: 'no block has it yet',
  uncertain: 'signed, and no node is known to have it',
};

function waitingOf({ state, reason, last_problem: problem, updated_at_ms: since }: Row): WithdrawalResource['waiting'] {
  const usual = usualReason[state];
  return usual === undefined ? null : { since: formatTime(since), reason: problem ?? reason ?? usual };
}

function resourceOf(traits: AssetTraits): (row: Row) => WithdrawalResource {
  return (row) => ({
    object: 'withdrawal',
    id: formatId('wd', row.id),
    client_reference: row.client_reference,
    customer: formatId('cus', row.customer_id),
    network: row.network,
    asset: row.asset,
    decimals: traits.decimalsOf(row.asset),
    amount: String(row.amount),
    fee: String(row.fee),
    schedule_version: row.schedule_version,
    reservation: row.reservation,
    quote: row.quote_id === null ? null : formatId('quo', row.quote_id),
    destination: row.destination,
    memo: row.memo,
    digest: row.digest,
    state: row.state,
    authorized_by: isAssertion(row.authorization) ? 'customer' : 'integrator',
    approvals: { needed: row.approvals_needed, given: row.approvals_given },
    reason: row.reason,
    waiting: waitingOf(row),
    txid: row.txid,
    expires_at: formatTime(row.expires_at_ms),
    created_at: formatTime(row.created_at_ms),
    updated_at: formatTime(row.updated_at_ms),
  });
}

/** @throws Failure not-found. */
export async function getWithdrawal(sql: Sql, traits: AssetTraits, id: string): Promise<WithdrawalResource> {
  const [row] = await sql.query<Row>(`${select} where w.id = $1`, [parseId('wd', id)]);
  if (row === undefined) throw new Failure('not-found', `no withdrawal ${id}`);
  return resourceOf(traits)(row);
}

export async function listWithdrawals(
  sql: Sql,
  traits: AssetTraits,
  filter: {
    customer?: string | undefined;
    network?: string | undefined;
    asset?: string | undefined;
    state?: string | undefined;
    client_reference?: string | undefined;
  },
  query: PageQuery,
): Promise<Page<WithdrawalResource>> {
  const customer = filter.customer && parseId('cus', filter.customer, '/query/customer');
  const rows = await readPage<Row>(
    sql,
    select,
    'w.id',
    [
      ['w.customer_id = ?', customer],
      ['w.network = ?', filter.network],
      ['w.asset = ?', filter.asset],
      ['w.state = ?', filter.state],
      ['w.client_reference = ?', filter.client_reference],
    ],
    query,
  );
  return pageOf(rows, query.limit, (row) => row.id, resourceOf(traits));
}
