import type { Sql } from './database.ts';

export interface NewEvent {
  readonly id: string;
  /** `deposit.credited`, `withdrawal.settled`, ... */
  readonly type: string;
  readonly resource: string;
  /** UUID of the resource. */
  readonly resourceId: string;
}

/** Writes outbox rows in the caller's transaction; their seq is assigned after it commits. */
export async function insertEvents(sql: Sql, events: readonly NewEvent[], nowMs: number): Promise<void> {
  if (events.length === 0) return;
  await sql.query(
    `insert into event (id, type, resource, resource_id, occurred_at_ms)
     select id, type, resource, resource_id, $5
       from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as e (id, type, resource, resource_id)`,
    [
      events.map((e) => e.id),
      events.map((e) => e.type),
      events.map((e) => e.resource),
      events.map((e) => e.resourceId),
      nowMs,
    ],
  );
}
