import { Failure } from '@holdfast/core/failure.ts';
import type { Sql } from './database.ts';

/** Next index on the change branch; the caller's transaction holds the lock until the address row is written. */
export async function nextChangeIndex(sql: Sql, network: string): Promise<number> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended('change-address:' || $1, 0))`, [network]);
  const [row] = await sql.query<{ next: bigint }>(
    'select coalesce(max(derivation_index) + 1, 0)::bigint as next from change_address where network = $1',
    [network],
  );
  return Number(row!.next);
}

export async function insertChangeAddress(
  sql: Sql,
  row: { network: string; index: number; address: string; script: string; epoch: number },
): Promise<void> {
  await sql.query(
    'insert into change_address (network, derivation_index, address, script, epoch) values ($1, $2, $3, $4, $5)',
    [row.network, row.index, row.address, row.script, row.epoch],
  );
}

/**
 * Watches the one change address of a wallet that has one, and so one epoch; what is there already stays.
 * @throws Failure config-invalid when the network has change addresses of another wallet.
 */
export async function keepChangeAddress(
  sql: Sql,
  row: { network: string; address: string; script: string },
): Promise<void> {
  await sql.query(
    `insert into change_address (network, derivation_index, address, script) values ($1, 0, $2, $3)
     on conflict do nothing`,
    [row.network, row.address, row.script],
  );
  const scripts = await allChangeScripts(sql, row.network);
  if (scripts.length === 1 && scripts[0] === row.script) return;
  throw new Failure('config-invalid', `${row.network} has change addresses of another wallet than ${row.address}`, {
    fix: 'Put back the wallet that the policy named. A wallet is not replaced in place: docs/adr/0021-hsm-bitcoin-wallet.md.',
  });
}

/** Which of the scripts (hex) are own change, with their index and key epoch. */
export async function changeByScript(
  sql: Sql,
  network: string,
  scripts: readonly string[],
): Promise<Map<string, { address: string; index: number; epoch: number }>> {
  if (scripts.length === 0) return new Map();
  const rows = await sql.query<{ script: string; address: string; derivation_index: bigint; epoch: number }>(
    'select script, address, derivation_index, epoch from change_address where network = $1 and script = any ($2)',
    [network, scripts],
  );
  return new Map(
    rows.map(({ script, address, epoch, derivation_index: index }) => [
      script,
      { address, epoch, index: Number(index) },
    ]),
  );
}

export async function allChangeScripts(sql: Sql, network: string): Promise<string[]> {
  const rows = await sql.query<{ script: string }>(
    'select script from change_address where network = $1 order by derivation_index',
    [network],
  );
  return rows.map((row) => row.script);
}
