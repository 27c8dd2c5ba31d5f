import { formatId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { AlarmResource } from '@holdfast/core/contract/resources.ts';
import { formatTime, formatTimeOrNull } from '@holdfast/core/contract/time.ts';
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
