import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { AlarmResource } from '@holdfast/core/contract/resources.ts';
import { formatTime, formatTimeOrNull } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { AlarmRow } from './alarms.ts';
import type { Sql } from './database.ts';
import { type Filter, readPage } from './read-page.ts';

function resource(row: AlarmRow): AlarmResource {
  return {
    object: 'alarm',
    id: formatId('alm', row.id),
    code: row.code,
    subject: row.subject,
    message: row.message,
    opened_at: formatTime(row.opened_at_ms),
    closed_at: formatTimeOrNull(row.closed_at_ms),
  };
}

/** Alarms, newest first; open ones unless `state` says otherwise. */
export async function listAlarms(
  sql: Sql,
  filter: { state?: 'open' | 'closed' | 'all' | undefined },
  query: PageQuery,
): Promise<Page<AlarmResource>> {
  const state = filter.state ?? 'open';
  const filters: Filter[] = state === 'all' ? [] : [['(closed_at_ms is null) = ?', state === 'open']];
  const select = 'select id, code, subject, message, opened_at_ms, closed_at_ms from alarm';
  const rows = await readPage<AlarmRow>(sql, select, 'id', filters, query);
  return pageOf(rows, query.limit, (row) => row.id, resource);
}

/** Closes an alarm by hand and keeps what was found with it. Closed already, it stays as it is. @throws Failure not-found. */
export async function closeAlarm(sql: Sql, id: string, note: string, nowMs: number): Promise<AlarmResource> {
  const uuid = parseId('alm', id, '/id');
  const [closed] = await sql.query<AlarmRow>(
    `update alarm set closed_at_ms = coalesce(closed_at_ms, $2),
            message = case when closed_at_ms is null then message || ' [closed: ' || $3 || ']' else message end
      where id = $1 returning id, code, subject, message, opened_at_ms, closed_at_ms`,
    [uuid, nowMs, note],
  );
  if (!closed) throw new Failure('not-found', `no alarm ${id}`);
  return resource(closed);
}
