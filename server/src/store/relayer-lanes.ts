import type { RelayerLane, StoredTransaction } from '../networks/network.ts';
import { type ChainTransactionRow, transactionColumns } from './chain-transactions.ts';
import type { Sql } from './database.ts';

/** One account of the relayer on one network. */
export interface Lane {
  readonly network: string;
  readonly lane: RelayerLane;
}

/** Lets one deciding transaction a network's lanes through at a time: taken before nonces are read and given. */
export async function lockLanes(sql: Sql, network: string): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended('relayer:' || $1, 0))`, [network]);
}

/** Nonces of a lane, from one on, that stored bytes carry, in order. */
async function takenNonces(sql: Sql, { network, lane }: Lane, from: bigint): Promise<bigint[]> {
  const rows = await sql.query<{ relayer_nonce: bigint }>(
    `select relayer_nonce from chain_transaction
      where network = $1 and relayer_lane = $2 and relayer_nonce >= $3 and state not in ('abandoned', 'replaced') order by relayer_nonce`,
    [network, lane, from],
  );
  return rows.map((row) => row.relayer_nonce);
}

/**
 * The next nonce of a lane, in the transaction that stores the bytes: never one that stored bytes carry, and the
 * lowest other one, since one that was given up and that no node remembers would keep all later ones out of every block.
 */
export async function nextRelayerNonce(sql: Sql, lane: Lane, chainNonce: bigint): Promise<bigint> {
  await lockLanes(sql, lane.network);
  let next = chainNonce;
  for (const taken of await takenNonces(sql, lane, chainNonce)) if (taken === next) next++;
  return next;
}

/** The lowest nonce that nothing stored carries below one that something does: what has later nonces waits for it. */
export async function gapBelow(sql: Sql, lane: Lane, chainNonce: bigint): Promise<bigint | null> {
  const taken = await takenNonces(sql, lane, chainNonce);
  const gap = taken.findIndex((nonce, at) => nonce !== chainNonce + BigInt(at));
  return gap === -1 ? null : chainNonce + BigInt(gap);
}

/** Bytes with this nonce of a lane that were given up; nodes may still hold them. */
export async function givenUpBytes(sql: Sql, { network, lane }: Lane, relayerNonce: bigint): Promise<Uint8Array[]> {
  const rows = await sql.query<{ raw: Uint8Array }>(
    `select raw from chain_transaction
      where network = $1 and relayer_lane = $2 and relayer_nonce = $3 and state in ('abandoned', 'replaced') and raw is not null`,
    [network, lane, relayerNonce],
  );
  return rows.map(({ raw }) => raw);
}

export interface CallInFlight extends ChainTransactionRow {
  readonly raw: Uint8Array;
  readonly relayer_nonce: bigint;
}

/** Stored calls that no applied block shows, the lowest nonce first. */
export async function callsInFlight(sql: Sql, { network, lane }: Lane): Promise<CallInFlight[]> {
  return sql.query(
    `select ${transactionColumns} from chain_transaction t
      where t.network = $1 and t.relayer_lane = $2 and t.relayer_nonce is not null and t.state in ('signed', 'broadcast', 'uncertain')
      order by t.relayer_nonce limit 100`,
    [network, lane],
  );
}

/**
 * Puts other bytes of the same call in the place of the ones stored, which are kept: a block may still take those.
 * @param seen the version that the new bytes were made of.
 * @returns false when it is not in flight any more, or another server was first.
 */
export async function storeVersion(
  sql: Sql,
  seen: Pick<ChainTransactionRow, 'id' | 'version'>,
  made: StoredTransaction,
  height: number,
  nowMs: number,
): Promise<boolean> {
  const [live] = await sql.query(
    `select from chain_transaction where id = $1 and version = $2 and state in ('signed', 'broadcast', 'uncertain') for update`,
    [seen.id, seen.version],
  );
  if (!live) return false;
  await sql.query(
    `insert into replaced_bytes (transaction_id, version, txid, raw, replaced_at_ms)
     select id, version, txid, raw, $2 from chain_transaction where id = $1`,
    [seen.id, nowMs],
  );
  await sql.query(
    `update chain_transaction set raw = $2, txid = $3, refs = refs || $4::text[], relayer_nonce = $5, relayer_lane = $6, version = version + 1,
            state = 'broadcast', next_attempt_at_ms = $7, waiting_from_ms = $7, waiting_from_height = $8, fee_refused = false
      where id = $1`,
    [seen.id, made.raw, made.txid, made.refs, made.relayerNonce, made.relayerLane ?? 'payout', nowMs, height],
  );
  return true;
}
