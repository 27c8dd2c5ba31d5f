import type { SeenDeposit } from '@holdfast/core/deposits/decide-block.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Sql } from './database.ts';

export interface DepositRow {
  readonly id: string;
  readonly network: string;
  readonly asset: string;
  readonly customer_id: string;
  readonly amount: bigint;
  readonly state: 'seen' | 'credited' | 'quarantined' | 'rejected' | 'kept' | 'orphaned';
  readonly credits: number;
  /** The approvers' decision, where it was in quarantine. */
  readonly release_id: string | null;
}

/**
 * Records deposits of a block: new ones are inserted, one that a reorg had orphaned comes back under its old id.
 * @returns the rows' ids in the order given.
 * @throws InvariantError when a deposit is already in another applied block.
 */
export async function upsertSeenDeposits(
  sql: Sql,
  network: string,
  block: { id: bigint; height: number },
  deposits: readonly SeenDeposit[],
  newId: () => string,
  nowMs: number,
): Promise<string[]> {
  if (deposits.length === 0) return [];
  const place = (deposit: { txid: string; idx: string; asset: string }): string =>
    `${deposit.txid} ${deposit.idx} ${deposit.asset}`;
  const rows = await sql.query<{ id: string; txid: string; idx: string; asset: string }>(
    `insert into deposit (id, network, txid, idx, asset, address_id, customer_id, amount, state, reason, block_id, height,
                          confirmations_required, seen_at_ms)
     select d.id, $1, d.txid, d.idx, d.asset, d.address_id, d.customer_id, d.amount, d.state, d.reason, $2, $3, d.required, $4
       from unnest($5::uuid[], $6::text[], $7::text[], $8::text[], $9::uuid[], $10::uuid[], $11::numeric[], $12::text[], $13::text[], $14::int[])
            with ordinality as d (id, txid, idx, asset, address_id, customer_id, amount, state, reason, required, n)
      order by d.n
     on conflict (network, txid, idx, asset) do update
       set state = excluded.state, reason = excluded.reason, address_id = excluded.address_id, customer_id = excluded.customer_id, block_id = excluded.block_id, height = excluded.height,
           amount = excluded.amount, confirmations_required = excluded.confirmations_required
       where deposit.state = 'orphaned'
     returning id, txid, idx, asset`,
    [
      network,
      block.id,
      block.height,
      nowMs,
      deposits.map(() => newId()),
      deposits.map(({ txid }) => txid),
      deposits.map(({ index }) => index),
      deposits.map(({ asset }) => asset),
      deposits.map(({ addressId }) => addressId),
      deposits.map(({ customerId }) => customerId),
      deposits.map(({ amount }) => amount),
      deposits.map(({ state }) => state),
      deposits.map(({ doubt }) => doubt),
      deposits.map(({ confirmationsRequired }) => confirmationsRequired),
    ],
  );
  const idAt = new Map(rows.map((row) => [place(row), row.id]));
  return deposits.map((deposit) => {
    const id = idAt.get(place({ ...deposit, idx: deposit.index }));
    invariant(id, `deposit ${network} ${deposit.txid} ${deposit.index} is in two applied blocks`);
    return id;
  });
}

/** Notes the terms that deposits were seen under; one that a reorg brings back keeps its own. */
export async function noteTerms(
  sql: Sql,
  ids: readonly string[],
  scheduleIds: ReadonlyMap<string, string>,
): Promise<void> {
  if (ids.length === 0) return;
  await sql.query(
    `update deposit d set schedule_id = t.schedule_id from unnest($2::text[], $3::uuid[]) as t (asset, schedule_id)
      where d.id = any ($1) and d.asset = t.asset and d.schedule_id is null`,
    [ids, [...scheduleIds.keys()], [...scheduleIds.values()]],
  );
}

/**
 * Seen deposits deep enough for credit at `tipHeight`, oldest first, locked for the caller's transaction.
 * @param but `kept`: assets that nothing is credited of; `final`: deposits of an asset's last tier only up to this height.
 */
export async function lockCreditable(
  sql: Sql,
  network: string,
  tipHeight: number,
  limit: number,
  but: {
    readonly kept: readonly string[];
    readonly final: { readonly height: number; readonly lastTiers: ReadonlyMap<string, number> };
  },
): Promise<DepositRow[]> {
  const { height, lastTiers } = but.final;
  return sql.query<DepositRow>(
    `select id, network, asset, customer_id, amount, state, credits, release_id from deposit
      where network = $1 and state = 'seen' and not below_minimum and height + confirmations_required - 1 <= $2 and asset <> all ($4::text[])
        and (height <= $5 or confirmations_required < (
          select t.last from unnest($6::text[], $7::int[]) as t (asset, last) where t.asset = deposit.asset))
      order by height, id limit $3 for update skip locked`,
    [network, tipHeight, limit, but.kept, height, [...lastTiers.keys()], [...lastTiers.values()]],
  );
}

export async function markCredited(sql: Sql, ids: readonly string[], nowMs: number): Promise<void> {
  await sql.query(
    `update deposit set state = 'credited', credits = credits + 1, credited_at_ms = $2 where id = any ($1)`,
    [ids, nowMs],
  );
}

export interface QuarantinedDeposit extends DepositRow {
  readonly reason: string | null;
  readonly txid: string;
  readonly idx: string;
  readonly block_hash: string;
  readonly address: string;
  readonly height: bigint;
  readonly confirmations_required: number;
}

/** A deposit with all that a decision about it names, locked; null when there is none. */
export async function lockDeposit(sql: Sql, id: string): Promise<QuarantinedDeposit | null> {
  const [row] = await sql.query<QuarantinedDeposit>(
    `select d.id, d.network, d.asset, d.customer_id, d.amount, d.state, d.reason, d.credits, d.release_id, d.txid, d.idx, a.address,
            d.height, d.confirmations_required, b.hash as block_hash
       from deposit d join deposit_address a on a.id = d.address_id join block b on b.id = d.block_id where d.id = $1 for update of d`,
    [id],
  );
  return row ?? null;
}

export async function markReleased(sql: Sql, id: string, state: 'seen' | 'kept', releaseId: string): Promise<void> {
  await sql.query('update deposit set state = $2, release_id = $3 where id = $1', [id, state, releaseId]);
}

export interface DepositPlace {
  readonly txid: string;
  readonly idx: string;
  readonly asset: string;
  readonly customer_id: string;
  readonly address: string;
  readonly derivation_index: bigint;
  readonly height: bigint;
  readonly hash: string;
}

/** Where on the chain deposits are, in a fixed order. */
export async function depositPlaces(sql: Sql, ids: readonly string[]): Promise<DepositPlace[]> {
  return sql.query<DepositPlace>(
    `select d.txid, d.idx, d.asset, d.customer_id, a.address, a.derivation_index, b.height, b.hash
       from deposit d join deposit_address a on a.id = d.address_id join block b on b.id = d.block_id
      where d.id = any ($1) order by d.id`,
    [ids],
  );
}

/** Whether an applied block has deposits that no balance proved when it was read: its postings lack them, whatever became of them. */
export async function hasUnread(sql: Sql, blockId: bigint): Promise<boolean> {
  const rows = await sql.query(
    `select from deposit d where d.block_id = $1 and d.state <> 'orphaned'
        and (d.reason = 'balance-unread' or exists (
          select from transfer t join account a on a.id = t.debit
           where t.cause = 'release:' || d.id and a.code like 'uncollected:%')) limit 1`,
    [blockId],
  );
  return rows.length > 0;
}

/** `<txid> <index> <asset>` of the deposits of an applied block. */
export async function knownDeposits(sql: Sql, network: string, blockId: bigint): Promise<Set<string>> {
  const rows = await sql.query<{ name: string }>(
    `select txid || ' ' || idx || ' ' || asset as name from deposit
      where network = $1 and block_id = $2 and state <> 'orphaned'`,
    [network, blockId],
  );
  return new Set(rows.map(({ name }) => name));
}

/** Every deposit of a block that is being rolled back, locked. */
export async function lockDepositsOfBlock(sql: Sql, blockId: bigint): Promise<DepositRow[]> {
  return sql.query<DepositRow>(
    `select id, network, asset, customer_id, amount, state, credits, release_id from deposit
      where block_id = $1 and state <> 'orphaned' order by id for update`,
    [blockId],
  );
}

export async function markOrphaned(sql: Sql, ids: readonly string[]): Promise<void> {
  await sql.query(
    `update deposit set state = 'orphaned', credited_at_ms = null, sweep_id = null, release_id = null where id = any ($1)`,
    [ids],
  );
}

export interface Unswept {
  readonly customer_id: string;
  readonly derivation_index: bigint;
  readonly asset: string;
  readonly deposit_ids: string[];
}

/** Forwarders that hold credited deposits nothing collects yet, oldest first, with those deposits. */
export async function unsweptDeposits(
  sql: Sql,
  network: string,
  creditedBeforeMs: number,
  minimums: ReadonlyMap<string, bigint>,
  limit: number,
  keptAssets: readonly string[],
): Promise<Unswept[]> {
  return sql.query<Unswept>(
    `select a.customer_id, a.derivation_index, d.asset, array_agg(d.id order by d.id) as deposit_ids
       from deposit d join deposit_address a on a.id = d.address_id
      where d.network = $1 and d.state = 'credited' and d.sweep_id is null and d.credited_at_ms <= $2 and d.asset <> all ($6::text[])
      group by a.customer_id, a.derivation_index, d.asset
     having sum(d.amount) >= coalesce((select m.minimum from unnest($4::text[], $5::numeric[]) as m (asset, minimum) where m.asset = d.asset), 0)
      order by min(d.credited_at_ms), 2, 3 limit $3`,
    [network, creditedBeforeMs, limit, [...minimums.keys()], [...minimums.values()], keptAssets],
  );
}

/** Gives deposits to a sweep, all of them or none. @returns false when one was swept or orphaned meanwhile. */
export async function markSwept(sql: Sql, ids: readonly string[], sweepId: string): Promise<boolean> {
  const locked = await sql.query(
    `select id from deposit where id = any ($1) and sweep_id is null and state = 'credited' order by id for update`,
    [ids],
  );
  if (locked.length !== ids.length) return false;
  await sql.query('update deposit set sweep_id = $2 where id = any ($1)', [ids, sweepId]);
  return true;
}

/** Addresses and assets that a sweep was to empty. */
export async function sweptDeposits(sql: Sql, sweepId: string): Promise<{ address: string; asset: string }[]> {
  return sql.query<{ address: string; asset: string }>(
    'select distinct a.address, d.asset from deposit d join deposit_address a on a.id = d.address_id where d.sweep_id = $1',
    [sweepId],
  );
}
