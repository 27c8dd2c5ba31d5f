import { formatId } from '@holdfast/core/contract/ids.ts';
import type { Assertion, Authorization } from '@holdfast/core/signing/evidence.ts';
import type { AuthorizedIntent, WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import type { Sql } from './database.ts';

export type WithdrawalRowState =
  | 'awaiting_approval'
  | 'queued'
  | 'signing'
  | 'broadcast'
  | 'uncertain'
  | 'included'
  | 'settled'
  | 'released';

export interface WithdrawalRow {
  readonly id: string;
  readonly customer_id: string;
  readonly client_reference: string;
  readonly network: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly fee: bigint;
  /** Version of the fees that it was accepted by; null for one of before there were any. */
  readonly schedule_id: string | null;
  readonly quote_id: string | null;
  /** The engine's name of what it set aside. */
  readonly reservation: string | null;
  readonly destination: string;
  readonly memo: string | null;
  readonly intent: WithdrawalIntent;
  readonly digest: string;
  readonly authorization: Authorization;
  readonly approvals: Assertion[];
  readonly approvals_needed: number;
  readonly expires_at_ms: bigint;
  readonly state: WithdrawalRowState;
  readonly reason: string | null;
  readonly transaction_id: string | null;
  readonly not_before_ms: bigint;
  readonly created_at_ms: bigint;
  readonly updated_at_ms: bigint;
}

const columns = `w.id, w.customer_id, w.client_reference, w.network, w.asset, w.amount, w.fee, w.schedule_id, w.quote_id, w.reservation, w.destination, w.memo, w.intent, w.digest,
  w."authorization", w.approvals_needed, w.expires_at_ms, w.state, w.reason, w.transaction_id, w.not_before_ms, w.created_at_ms, w.updated_at_ms,
  (select coalesce(jsonb_agg(p.assertion order by p.credential_id), '[]') from withdrawal_approval p where p.withdrawal_id = w.id) as approvals`;

/** @returns false when the client_reference is taken, also by a request of another customer that commits meanwhile. */
export async function insertWithdrawal(
  sql: Sql,
  row: Omit<
    WithdrawalRow,
    | 'reason'
    | 'transaction_id'
    | 'updated_at_ms'
    | 'not_before_ms'
    | 'approvals'
    | 'schedule_id'
    | 'quote_id'
    | 'reservation'
  > &
    Partial<Pick<WithdrawalRow, 'schedule_id' | 'quote_id' | 'reservation'>>,
): Promise<boolean> {
  const inserted = await sql.query(
    `insert into withdrawal (id, customer_id, client_reference, network, asset, amount, fee, destination, memo, intent, digest,
                             "authorization", approvals_needed, expires_at_ms, state, not_before_ms, created_at_ms, updated_at_ms, schedule_id, quote_id, reservation)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, $12::jsonb, $13, $14, $15, $16, $16, $16, $17, $18, $19)
     on conflict (client_reference) do nothing returning id`,
    [
      row.id,
      row.customer_id,
      row.client_reference,
      row.network,
      row.asset,
      row.amount,
      row.fee,
      row.destination,
      row.memo,
      JSON.stringify(row.intent),
      row.digest,
      JSON.stringify(row.authorization),
      row.approvals_needed,
      row.expires_at_ms,
      row.state,
      row.created_at_ms,
      row.schedule_id ?? null,
      row.quote_id ?? null,
      row.reservation ?? null,
    ],
  );
  return inserted.length > 0;
}

export async function withdrawalByReference(sql: Sql, clientReference: string): Promise<WithdrawalRow | null> {
  const [row] = await sql.query<WithdrawalRow>(`select ${columns} from withdrawal w where client_reference = $1`, [
    clientReference,
  ]);
  return row ?? null;
}

export async function withdrawalByDigest(sql: Sql, digest: string): Promise<WithdrawalRow | null> {
  const [row] = await sql.query<WithdrawalRow>(`select ${columns} from withdrawal w where digest = $1`, [digest]);
  return row ?? null;
}

export interface QueuedWithdrawal extends WithdrawalRow {
  /** It was in a transaction; signers take that for excluded later than we do. */
  readonly attempted: boolean;
  /** No final transaction excludes that one, and a quorum of signers may have accepted it. */
  readonly may_be_signed: boolean;
  /** Payouts that may share its next transaction, itself included; null for any number. */
  readonly company_max: number | null;
}

/** Transactions of withdrawal `w` that no final one excludes. */
const openAttempts = `select from withdrawal_attempt a join chain_transaction t on t.id = a.transaction_id
  where a.withdrawal_id = w.id and t.state <> 'replaced'`;

/** Whether the customer of withdrawal `w` owes a receivable. Code units sort bytewise, so the unique index serves. */
const owes = `exists (select from account r where r.balance > 0
  and r.code >= 'receivable:cus_' || w.customer_id || ':' and r.code < 'receivable:cus_' || w.customer_id || ';')`;

/**
 * Queued withdrawals of a network whose time has come, oldest first; of more than `limit` those whose time came first, so
 * that many that only wait, each time for a few seconds more, do not keep the ones behind them out for ever. Left out, so that they fill no places: those of
 * customers who owe a receivable, until they expire, expired ones that may have been signed and can only wait, and those
 * of assets that are halted or whose network fee is too high, until they expire.
 */
export async function queuedWithdrawals(
  sql: Sql,
  network: string,
  nowMs: number,
  limit: number,
  keptAssets: readonly string[],
): Promise<QueuedWithdrawal[]> {
  const rows = await sql.query<QueuedWithdrawal>(
    `select ${columns}, w.company_max,
            exists (select from withdrawal_attempt a where a.withdrawal_id = w.id) as attempted,
            exists (${openAttempts} and not t.refused) as may_be_signed
       from withdrawal w
      where w.network = $1 and w.state = 'queued' and w.not_before_ms <= $2 and (w.expires_at_ms <= $2 or not ${owes})
        and (w.expires_at_ms > $2 or not exists (${openAttempts} and not t.refused)) and (w.expires_at_ms <= $2 or w.asset <> all ($4::text[]))
      order by w.not_before_ms, w.id limit $3`,
    [network, nowMs, limit, keptAssets],
  );
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Of these withdrawals, those whose customers owe a receivable by now. */
export async function owingNow(sql: Sql, ids: readonly string[]): Promise<Set<string>> {
  const rows = await sql.query<{ id: string }>(`select w.id from withdrawal w where w.id = any ($1) and ${owes}`, [
    ids,
  ]);
  return new Set(rows.map((row) => row.id));
}

/** Of these, the ones that are still queued, locked in id order. */
export async function lockQueued(sql: Sql, ids: readonly string[]): Promise<WithdrawalRow[]> {
  return sql.query<WithdrawalRow>(
    `select ${columns} from withdrawal w where id = any ($1) and state = 'queued' order by id for update`,
    [ids],
  );
}

export async function assignToTransaction(
  sql: Sql,
  ids: readonly string[],
  transactionId: string,
  nowMs: number,
): Promise<void> {
  await sql.query(
    `update withdrawal set state = 'signing', transaction_id = $2, reason = null, updated_at_ms = $3 where id = any ($1)`,
    [ids, transactionId, nowMs],
  );
  await sql.query('insert into withdrawal_attempt (withdrawal_id, transaction_id) select unnest($1::uuid[]), $2', [
    ids,
    transactionId,
  ]);
}

export async function withdrawalsOf(sql: Sql, transactionId: string): Promise<WithdrawalRow[]> {
  return sql.query<WithdrawalRow>(`select ${columns} from withdrawal w where transaction_id = $1 order by id`, [
    transactionId,
  ]);
}

/** What a transaction was built to pay, whichever version of it they are counted to now. */
export async function attemptedBy(sql: Sql, transactionId: string): Promise<WithdrawalRow[]> {
  return sql.query<WithdrawalRow>(
    `select ${columns} from withdrawal w join withdrawal_attempt a on a.withdrawal_id = w.id where a.transaction_id = $1 order by w.id`,
    [transactionId],
  );
}

/** Notes that another version of their transaction was built; until it is signed the one before counts. */
export async function attemptAgain(sql: Sql, from: string, transactionId: string): Promise<void> {
  await sql.query(
    `insert into withdrawal_attempt (withdrawal_id, transaction_id)
     select withdrawal_id, $2 from withdrawal_attempt where transaction_id = $1`,
    [from, transactionId],
  );
}

/** A new version of their transaction is signed: that one is offered from now on. @returns their ids. */
export async function moveToVersion(sql: Sql, transactionId: string, nowMs: number): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `update withdrawal w set transaction_id = $1, state = 'broadcast', updated_at_ms = $2
       from withdrawal_attempt a, chain_transaction t, chain_transaction o
      where a.transaction_id = $1 and w.id = a.withdrawal_id and t.id = $1 and o.id = w.transaction_id
        and o.first_version = t.first_version and w.state in ('signing', 'broadcast', 'uncertain') returning w.id`,
    [transactionId, nowMs],
  );
  return rows.map((row) => row.id).toSorted();
}

/**
 * A block shows a transaction: its withdrawals are paid by it, even where another one was being built for them.
 * @returns their ids.
 */
export async function markPaidBy(sql: Sql, transactionId: string, nowMs: number): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `update withdrawal w set state = 'included', transaction_id = $1, updated_at_ms = $2
       from withdrawal_attempt a where a.transaction_id = $1 and w.id = a.withdrawal_id returning w.id`,
    [transactionId, nowMs],
  );
  return rows.map((row) => row.id).toSorted();
}

/** Moves every withdrawal of a transaction; returns their ids. */
export async function moveWithdrawals(
  sql: Sql,
  transactionId: string,
  to: WithdrawalRowState,
  nowMs: number,
): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    'update withdrawal set state = $2, updated_at_ms = $3 where transaction_id = $1 and state <> $2 returning id',
    [transactionId, to, nowMs],
  );
  return rows.map((row) => row.id).toSorted();
}

/**
 * Back to the queue, later.
 * @param how `pauseMs` by the number of transactions that the withdrawal was in; `split` after a refusal: in transactions
 * of half the size, so that the one bad payout is found in a few rounds and the others are paid on the way.
 */
export async function requeue(
  sql: Sql,
  transactionId: string,
  reason: string,
  how: { readonly pauseMs: (attempts: number) => number; readonly split: boolean },
  nowMs: number,
): Promise<string[]> {
  const rows = await sql.query<{ id: string; attempts: number }>(
    `select w.id, (select count(*)::int from withdrawal_attempt a where a.withdrawal_id = w.id) as attempts
       from withdrawal w where w.transaction_id = $1 and w.state in ('signing', 'broadcast', 'uncertain') order by w.id for update`,
    [transactionId],
  );
  await sql.query(
    `update withdrawal w set state = 'queued', transaction_id = null, reason = $1, not_before_ms = u.not_before_ms, updated_at_ms = $2,
            company_max = coalesce($5, company_max)
       from unnest($3::uuid[], $4::bigint[]) as u (id, not_before_ms) where w.id = u.id`,
    [
      reason.slice(0, 500),
      nowMs,
      rows.map((row) => row.id),
      rows.map((row) => nowMs + how.pauseMs(row.attempts)),
      how.split ? Math.max(1, Math.floor(rows.length / 2)) : null,
    ],
  );
  return rows.map((row) => row.id);
}

/** Withdrawals of a network that expired before they were approved. */
export async function expiredUnapproved(sql: Sql, network: string, nowMs: number, limit: number): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `select id from withdrawal where network = $1 and state = 'awaiting_approval' and expires_at_ms <= $2 order by expires_at_ms limit $3`,
    [network, nowMs, limit],
  );
  return rows.map((row) => row.id);
}

/** The withdrawal, locked, with the approvals that whoever held the lock before has left. */
export async function lockWithdrawal(sql: Sql, id: string): Promise<WithdrawalRow | null> {
  // In one statement the approvals would be those of before the wait for the lock.
  await sql.query('select from withdrawal where id = $1 for update', [id]);
  const [row] = await sql.query<WithdrawalRow>(`select ${columns} from withdrawal w where id = $1`, [id]);
  return row ?? null;
}

/** Lets an approved withdrawal into the queue, at once also where a refusal had put it back. */
export async function queueApproved(sql: Sql, id: string, nowMs: number): Promise<void> {
  await sql.query(
    `update withdrawal set state = 'queued', not_before_ms = $2, updated_at_ms = $2 where id = $1 and state in ('awaiting_approval', 'queued')`,
    [id, nowMs],
  );
}

/**
 * Leaves queued withdrawals out of the next batches until a time, so that the ones behind them get their turn.
 * @param rows `reason` is what whoever asks for the withdrawal is shown; null leaves what is there.
 */
export async function postpone(
  sql: Sql,
  rows: readonly { readonly id: string; readonly reason: string | null }[],
  notBeforeMs: number,
): Promise<void> {
  await sql.query(
    `update withdrawal w set not_before_ms = $3, reason = coalesce(u.reason, w.reason)
       from unnest($1::uuid[], $2::text[]) as u (id, reason) where w.id = u.id and w.state = 'queued'`,
    [rows.map(({ id }) => id), rows.map(({ reason }) => reason?.slice(0, 500) ?? null), notBeforeMs],
  );
}

/**
 * Ends a queued withdrawal that nothing can pay any more.
 * @param expired the intent has expired by every clock: what signers refused then stays unsigned.
 * @returns false when it is not queued any more or may still be paid: then it keeps its hold.
 */
export async function releaseUnpayable(
  sql: Sql,
  id: string,
  how: { reason: string; expired: boolean },
  nowMs: number,
): Promise<boolean> {
  const rows = await sql.query(
    `update withdrawal w set state = 'released', reason = $2, updated_at_ms = $3
      where id = $1 and state in ('queued', 'awaiting_approval') and not exists (${openAttempts} and not (t.refused and $4)) returning id`,
    [id, how.reason.slice(0, 500), nowMs, how.expired],
  );
  return rows.length > 0;
}

/** @param countsFees what the policy says: signers of before do not know the field. */
export const authorizedIntent = (row: WithdrawalRow, countsFees: boolean): AuthorizedIntent => ({
  intent: row.intent,
  authorization: row.authorization,
  approvals: row.approvals,
  ...(countsFees && { fee: row.fee.toString() }),
  booked: {
    withdrawal: formatId('wd', row.id),
    client_reference: row.client_reference,
    fee: row.fee.toString(),
    ...(row.reservation !== null && { reservation: row.reservation }),
  },
});

/** One outpoint (`txid:vout`) of every earlier transaction of these withdrawals: spending them all conflicts with each. */
export async function earlierOutpoints(sql: Sql, withdrawalIds: readonly string[]): Promise<string[]> {
  const rows = await sql.query<{ outpoint: string }>(
    `select distinct substr(t.conflict_keys[1], length('coin:') + 1) as outpoint
       from withdrawal_attempt a join chain_transaction t on t.id = a.transaction_id
      where a.withdrawal_id = any ($1) and t.state <> 'replaced' and t.conflict_keys[1] like 'coin:%' order by 1`,
    [withdrawalIds],
  );
  return rows.map((row) => row.outpoint);
}
