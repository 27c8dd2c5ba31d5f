import { type AccountCode, parseAccountCode } from '@holdfast/core/ledger/account-codes.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Sql } from '../database.ts';

/**
 * Ids of the accounts with these codes; missing accounts are created with the traits their codes say.
 * @throws InvariantError for a code that is none.
 */
export async function ensureAccounts(sql: Sql, codes: readonly AccountCode[]): Promise<Map<AccountCode, bigint>> {
  // Sorted, so that two transactions that create the same accounts wait for each other in one order.
  const wanted = [...new Set(codes)].sort();
  const ids = await readIds(sql, wanted);
  const missing = wanted.filter((code) => !ids.has(code));
  if (missing.length === 0) return ids;
  const traits = missing.map(parseAccountCode);
  await sql.query(
    `insert into account (code, asset, normal, allow_negative)
       select * from unnest($1::text[], $2::text[], $3::text[], $4::boolean[])
       on conflict (code) do nothing`,
    [missing, traits.map((of) => of.asset), traits.map((of) => of.normal), traits.map((of) => of.allowNegative)],
  );
  for (const [code, id] of await readIds(sql, missing)) ids.set(code, id);
  invariant(ids.size === wanted.length, 'an account vanished between its creation and its look-up');
  return ids;
}

async function readIds(sql: Sql, codes: readonly AccountCode[]): Promise<Map<AccountCode, bigint>> {
  const rows = await sql.query<{ code: string; id: bigint }>('select code, id from account where code = any($1)', [
    codes,
  ]);
  return new Map(rows.map((row) => [row.code, row.id]));
}
