import type { OwnTransaction } from '@holdfast/core/deposits/decide-block.ts';
import type { OfferOutcome } from '@holdfast/core/withdrawals/offer-outcome.ts';
import type { RelayerLane, StoredTransaction } from '../networks/network.ts';
import type { Sql } from './database.ts';

export type TransactionState =
  | 'built'
  | 'signed'
  | 'broadcast'
  | 'uncertain'
  | 'included'
  | 'final'
  | 'abandoned'
  | 'replaced';

type TransactionKind = OwnTransaction['kind'];

export interface ChainTransactionRow {
  readonly id: string;
  readonly network: string;
  readonly kind: TransactionKind;
  readonly state: TransactionState;
  readonly unsigned: object;
  readonly conflict_keys: string[];
  readonly refs: string[];
  readonly txid: string | null;
  readonly raw: Uint8Array | null;
  readonly attempts: number;
  readonly block_id: bigint | null;
  readonly height: bigint | null;
  readonly next_attempt_at_ms: bigint;
  readonly broadcast_at_ms: bigint | null;
  /** The same for all versions of one transaction; the first one's own id. */
  readonly first_version: string;
  readonly version: number;
  readonly relayer_lane: RelayerLane;
  readonly relayer_nonce: bigint | null;
}

export const transactionColumns =
  't.id, t.network, t.kind, t.state, t.unsigned, t.conflict_keys, t.refs, t.txid, t.raw, t.attempts, t.block_id, t.height, t.next_attempt_at_ms, t.broadcast_at_ms, t.first_version, t.version, t.relayer_lane, t.relayer_nonce';

/** Versions of `t` that make it pointless to offer it: a block has one, or a later one is on its way. */
export const laterVersion = `select from chain_transaction o where o.first_version = t.first_version and o.id <> t.id
  and (o.state in ('included', 'final') or (o.version > t.version and o.state in ('signed', 'broadcast', 'uncertain')))`;

export async function insertTransaction(
  sql: Sql,
  row: {
    id: string;
    network: string;
    kind: TransactionKind;
    unsigned: object;
    conflictKeys: readonly string[];
    refs: readonly string[];
    /** Left out: it is the first one of its kind. */
    versionOf?: { firstVersion: string; version: number };
  },
  nowMs: number,
): Promise<void> {
  const { firstVersion, version } = row.versionOf ?? { firstVersion: row.id, version: 1 };
  await sql.query(
    `insert into chain_transaction (id, network, kind, state, unsigned, conflict_keys, refs, created_at_ms, next_attempt_at_ms, first_version, version)
     values ($1, $2, $3, 'built', $4::jsonb, $5, $6, $7, $7, $8, $9)`,
    [
      row.id,
      row.network,
      row.kind,
      JSON.stringify(row.unsigned),
      row.conflictKeys,
      row.refs,
      nowMs,
      firstVersion,
      version,
    ],
  );
}

/** Lets one deciding transaction a network through at a time: taken before looking for an open one and building another. */
export async function lockBatching(sql: Sql, network: string): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended('batch:' || $1, 0))`, [network]);
}

/** Whether a pause that was authorised so was relayed already, or one of the network is under way. */
export async function hasEmergency(sql: Sql, network: string, ref: string): Promise<boolean> {
  const rows = await sql.query(
    `select 1 from chain_transaction where network = $1 and kind = 'emergency'
        and (refs @> array[$2] or state in ('built', 'signed', 'broadcast', 'uncertain')) limit 1`,
    [network, ref],
  );
  return rows.length > 0;
}

/** Whether a payment of the network is under way: built, signed or broadcast, and no version of it in a block yet. */
export async function hasOpenWithdrawalTransaction(sql: Sql, network: string): Promise<boolean> {
  const rows = await sql.query(
    `select 1 from chain_transaction t where network = $1 and kind = 'withdrawal' and state in ('built', 'signed', 'broadcast', 'uncertain')
        and not exists (select from chain_transaction o where o.first_version = t.first_version and o.state in ('included', 'final')) limit 1`,
    [network],
  );
  return rows.length > 0;
}

/** Lets one sweep of old keys be built at a time. */
export async function lockSweeping(sql: Sql, network: string): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended('sweep:' || $1, 0))`, [network]);
}

/** The sweep of the network that is under way: built, signed or broadcast and not yet in a block. */
export async function openSweep(sql: Sql, network: string): Promise<ChainTransactionRow | null> {
  const [row] = await sql.query<ChainTransactionRow>(
    `select ${transactionColumns} from chain_transaction t
      where network = $1 and kind = 'sweep' and state in ('built', 'signed', 'broadcast', 'uncertain') order by id limit 1`,
    [network],
  );
  return row ?? null;
}

/** Those whose time has come, the longest due first so that none is kept out, but for what a later version or a block has made pointless. */
export async function transactionsIn(
  sql: Sql,
  network: string,
  states: readonly TransactionState[],
  dueBeforeMs: number,
): Promise<ChainTransactionRow[]> {
  return sql.query<ChainTransactionRow>(
    `select ${transactionColumns} from chain_transaction t
      where network = $1 and state = any ($2) and next_attempt_at_ms <= $3 and not exists (${laterVersion}) order by next_attempt_at_ms, id limit 100`,
    [network, states, dueBeforeMs],
  );
}

/** Stores the signed bytes before anything is sent. @returns false when the transaction is not `built` any more. */
export async function storeSigned(sql: Sql, id: string, signed: StoredTransaction, nowMs: number): Promise<boolean> {
  const rows = await sql.query(
    `update chain_transaction set state = 'signed', raw = $2, txid = $3, refs = $4, relayer_nonce = $5, last_problem = null, next_attempt_at_ms = $6,
            relayer_lane = $7
      where id = $1 and state = 'built' returning id`,
    [id, signed.raw, signed.txid, signed.refs, signed.relayerNonce, nowMs, signed.relayerLane ?? 'payout'],
  );
  return rows.length > 0;
}

/** Counts an offer to the signers before it is made: only a first offer that a quorum refuses was certainly never signed. */
export async function noteOffer(sql: Sql, id: string): Promise<void> {
  await sql.query('update chain_transaction set attempts = attempts + 1 where id = $1', [id]);
}

/**
 * Notes an offer of the bytes to the nodes. Uncertain is what no node was ever known to have; it is that until one has it.
 * @param offer `height` of the applied chain: the blocks above it count as waited.
 * @returns the state that it has now; null when it is not in flight any more.
 */
export async function markBroadcast(
  sql: Sql,
  id: string,
  offer: { readonly made: OfferOutcome; readonly height: number; readonly nextAttemptAtMs: number },
  nowMs: number,
): Promise<'broadcast' | 'uncertain' | null> {
  const rows = await sql.query<{ state: 'broadcast' | 'uncertain' }>(
    `update chain_transaction set
            state = case when state = 'broadcast' or $6 = 'taken' or (state = 'signed' and $6 = 'fee-refused') then 'broadcast' else 'uncertain' end,
            broadcast_at_ms = coalesce(broadcast_at_ms, $2), next_attempt_at_ms = $3, attempts = 0, fee_refused = $4,
            waiting_from_ms = coalesce(waiting_from_ms, $2), waiting_from_height = coalesce(waiting_from_height, $5)
      where id = $1 and state in ('signed', 'broadcast', 'uncertain') returning state`,
    [id, nowMs, offer.nextAttemptAtMs, offer.made === 'fee-refused', offer.height, offer.made],
  );
  return rows[0]?.state ?? null;
}

export async function noteProblem(sql: Sql, id: string, problem: string, nextAttemptAtMs: number): Promise<void> {
  await sql.query('update chain_transaction set last_problem = $2, next_attempt_at_ms = $3 where id = $1', [
    id,
    problem.slice(0, 1000),
    nextAttemptAtMs,
  ]);
}

export async function setTransactionState(
  sql: Sql,
  id: string,
  from: readonly TransactionState[],
  to: TransactionState,
  problem?: string,
): Promise<boolean> {
  const rows = await sql.query(
    'update chain_transaction set state = $3, last_problem = coalesce($4, last_problem) where id = $1 and state = any ($2) returning id',
    [id, from, to, problem?.slice(0, 1000) ?? null],
  );
  return rows.length > 0;
}

/** Notes that no quorum of signers ever accepted an abandoned transaction. */
export async function markRefused(sql: Sql, id: string): Promise<void> {
  await sql.query(`update chain_transaction set refused = true where id = $1 and state = 'abandoned'`, [id]);
}

/**
 * Our transactions of a network that a block shows, by each of their names, with what they pay. Every state counts:
 * whoever got hold of enough signatures may send an abandoned one, and an envelope whose content a stranger sent first is
 * mined all the same and costs gas.
 */
export async function ownByRefs(
  sql: Sql,
  network: string,
  refs: readonly string[],
): Promise<Map<string, OwnTransaction>> {
  if (refs.length === 0) return new Map();
  const rows = await sql.query<{ id: string; kind: TransactionKind; refs: string[] }>(
    `select id, kind, refs from chain_transaction where network = $1 and refs && $2::text[]`,
    [network, refs],
  );
  const payments = await sql.query<{ transaction_id: string; asset: string; amount: bigint }>(
    `select a.transaction_id, w.asset, sum(w.amount) as amount
       from withdrawal_attempt a join withdrawal w on w.id = a.withdrawal_id where a.transaction_id = any ($1) group by 1, 2`,
    [rows.map((row) => row.id)],
  );
  const own = new Map<string, OwnTransaction>();
  for (const row of rows) {
    const pays = new Map(payments.filter((p) => p.transaction_id === row.id).map((p) => [p.asset, p.amount]));
    for (const ref of row.refs) own.set(ref, { id: row.id, kind: row.kind, refs: row.refs, payments: pays });
  }
  return own;
}

/** @returns false when another block holds it already. */
export async function markIncluded(
  sql: Sql,
  inclusion: { transactionId: string; txid: string; fee: bigint },
  block: { id: bigint; height: number },
): Promise<boolean> {
  const rows = await sql.query(
    `update chain_transaction set txid = $2, fee = $3, block_id = $4, height = $5, state = 'included',
            -- The nonce of one that had been given up may have been used again.
            relayer_nonce = case when state in ('abandoned', 'replaced') then null else relayer_nonce end
      where id = $1 and state not in ('included', 'final') returning id`,
    [inclusion.transactionId, inclusion.txid, inclusion.fee, block.id, block.height],
  );
  return rows.length > 0;
}

/** Whether a transaction that may confirm or has confirmed holds one of the keys: whatever shares one can never be paid. */
export async function holdsConflictKey(sql: Sql, network: string, keys: readonly string[]): Promise<boolean> {
  const rows = await sql.query(
    `select 1 from chain_transaction where network = $1 and conflict_keys && $2::text[]
        and state in ('built', 'signed', 'broadcast', 'uncertain', 'included', 'final') limit 1`,
    [network, keys],
  );
  return rows.length > 0;
}

/**
 * Ends what can never confirm any more: transactions that share a coin or Safe nonce with one that is final.
 * @returns their ids.
 */
export async function markReplaced(sql: Sql, finalId: string): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `update chain_transaction t set state = 'replaced' from chain_transaction f
      where f.id = $1 and t.id <> f.id and t.network = f.network and t.conflict_keys && f.conflict_keys
        and t.state in ('built', 'signed', 'broadcast', 'uncertain', 'abandoned') returning t.id`,
    [finalId],
  );
  return rows.map((row) => row.id);
}

/**
 * Ends what the chain holds to a deadline that has passed in a final block: no later block takes it. It has to have passed
 * by our clock too, so that endpoints which lie about a block's time end nothing that can still be paid.
 * @param finalTimeMs of that block, UTC milliseconds.
 * @returns their ids.
 */
export async function markLapsed(sql: Sql, network: string, finalTimeMs: bigint, nowMs: number): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `update chain_transaction set state = 'replaced', last_problem = 'no block took it before its deadline'
      where network = $1 and state in ('built', 'signed', 'broadcast', 'uncertain', 'abandoned')
        and (unsigned->>'not_after_ms')::bigint < least($2::bigint, $3::bigint) returning id`,
    [network, finalTimeMs, nowMs],
  );
  return rows.map((row) => row.id);
}

/**
 * Gives up a transaction that was mined and did nothing. Its Safe nonce is unused, so its withdrawals are rebuilt at the
 * same one and whatever is signed excludes it.
 * @returns false when it was not in flight: a block holds its content already, in another envelope.
 */
export async function abandonReverted(sql: Sql, id: string, problem: string): Promise<boolean> {
  return setTransactionState(sql, id, ['signed', 'broadcast', 'uncertain'], 'abandoned', problem);
}

/**
 * Included transactions at the depth that counts as final, locked. One that took something else than its payments waits
 * for a person: its alarm is open.
 */
export async function lockFinal(sql: Sql, network: string, heightMax: number): Promise<ChainTransactionRow[]> {
  return sql.query<ChainTransactionRow>(
    `select ${transactionColumns} from chain_transaction t where network = $1 and state = 'included' and height <= $2
        and not exists (select from alarm where code = 'payment-differs' and subject = t.id::text and closed_at_ms is null)
      order by id limit 100 for update skip locked`,
    [network, heightMax],
  );
}

/**
 * What a rolled-back block had included is back in flight; what others had sent, and we have no bytes of, is built again.
 * @returns each with the state of its withdrawals, and whether it was final already: a reorg deeper than finality.
 */
export async function unincludeBlock(
  sql: Sql,
  blockId: bigint,
): Promise<{ id: string; state: 'signing' | 'broadcast'; wasFinal: boolean }[]> {
  const rows = await sql.query<{ id: string; state: 'signing' | 'broadcast'; was_final: boolean }>(
    `with hit as (select id, state = 'final' as was_final from chain_transaction where block_id = $1 and state in ('included', 'final') for update)
     update chain_transaction t set state = case when raw is null then 'built' else 'broadcast' end, block_id = null, height = null, fee = null, next_attempt_at_ms = 0
       from hit where t.id = hit.id returning t.id, case when raw is null then 'signing' else 'broadcast' end as state, hit.was_final`,
    [blockId],
  );
  return rows.map((row) => ({ id: row.id, state: row.state, wasFinal: row.was_final }));
}
