import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { AppliedBlock } from './blocks.ts';
import type { Database, Sql } from './database.ts';
import type { DepositAddressRow } from './deposit-addresses.ts';

/** Statements that only the rebuilding of a lost database needs. Each may run again and changes nothing then. */

/** Any constant that no other lock has. */
const rebuildLockKey = 4_716_017_002n;

/**
 * Runs `work` while nobody else on this database does: two that put the same back at once would each find what the other one
 * has half done. The lock is that of a session, so one that is killed leaves none behind.
 * @throws Failure already-running, or what `work` throws.
 */
export async function rebuildAlone<T>(db: Database, work: () => Promise<T>): Promise<T> {
  return db.transaction(async (sql) => {
    // It says nothing more until the work is done, however long that takes.
    await sql.query('set local idle_in_transaction_session_timeout = 0');
    const [row] = await sql.query<{ free: boolean }>('select pg_try_advisory_xact_lock($1) as free', [rebuildLockKey]);
    if (row?.free !== true) {
      const fix = 'Wait for it to end; should it have been killed, PostgreSQL lets go in seconds.';
      throw new Failure('already-running', 'another rebuild works on this database', { fix });
    }
    return work();
  });
}

/** The applied tip, when it was applied at that time or later. */
export async function tipAppliedSince(sql: Sql, network: string, sinceMs: bigint): Promise<AppliedBlock | null> {
  const [row] = await sql.query<{ id: bigint; height: bigint; hash: string; applied_at_ms: bigint }>(
    `select id, height, hash, applied_at_ms from block where network = $1 and state = 'applied' order by height desc limit 1`,
    [network],
  );
  if (!row || row.applied_at_ms < sinceMs) return null;
  return { id: row.id, height: Number(row.height), hash: row.hash };
}

/**
 * A customer as the signers know it. Where the name is taken by another one that came since, it keeps its id as its name.
 * @param reference what the integrator calls it; null when no signer was told.
 * @returns whether it was missing, and whether it has its own name.
 */
export async function restoreCustomer(
  sql: Sql,
  customer: { readonly id: string; readonly reference: string | null },
  createdAtMs: number,
): Promise<'known' | 'restored' | 'nameless'> {
  const insert = async (name: string): Promise<boolean> =>
    (
      await sql.query(
        'insert into customer (id, client_reference, created_at_ms) values ($1, $2, $3) on conflict do nothing returning id',
        [customer.id, name, createdAtMs],
      )
    ).length > 0;
  const known = await sql.query('select from customer where id = $1', [customer.id]);
  if (known.length > 0) return 'known';
  if (customer.reference !== null && (await insert(customer.reference))) return 'restored';
  invariant(await insert(`lost:cus_${customer.id}`), 'a name made of a fresh id is free');
  return 'nameless';
}

/** Takes away what was allotted a place since that signers know another customer's address at; nobody was ever told it. */
export async function freeAddressPlace(sql: Sql, network: string, index: number): Promise<void> {
  await sql.query(
    `delete from deposit_address a where network = $1 and derivation_index = $2 and state = 'pending'
        and not exists (select from deposit d where d.address_id = a.id)`,
    [network, index],
  );
}

/** Addresses that nobody was told by this database, put back or derived since a time. */
export async function pendingAddresses(
  sql: Sql,
  sinceMs: number,
): Promise<Pick<DepositAddressRow, 'id' | 'network' | 'derivation_index' | 'customer_id' | 'address' | 'epoch'>[]> {
  return sql.query(
    `select id, network, derivation_index, customer_id, address, epoch from deposit_address
      where state = 'pending' and created_at_ms >= $1 order by id`,
    [sinceMs],
  );
}

/** Change addresses are allotted once: one that is there already stays. */
export async function restoreChangeAddress(
  sql: Sql,
  row: { network: string; index: number; address: string; script: string; epoch: number },
): Promise<void> {
  await sql.query(
    `insert into change_address (network, derivation_index, address, script, epoch) values ($1, $2, $3, $4, $5)
     on conflict do nothing`,
    [row.network, row.index, row.address, row.script, row.epoch],
  );
}

/** What a transaction was stored with. */
export async function storedContent(sql: Sql, id: string): Promise<{ unsigned: object; conflictKeys: string[] }> {
  const [row] = await sql.query<{ unsigned: object; conflict_keys: string[] }>(
    'select unsigned, conflict_keys from chain_transaction where id = $1',
    [id],
  );
  invariant(row, `transaction ${id} is stored`);
  return { unsigned: row.unsigned, conflictKeys: row.conflict_keys };
}

/** Fills in what was not known when a lost transaction was put back. */
export async function setUnsigned(sql: Sql, id: string, unsigned: object): Promise<void> {
  await sql.query(`update chain_transaction set unsigned = $2::jsonb where id = $1 and state = 'built'`, [
    id,
    JSON.stringify(unsigned),
  ]);
}

/** Script (hex) and amount of our coins, by `txid:vout`. */
export async function coinScripts(
  sql: Sql,
  network: string,
  outpoints: readonly string[],
): Promise<Map<string, { script: string; amount: string }>> {
  const rows = await sql.query<{ outpoint: string; script: string; amount: bigint }>(
    `select txid || ':' || vout as outpoint, script, amount from coin
      where network = $1 and txid || ':' || vout = any ($2) and block_id is not null`,
    [network, outpoints],
  );
  return new Map(rows.map(({ outpoint, script, amount }) => [outpoint, { script, amount: amount.toString() }]));
}

interface OwnState {
  readonly id: string;
  /** Known from the chain alone, and in no block here yet. */
  readonly adopted: boolean;
}

/** The transaction of ours that a block calls so. */
export async function ownByRef(sql: Sql, network: string, ref: string): Promise<OwnState | null> {
  const [row] = await sql.query<OwnState>(
    `select id, unsigned ? 'relayed' and state = 'built' as adopted from chain_transaction where network = $1 and refs @> $2`,
    [network, [ref]],
  );
  return row ?? null;
}

/** It was offered to signers: what a quorum says to it now is not the first word. */
export async function markOffered(sql: Sql, id: string): Promise<void> {
  await sql.query('update chain_transaction set attempts = greatest(attempts, 1) where id = $1', [id]);
}

/** Transactions of a network that were built for withdrawals which another one pays by now. */
export async function abandonEmpty(sql: Sql, network: string): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `update chain_transaction t set state = 'abandoned', last_problem = 'a later one took its withdrawals over'
      where network = $1 and kind = 'withdrawal' and state = 'built'
        and not exists (select from withdrawal w where w.transaction_id = t.id) returning id`,
    [network],
  );
  return rows.map(({ id }) => id);
}

/** Transactions of a network that no block has and no bytes are stored of. */
export async function builtTransactions(sql: Sql, network: string): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `select id from chain_transaction where network = $1 and state = 'built' and raw is null order by id`,
    [network],
  );
  return rows.map(({ id }) => id);
}

/** A withdrawal is part of a transaction, whatever becomes of either. */
export async function restoreAttempt(sql: Sql, withdrawalId: string, transactionId: string): Promise<void> {
  await sql.query(
    'insert into withdrawal_attempt (withdrawal_id, transaction_id) values ($1, $2) on conflict do nothing',
    [withdrawalId, transactionId],
  );
}

/** It is the transaction's to pay, from whatever it was before. */
export async function giveToTransaction(
  sql: Sql,
  withdrawalId: string,
  transactionId: string,
  nowMs: number,
): Promise<void> {
  await sql.query(
    `update withdrawal set state = 'signing', transaction_id = $2, reason = null, updated_at_ms = $3 where id = $1`,
    [withdrawalId, transactionId, nowMs],
  );
}

export interface Unheld {
  readonly id: string;
  readonly customer_id: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly fee: bigint;
  readonly released: boolean;
}

/** Withdrawals that may be or are paid and for which nothing is held: they were put back, or given back before they were known to be paid. */
export async function unheldWithdrawals(sql: Sql): Promise<Unheld[]> {
  return sql.query<Unheld>(
    `select * from (
       select w.id, w.customer_id, w.asset, w.amount, w.fee,
              exists (select from transfer t where t.idem = 'withdrawal/' || w.id || '/release') as released,
              exists (select from transfer t where t.idem = 'withdrawal/' || w.id || '/hold') as held
         from withdrawal w where w.state in ('signing', 'broadcast', 'included')) open
      where (not held or released)
        and not exists (select from transfer t where t.cause = 'rebuilt-hold:' || open.id) order by id`,
  );
}

/** A signer has taken the record before. */
export async function noteAccepted(
  sql: Sql,
  digest: string,
  signer: string,
  effectiveAtMs: number | null,
): Promise<void> {
  await sql.query(
    `update signer_delivery d set state = 'accepted', effective_at_ms = $3 from customer_record r
      where r.digest = $1 and d.record_id = r.id and d.signer = $2 and d.state = 'pending'`,
    [digest, signer, effectiveAtMs],
  );
}

/** Id of the deposit in quarantine at a place on a chain; null for none. */
export async function quarantinedAt(
  sql: Sql,
  place: { readonly network: string; readonly txid: string; readonly index: string; readonly asset: string },
): Promise<string | null> {
  const [row] = await sql.query<{ id: string }>(
    `select id from deposit where network = $1 and txid = $2 and idx = $3 and asset = $4 and state = 'quarantined'`,
    [place.network, place.txid, place.index, place.asset],
  );
  return row?.id ?? null;
}

/** Deposits at addresses that a transaction has emptied are collected by it. */
export async function noteCollected(
  sql: Sql,
  network: string,
  transactionId: string,
  emptied: readonly { readonly address: string; readonly asset: string }[],
): Promise<void> {
  await sql.query(
    `update deposit d set sweep_id = $2 from deposit_address a, unnest($3::text[], $4::text[]) as e (address, asset)
      where a.id = d.address_id and a.network = $1 and lower(a.address) = lower(e.address) and d.asset = e.asset
        and d.sweep_id is null and d.state in ('seen', 'credited')`,
    [network, transactionId, emptied.map(({ address }) => address), emptied.map(({ asset }) => asset)],
  );
}

/** Numbers that were given to events which are lost are not given again: the next ones come after a gap that none has filled. */
export async function skipEventNumbers(
  sql: Sql,
  event: { readonly id: string; readonly alarmId: string; readonly gap: number },
  nowMs: number,
): Promise<void> {
  await sql.query(
    `insert into event (id, seq, type, resource, resource_id, occurred_at_ms)
     select $1, coalesce(max(seq), 0) + $3, 'database.rebuilt', 'alarm', $2, $4 from event`,
    [event.id, event.alarmId, event.gap, nowMs],
  );
}
