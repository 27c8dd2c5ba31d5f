import type { Sql } from './database.ts';

export interface ColdWallet {
  /** Canonical text. */
  readonly address: string;
  readonly watch_key: string;
}

/** The cold addresses of a network whose balances are in the ledger. */
export async function coldWallets(sql: Sql, network: string): Promise<ColdWallet[]> {
  return sql.query<ColdWallet>('select address, watch_key from cold_wallet where network = $1 order by watch_key', [
    network,
  ]);
}

/** Watches an address from the block after `height` on. @returns false when it is watched already. */
export async function insertColdWallet(
  sql: Sql,
  row: ColdWallet & { readonly network: string; readonly height: number },
  nowMs: number,
): Promise<boolean> {
  const rows = await sql.query(
    `insert into cold_wallet (network, address, watch_key, since_height, opened_at_ms) values ($1, $2, $3, $4, $5)
     on conflict do nothing returning watch_key`,
    [row.network, row.address, row.watch_key, row.height, nowMs],
  );
  return rows.length > 0;
}
