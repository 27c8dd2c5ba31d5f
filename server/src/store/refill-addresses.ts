import type { Sql } from './database.ts';

/** Index of the change address that was named for a refill and has not been paid; null when another is to be named. */
export async function unusedRefillIndex(sql: Sql, network: string, epoch: number): Promise<number | null> {
  const [row] = await sql.query<{ index: bigint }>(
    `select r.derivation_index as index from refill_address r
       join change_address a on a.network = r.network and a.derivation_index = r.derivation_index
      where r.network = $1 and a.epoch = $2
        and not exists (select from coin c where c.network = r.network and c.branch = 1 and c.epoch = $2
                           and c.derivation_index = r.derivation_index)
      order by r.derivation_index desc limit 1`,
    [network, epoch],
  );
  return row ? Number(row.index) : null;
}

export async function insertRefillAddress(sql: Sql, network: string, index: number): Promise<void> {
  await sql.query('insert into refill_address (network, derivation_index) values ($1, $2)', [network, index]);
}
