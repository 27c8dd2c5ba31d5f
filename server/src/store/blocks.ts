import { invariant } from '@holdfast/core/invariant.ts';
import type { Sql } from './database.ts';

export interface AppliedBlock {
  readonly id: bigint;
  readonly height: number;
  readonly hash: string;
}

interface Row {
  id: bigint;
  height: bigint;
  hash: string;
}

const applied = (row: Row | undefined): AppliedBlock | null =>
  row ? { id: row.id, height: Number(row.height), hash: row.hash } : null;

/** The highest applied block of a network, null before the first. */
export async function tipBlock(sql: Sql, network: string): Promise<AppliedBlock | null> {
  const [row] = await sql.query<Row>(
    `select id, height, hash from block where network = $1 and state = 'applied' order by height desc limit 1`,
    [network],
  );
  return applied(row);
}

/** The applied block at a height, null where there is none. */
export async function blockAt(sql: Sql, network: string, height: number): Promise<AppliedBlock | null> {
  const [row] = await sql.query<Row>(
    `select id, height, hash from block where network = $1 and state = 'applied' and height = $2`,
    [network, height],
  );
  return applied(row);
}

/** When the block at a height of the applied chain was made, UTC milliseconds; null when none is applied there. */
export async function timeAt(sql: Sql, network: string, height: number): Promise<bigint | null> {
  const [row] = await sql.query<{ time_ms: bigint }>(
    `select time_ms from block where network = $1 and state = 'applied' and height = $2`,
    [network, height],
  );
  return row?.time_ms ?? null;
}

/**
 * Lets one transaction a network at a time move the tip, until it ends.
 * @returns false when the tip is another one by now: a second server on this database follows too.
 */
export async function lockTip(sql: Sql, network: string, expected: AppliedBlock | null): Promise<boolean> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended('tip:' || $1, 0))`, [network]);
  return (await tipBlock(sql, network))?.id === expected?.id;
}

/**
 * Appends a block to the applied chain and returns the id of this application.
 * @throws InvariantError when it does not extend the tip: two servers would have to follow at once.
 */
export async function insertBlock(
  sql: Sql,
  block: { network: string; height: number; hash: string; parentHash: string; timeMs: number },
  nowMs: number,
): Promise<bigint> {
  const tip = await tipBlock(sql, block.network);
  invariant(
    tip === null || (tip.height + 1 === block.height && tip.hash === block.parentHash),
    `block ${block.height} ${block.hash} does not extend the applied tip ${tip?.height} ${tip?.hash} of ${block.network}`,
  );
  const [row] = await sql.query<{ id: bigint }>(
    `insert into block (network, height, hash, parent_hash, time_ms, applied_at_ms, state)
     values ($1, $2, $3, $4, $5, $6, 'applied') returning id`,
    [block.network, block.height, block.hash, block.parentHash, block.timeMs, nowMs],
  );
  invariant(row, 'insert returned no row');
  return row.id;
}

/** Takes the tip off the applied chain. @throws InvariantError when it is not the tip any more. */
export async function markRolledBack(sql: Sql, network: string, blockId: bigint): Promise<void> {
  const tip = await tipBlock(sql, network);
  invariant(tip?.id === blockId, `block ${blockId} is not the applied tip of ${network}`);
  await sql.query(`update block set state = 'rolled_back' where id = $1`, [blockId]);
}
