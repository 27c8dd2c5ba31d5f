import type { PageQuery } from '@holdfast/core/contract/page.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Sql, SqlValue } from './database.ts';

/** A condition with `?` for its value; left out when the value is undefined. */
export type Filter = readonly [condition: string, value: SqlValue | undefined];

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Reads a page of `select`, newest first by `idColumn` (UUIDv7 sort by time), with one row more than `limit` where
 * there are more.
 * @throws Failure invalid-request when `after` is no id.
 */
export async function readPage<Row extends object>(
  sql: Sql,
  select: string,
  idColumn: string,
  filters: readonly Filter[],
  query: PageQuery,
): Promise<Row[]> {
  if (query.after !== null && !uuid.test(query.after)) {
    throw new Failure('invalid-request', 'not a next_cursor of this list', { pointer: '/query/cursor' });
  }
  const values: SqlValue[] = [];
  const conditions: string[] = [];
  for (const [condition, value] of [...filters, [`${idColumn} < ?`, query.after ?? undefined] as const]) {
    if (value === undefined) continue;
    values.push(value);
    conditions.push(condition.replace('?', `$${values.length}`));
  }
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
  values.push(query.limit + 1);
  return sql.query<Row>(`${select} ${where} order by ${idColumn} desc limit $${values.length}`, values);
}
