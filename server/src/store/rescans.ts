import { formatId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { RescanResource } from '@holdfast/core/contract/resources.ts';
import { formatTime, formatTimeOrNull } from '@holdfast/core/contract/time.ts';
import type { Sql } from './database.ts';
import { readPage } from './read-page.ts';

export interface RescanRow {
  readonly id: string;
  readonly network: string;
  readonly from_height: bigint;
  /** The next block to be read. */
  readonly next_height: bigint;
  readonly to_height: bigint;
  readonly deposits_found: number;
  readonly blocks_differing: number;
  readonly created_at_ms: bigint;
  readonly finished_at_ms: bigint | null;
}

const select = `select id, network, from_height, next_height, to_height, deposits_found, blocks_differing, created_at_ms,
                       finished_at_ms from rescan`;

export const rescanResource = (row: RescanRow): RescanResource => ({
  object: 'rescan',
  id: formatId('rsc', row.id),
  network: row.network,
  from_height: Number(row.from_height),
  next_height: Number(row.next_height),
  to_height: Number(row.to_height),
  deposits_found: row.deposits_found,
  blocks_differing: row.blocks_differing,
  created_at: formatTime(row.created_at_ms),
  finished_at: formatTimeOrNull(row.finished_at_ms),
});

export async function insertRescan(
  sql: Sql,
  row: { id: string; network: string; from: number; to: number },
  nowMs: number,
): Promise<RescanRow> {
  const [made] = await sql.query<RescanRow>(
    `insert into rescan (id, network, from_height, next_height, to_height, created_at_ms) values ($1, $2, $3, $3, $4, $5)
     returning *`,
    [row.id, row.network, row.from, row.to, nowMs],
  );
  return made!;
}

/** Those of a network that are not finished, oldest first. */
export async function runningRescans(sql: Sql, network: string): Promise<RescanRow[]> {
  return sql.query<RescanRow>(`${select} where network = $1 and finished_at_ms is null order by id`, [network]);
}

/** Goes on from a block that was read. @returns false when another server did. */
export async function advanceRescan(
  sql: Sql,
  { id, next_height: at, to_height: to }: RescanRow,
  found: { deposits: number; differs: boolean },
  nowMs: number,
): Promise<boolean> {
  const rows = await sql.query(
    `update rescan set next_height = next_height + 1, deposits_found = deposits_found + $3,
            blocks_differing = blocks_differing + $4, finished_at_ms = $5 where id = $1 and next_height = $2 returning id`,
    [id, at, found.deposits, found.differs ? 1 : 0, at >= to ? nowMs : null],
  );
  return rows.length > 0;
}

export async function listRescans(
  sql: Sql,
  filter: { network?: string | undefined },
  query: PageQuery,
): Promise<Page<RescanResource>> {
  const rows = await readPage<RescanRow>(sql, select, 'id', [['network = ?', filter.network]], query);
  return pageOf(rows, query.limit, (row) => row.id, rescanResource);
}
