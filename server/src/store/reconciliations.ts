import type { AssetCode } from '@holdfast/core/money/asset.ts';
import type { Sql } from './database.ts';

export type WalletName = 'hot' | 'uncollected' | 'relayer' | 'cold';

/** One wallet of a network against the chain at one block, base units. */
export interface ReconciledWallet {
  readonly wallet: WalletName;
  readonly asset: AssetCode;
  readonly ledger: bigint;
  readonly chain: bigint;
}

/** A deposit address and what it should hold of each asset, base units; of what is left out nothing. */
export interface ExpectedHolding {
  readonly id: string;
  readonly address: string;
  readonly expected: ReadonlyMap<AssetCode, bigint>;
}

interface HoldingRow {
  readonly id: string;
  readonly address: string;
  readonly asset: AssetCode | null;
  readonly amount: bigint | null;
}

/** Height of the last comparison; null before the first. */
export async function reconciledHeight(sql: Sql, network: string): Promise<number | null> {
  const [row] = await sql.query<{ height: bigint }>('select height from reconciliation_round where network = $1', [
    network,
  ]);
  return row ? Number(row.height) : null;
}

/** The last comparison of each wallet. */
export async function lastReconciliations(
  sql: Sql,
  network: string | null = null,
): Promise<(ReconciledWallet & { readonly network: string })[]> {
  return sql.query(
    'select network, wallet, asset, ledger, chain from reconciliation where $1::text is null or network = $1 order by 1, 2, 3',
    [network],
  );
}

/** Forwarders with deposits that no sweep has collected, and those that were found to hold something. */
export async function addressesWithHoldings(sql: Sql, network: string): Promise<ExpectedHolding[]> {
  const rows = await sql.query<HoldingRow>(
    `select a.id, a.address, d.asset, sum(d.amount) as amount
       from deposit d join deposit_address a on a.id = d.address_id
       left join chain_transaction t on t.id = d.sweep_id
      where d.network = $1 and d.state <> 'orphaned' and (t.id is null or t.state not in ('included', 'final'))
      group by a.id, a.address, d.asset
      union all
     select a.id, a.address, null, null
       from reconciliation_stray s join deposit_address a on a.id = s.address_id where s.network = $1
      order by 1`,
    [network],
  );
  return grouped(rows);
}

/** The next addresses of the rotation, none of them expected to hold anything; fewer than `limit` at its end. */
export async function nextAddresses(
  sql: Sql,
  network: string,
  limit: number,
): Promise<(ExpectedHolding & { readonly isLast: boolean })[]> {
  const rows = await sql.query<HoldingRow>(
    `select a.id, a.address, null as asset, null as amount from deposit_address a
      where a.network = $1
        and a.id > coalesce((select after_address from reconciliation_round where network = $1), '00000000-0000-0000-0000-000000000000')
      order by a.id limit $2`,
    [network, limit],
  );
  return grouped(rows).map((row, at, all) => ({ ...row, isLast: at === all.length - 1 }));
}

/** Every address that a deposit ever reached, none of them expected to hold anything. */
export async function addressesEverUsed(sql: Sql, network: string): Promise<ExpectedHolding[]> {
  const rows = await sql.query<HoldingRow>(
    `select a.id, a.address, null as asset, null as amount from deposit_address a
      where a.network = $1 and exists (select from deposit d where d.address_id = a.id) order by a.id`,
    [network],
  );
  return grouped(rows);
}

function grouped(rows: readonly HoldingRow[]): ExpectedHolding[] {
  const found = new Map<string, { id: string; address: string; expected: Map<AssetCode, bigint> }>();
  for (const { id, address, asset, amount } of rows) {
    const holding = found.get(id) ?? { id, address, expected: new Map<AssetCode, bigint>() };
    if (asset !== null) holding.expected.set(asset, amount ?? 0n);
    found.set(id, holding);
  }
  return [...found.values()];
}

export interface ReconciledRound {
  readonly height: number;
  readonly wallets: readonly ReconciledWallet[];
  /** Addresses that hold what no deposit says. */
  readonly strays: readonly string[];
  /** Where the rotation goes on; null: from the start. */
  readonly afterAddress: string | null;
}

/** Keeps what a comparison found, in the caller's transaction. */
export async function saveRound(sql: Sql, network: string, round: ReconciledRound, nowMs: number): Promise<void> {
  const { height, wallets, strays, afterAddress } = round;
  await sql.query(
    `insert into reconciliation_round (network, height, after_address) values ($1, $2, $3)
     on conflict (network) do update set height = excluded.height, after_address = excluded.after_address`,
    [network, height, afterAddress],
  );
  await sql.query(
    `insert into reconciliation (network, wallet, asset, height, ledger, chain, checked_at_ms)
     select $1, w, a, $2, l, c, $3 from unnest($4::text[], $5::text[], $6::numeric[], $7::numeric[]) as r (w, a, l, c)
     on conflict (network, wallet, asset) do update
       set height = excluded.height, ledger = excluded.ledger, chain = excluded.chain, checked_at_ms = excluded.checked_at_ms`,
    [
      network,
      height,
      nowMs,
      wallets.map(({ wallet }) => wallet),
      wallets.map(({ asset }) => asset),
      wallets.map(({ ledger }) => ledger),
      wallets.map(({ chain }) => chain),
    ],
  );
  await sql.query('delete from reconciliation_stray where network = $1 and address_id <> all ($2)', [network, strays]);
  await sql.query(
    'insert into reconciliation_stray (network, address_id) select $1, unnest($2::uuid[]) on conflict do nothing',
    [network, strays],
  );
}
