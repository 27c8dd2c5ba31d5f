import type { Sql } from './database.ts';

/** Public half of a threshold key, hex: what derivation and aggregation need. */
export interface WalletKey {
  readonly network: string;
  readonly epoch: number;
  readonly group_key: string;
  readonly chain_code: string;
  readonly commitments: string[];
  readonly verifying_shares: { identifier: string; point: string }[];
}

export async function walletKey(sql: Sql, network: string): Promise<WalletKey | null> {
  const [row] = await sql.query<{ public: WalletKey }>(
    'select public from wallet_key where network = $1 order by epoch desc limit 1',
    [network],
  );
  return row?.public ?? null;
}

/** The keys of all epochs, the newest first. */
export async function walletKeys(sql: Sql, network: string): Promise<WalletKey[]> {
  const rows = await sql.query<{ public: WalletKey }>(
    'select public from wallet_key where network = $1 order by epoch desc',
    [network],
  );
  return rows.map((row) => row.public);
}

/** Records a key once; a later different one for the same epoch is ignored and the first is returned. */
export async function rememberWalletKey(sql: Sql, key: WalletKey): Promise<WalletKey> {
  await sql.query('insert into wallet_key (network, epoch, public) values ($1, $2, $3::jsonb) on conflict do nothing', [
    key.network,
    key.epoch,
    JSON.stringify(key),
  ]);
  return (await walletKey(sql, key.network)) ?? key;
}
