import type { CustomerRecord } from '@holdfast/core/signing/customer-record.ts';
import type { Sql } from './database.ts';
import { isOrdered } from './record-lane.ts';

export interface DueDelivery {
  readonly record_id: string;
  readonly signed: CustomerRecord;
  readonly attempts: number;
}

/**
 * Records of a lane that a signer has not judged: what it has never heard first, then what must wait, each from the one
 * that is due longest. Of an ordered lane those before the first that is not due.
 */
export async function dueDeliveries(
  sql: Sql,
  signer: string,
  lane: string,
  nowMs: number,
  limit: number,
): Promise<DueDelivery[]> {
  const text = isOrdered(lane)
    ? `with head as materialized (
         select record_id, attempts, next_attempt_at_ms from signer_delivery
          where signer = $1 and lane = $2 and state = 'pending' order by record_id limit $4)
       select h.record_id, r.signed, h.attempts from head h join customer_record r on r.id = h.record_id
        where not exists (select from head b where b.record_id <= h.record_id and b.next_attempt_at_ms > $3)
        order by h.record_id`
    : `select d.record_id, r.signed, d.attempts from signer_delivery d join customer_record r on r.id = d.record_id
        where d.signer = $1 and d.lane = $2 and d.state = 'pending' and d.next_attempt_at_ms <= $3
        order by (d.attempts > 0), d.next_attempt_at_ms, d.record_id limit $4`;
  return sql.query<DueDelivery>(text, [signer, lane, nowMs, limit]);
}

/** Lanes in which a signer has something to hear. */
export async function pendingLanes(sql: Sql): Promise<string[]> {
  const rows = await sql.query<{ lane: string }>(
    `select distinct lane from signer_delivery where state = 'pending' order by lane`,
  );
  return rows.map(({ lane }) => lane);
}

/** Nothing was judged, so no attempt counts; but others of the lane come before these the next time. */
export async function putOff(sql: Sql, signer: string, recordIds: readonly string[], nowMs: number): Promise<void> {
  await sql.query(
    `update signer_delivery set next_attempt_at_ms = $3
      where signer = $1 and record_id = any ($2::uuid[]) and state = 'pending'`,
    [signer, recordIds, nowMs],
  );
}

/** Whether a record of the lane waits that was put to the signer so often already. */
export async function waitsLong(sql: Sql, signer: string, lane: string, attemptsMin: number): Promise<boolean> {
  const rows = await sql.query(
    `select from signer_delivery where signer = $1 and lane = $2 and state = 'pending' and attempts >= $3 limit 1`,
    [signer, lane, attemptsMin],
  );
  return rows.length > 0;
}

export interface Verdict {
  readonly recordId: string;
  readonly state: 'pending' | 'accepted' | 'refused';
  readonly code: string | null;
  readonly message: string | null;
  /** Null where it counts at once. */
  readonly effectiveAtMs: number | null;
  readonly nextAttemptAtMs: number;
}

export async function saveVerdicts(sql: Sql, signer: string, verdicts: readonly Verdict[]): Promise<void> {
  await sql.query(
    `update signer_delivery d set state = v.state, code = v.code, message = v.message, effective_at_ms = v.effective,
            next_attempt_at_ms = v.next, attempts = d.attempts + 1
       from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
            as v (record_id, state, code, message, effective, next)
      where d.signer = $1 and d.record_id = v.record_id and d.state = 'pending'`,
    [
      signer,
      verdicts.map((v) => v.recordId),
      verdicts.map((v) => v.state),
      verdicts.map((v) => v.code),
      verdicts.map((v) => v.message?.slice(0, 500) ?? null),
      verdicts.map((v) => v.effectiveAtMs),
      verdicts.map((v) => v.nextAttemptAtMs),
    ],
  );
}
