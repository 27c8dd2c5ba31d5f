import Type, { type Static, type TSchema } from 'typebox';

export const pageLimitMax = 200;
export const pageLimitDefault = 50;

/** What a list operation is asked for. `after` is the last item's sort key (an id or a seq), null for the first page. */
export interface PageQuery {
  readonly limit: number;
  readonly after: string | null;
}

/** One page. `next` is the sort key to ask on from, null at the end. */
export interface Page<T> {
  readonly data: readonly T[];
  readonly next: string | null;
}

/** Cuts rows that were read with `limit + 1` to a page. */
export function pageOf<Row, T>(
  rows: readonly Row[],
  limit: number,
  key: (row: Row) => string,
  resource: (row: Row) => T,
): Page<T> {
  const kept = rows.slice(0, limit);
  const last = kept.at(-1);
  return { data: kept.map(resource), next: rows.length > limit && last !== undefined ? key(last) : null };
}

/** The list envelope of every collection. */
export function ListOf<T extends TSchema>(item: T) {
  return Type.Object({
    object: Type.Literal('list'),
    data: Type.Array(item),
    has_more: Type.Boolean(),
    next_cursor: Type.Union([Type.String(), Type.Null()]),
  });
}

export interface List<T> {
  object: 'list';
  data: T[];
  has_more: boolean;
  next_cursor: string | null;
}

/** Query of every collection. */
export const pageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: pageLimitMax, default: pageLimitDefault })),
  cursor: Type.Optional(Type.String({ maxLength: 200, description: '`next_cursor` of the page before' })),
};
export const PageQuerySchema = Type.Object(pageQuery, { additionalProperties: false });
export type PageQuerySchema = Static<typeof PageQuerySchema>;
