import type { Sql } from './database.ts';

export interface CoinRow {
  readonly txid: string;
  readonly vout: number;
  readonly address: string;
  readonly script: string;
  readonly branch: number;
  readonly derivation_index: bigint;
  /** Of the keys that it is spent with. */
  readonly epoch: number;
  readonly amount: bigint;
}

export interface NewCoin {
  readonly txid: string;
  readonly vout: number;
  readonly address: string;
  readonly script: string;
  readonly branch: number;
  readonly derivationIndex: number;
  readonly epoch: number;
  readonly amount: bigint;
  readonly coinbase: boolean;
}

/** Records coins of an applied block; a coin that a reorg had removed comes back with its reservation. */
export async function upsertCoins(
  sql: Sql,
  network: string,
  block: { id: bigint; height: number },
  coins: readonly NewCoin[],
): Promise<void> {
  if (coins.length === 0) return;
  await sql.query(
    `insert into coin (network, txid, vout, address, script, branch, derivation_index, amount, block_id, height, coinbase, epoch)
     select $1, c.txid, c.vout, c.address, c.script, c.branch, c.derivation_index, c.amount, $2, $3, c.coinbase, c.epoch
       from unnest($4::text[], $5::int[], $6::text[], $7::text[], $8::int[], $9::bigint[], $10::numeric[], $11::boolean[], $12::int[])
            as c (txid, vout, address, script, branch, derivation_index, amount, coinbase, epoch)
     on conflict (network, txid, vout) do update set block_id = excluded.block_id, height = excluded.height`,
    [
      network,
      block.id,
      block.height,
      coins.map(({ txid }) => txid),
      coins.map(({ vout }) => vout),
      coins.map(({ address }) => address),
      coins.map(({ script }) => script),
      coins.map(({ branch }) => branch),
      coins.map(({ derivationIndex }) => derivationIndex),
      coins.map(({ amount }) => amount),
      coins.map(({ coinbase }) => coinbase),
      coins.map(({ epoch }) => epoch),
    ],
  );
}

/** Of the outpoints `txid:vout` in $2: by the key, where a text made of two columns would read every coin. */
const named = `(txid, vout) in (select split_part(o, ':', 1), split_part(o, ':', 2)::int from unnest($2::text[]) o)`;

/** Marks coins spent by transactions of an applied block; outpoints as `txid:vout`. */
export async function markSpent(
  sql: Sql,
  network: string,
  blockId: bigint,
  spends: readonly { outpoint: string; spentBy: string }[],
): Promise<void> {
  if (spends.length === 0) return;
  await sql.query(
    `update coin set spent_by = s.spent_by, spent_block_id = $4
       from unnest($2::text[], $3::text[]) as s (outpoint, spent_by)
      where network = $1 and txid = split_part(s.outpoint, ':', 1) and vout = split_part(s.outpoint, ':', 2)::int`,
    [network, spends.map((s) => s.outpoint), spends.map((s) => s.spentBy), blockId],
  );
}

/** Our coins among the outpoints of a block, keyed `txid:vout`; when it is read once more they are spent already. */
export async function coinsAt(
  sql: Sql,
  network: string,
  outpoints: readonly string[],
): Promise<Map<string, { address: string; amount: bigint }>> {
  if (outpoints.length === 0) return new Map();
  const rows = await sql.query<{ txid: string; vout: number; address: string; amount: bigint }>(
    `select txid, vout, address, amount from coin where network = $1 and txid = any ($2)`,
    [network, [...new Set(outpoints.map((outpoint) => outpoint.split(':')[0]!))]],
  );
  return new Map(rows.map((row) => [`${row.txid}:${row.vout}`, { address: row.address, amount: row.amount }]));
}

/** Undoes a block: its coins leave the applied chain, the coins that it spent are unspent again. */
export async function rollBackCoins(sql: Sql, blockId: bigint): Promise<void> {
  await sql.query('update coin set spent_by = null, spent_block_id = null where spent_block_id = $1', [blockId]);
  await sql.query('update coin set block_id = null, height = null where block_id = $1', [blockId]);
}

interface FreeCoins {
  readonly epoch: number;
  readonly tipHeight: number;
  /** Of the network: a coin of somebody else's transaction is free when it has so many. */
  readonly finalConfirmations: number;
}

const coinColumns = 'txid, vout, address, script, branch, derivation_index, epoch, amount';

/**
 * $1 network, $2 height of the tip, $3 epoch, $4 confirmations that make final. Coins that others made may be double-spent
 * by a reorganisation until they are final, and a payment of them could then never confirm nor be proven dead: the
 * network's withdrawals would wait behind it. Change of our own transactions comes again.
 */
const isFree = `network = $1 and epoch = $3 and spent_by is null and reserved_by is null and block_id is not null
        and (not coinbase or height <= $2 - 100)
        and (height <= $2 - $4 + 1 or exists (
          select from chain_transaction t where t.network = coin.network and t.refs @> array['tx:' || coin.txid]))
        and not exists (select from deposit d where d.network = coin.network and d.txid = coin.txid and d.idx = 'vout:' || coin.vout and d.state <> 'credited')`;

const freeOf = (network: string, { tipHeight, epoch, finalConfirmations }: FreeCoins): (string | number)[] => [
  network,
  tipHeight,
  epoch,
  finalConfirmations,
];

/**
 * Confirmed coins of the epoch that nothing spends or reserves, largest first, locked. A coinbase needs 100 confirmations (maturity).
 * The coin of a deposit is spent when the deposit is credited: before, a reorg may take it away, and with it the
 * withdrawal that spends it.
 */
export async function lockFreeCoins(
  sql: Sql,
  network: string,
  from: FreeCoins & { readonly limit: number },
): Promise<CoinRow[]> {
  return sql.query<CoinRow>(
    `select ${coinColumns} from coin where ${isFree}
      order by amount desc, txid, vout limit $5 for update skip locked`,
    [...freeOf(network, from), from.limit],
  );
}

/** How many of the largest free coins there are, up to a limit, and what they are worth together. */
export async function largestFreeCoins(
  sql: Sql,
  network: string,
  from: FreeCoins & { readonly limit: number },
): Promise<{ count: number; sats: bigint }> {
  const [row] = await sql.query<{ count: bigint; sats: bigint }>(
    `select count(*)::bigint as count, coalesce(sum(amount), 0) as sats
       from (select amount from coin where ${isFree} order by amount desc, txid, vout limit $5) largest`,
    [...freeOf(network, from), from.limit],
  );
  return { count: Number(row!.count), sats: row!.sats };
}

/**
 * The smallest of the free coins above an amount, so many that `keep` of them are left; locked.
 * @param from `above`: satoshis.
 */
export async function lockSurplusCoins(
  sql: Sql,
  network: string,
  from: FreeCoins & { readonly above: bigint; readonly keep: number; readonly limit: number },
): Promise<CoinRow[]> {
  const [counted] = await sql.query<{ count: bigint }>(
    `select count(*) from (select from coin where ${isFree} and amount > $5 limit $6) as counted`,
    [...freeOf(network, from), from.above, from.keep + from.limit],
  );
  const surplus = Number(counted!.count) - from.keep;
  if (surplus <= 0) return [];
  return sql.query<CoinRow>(
    `select ${coinColumns} from coin where ${isFree} and amount > $5
      order by amount, txid, vout limit $6 for update skip locked`,
    [...freeOf(network, from), from.above, surplus],
  );
}

/** Whether one of the outpoints is a coin of an epoch before this one, spent or not. */
export async function someOfOldKeys(
  sql: Sql,
  network: string,
  outpoints: readonly string[],
  epoch: number,
): Promise<boolean> {
  const rows = await sql.query(`select from coin where network = $1 and ${named} and epoch < $3 limit 1`, [
    network,
    outpoints,
    epoch,
  ]);
  return rows.length > 0;
}

export async function reserveCoins(
  sql: Sql,
  network: string,
  outpoints: readonly string[],
  transactionId: string,
): Promise<void> {
  await sql.query(`update coin set reserved_by = $3 where network = $1 and ${named}`, [
    network,
    outpoints,
    transactionId,
  ]);
}

export async function releaseCoins(sql: Sql, transactionId: string): Promise<void> {
  await sql.query('update coin set reserved_by = null where reserved_by = $1', [transactionId]);
}

/** Coins by outpoint, whoever reserved them, as long as nothing in the applied chain spends them; locked. */
export async function lockCoinsNamed(sql: Sql, network: string, outpoints: readonly string[]): Promise<CoinRow[]> {
  if (outpoints.length === 0) return [];
  return sql.query<CoinRow>(
    `select ${coinColumns} from coin
      where network = $1 and ${named} and spent_by is null and block_id is not null
      order by txid, vout for update`,
    [network, outpoints],
  );
}
