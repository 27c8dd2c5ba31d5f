import { formatId, formatResourceId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { EventResource } from '@holdfast/core/contract/resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Sql } from './database.ts';

export interface EventRow {
  readonly id: string;
  readonly seq: bigint;
  readonly type: string;
  readonly resource: string;
  readonly resource_id: string;
  readonly occurred_at_ms: bigint;
}

/** The API's form of a sequenced event, also the body of a webhook. */
export function eventResource(row: EventRow): EventResource {
  return {
    object: 'event',
    id: formatId('evt', row.id),
    seq: Number(row.seq),
    type: row.type,
    resource: row.resource,
    resource_id: formatResourceId(row.resource, row.resource_id),
    occurred_at: formatTime(row.occurred_at_ms),
  };
}

/** Sequenced events after a seq, in order. @throws Failure invalid-request when `after` is no seq. */
export async function listEvents(sql: Sql, query: PageQuery): Promise<Page<EventResource>> {
  const after = query.after ?? '0';
  if (!/^(0|[1-9][0-9]{0,15})$/.test(after)) {
    throw new Failure('invalid-request', 'not a next_cursor of this list', { pointer: '/query/cursor' });
  }
  const rows = await sql.query<EventRow>(
    'select id, seq, type, resource, resource_id, occurred_at_ms from event where seq > $1 order by seq limit $2',
    [BigInt(after), query.limit + 1],
  );
  return pageOf(rows, query.limit, (row) => String(row.seq), eventResource);
}

/** The highest seq assigned, 0 before the first. */
export async function latestEventSeq(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ seq: bigint | null }>('select max(seq) as seq from event');
  return Number(row?.seq ?? 0n);
}
