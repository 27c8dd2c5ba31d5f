import { ensureAccounts } from './accounts.ts';
import type { AccountCode } from '@holdfast/core/ledger/account-codes.ts';
import type { TrialBalance } from '@holdfast/core/ledger/trial-balance.ts';
import type { Sql } from '../database.ts';

/** Balance of each code in its account's normal direction; 0n for an account that was never posted to. */
export async function balances(sql: Sql, codes: readonly AccountCode[]): Promise<Map<AccountCode, bigint>> {
  const rows = await sql.query<{ code: string; balance: bigint }>(
    'select code, balance from account where code = any($1)',
    [codes],
  );
  const found = new Map(rows.map((row) => [row.code, row.balance]));
  return new Map(codes.map((code) => [code, found.get(code) ?? 0n]));
}

/** The trial balance of each asset over all accounts, sorted by asset. */
export async function trialBalance(sql: Sql): Promise<TrialBalance[]> {
  return sql.query<TrialBalance>(
    `select asset, debit, credit, debit = credit as balanced
       from (select asset,
                    coalesce(sum(balance) filter (where normal = 'debit'), 0) as debit,
                    coalesce(sum(balance) filter (where normal = 'credit'), 0) as credit
               from account group by asset) sums
      order by asset`,
  );
}

/** What an account's stored balance and sequence differ in from its transfers. */
export interface LedgerDifference {
  readonly code: AccountCode;
  readonly balance: bigint;
  readonly posted: bigint;
  readonly seq: bigint;
  readonly entries: bigint;
}

/** Recomputes every account from its transfers; empty when the ledger is whole. Reads the whole ledger. */
export async function differences(sql: Sql): Promise<LedgerDifference[]> {
  return sql.query<LedgerDifference>(
    `select code, balance, posted, seq, entries
       from (select a.code, a.balance, a.seq,
                    case a.normal when 'debit' then 1 else -1 end * (coalesce(d.amount, 0) - coalesce(c.amount, 0)) as posted,
                    coalesce(d.entries, 0) + coalesce(c.entries, 0) as entries
               from account a
               left join (select debit, sum(amount) as amount, count(*) as entries from transfer group by debit) d on d.debit = a.id
               left join (select credit, sum(amount) as amount, count(*) as entries from transfer group by credit) c on c.credit = a.id) checked
      where balance <> posted or seq <> entries
      order by code`,
  );
}

/**
 * Balances locked in id order until the caller's transaction ends, for a decision that is posted in the same
 * transaction. Name every account that will be posted to: taken all at once and in one order, two deciders wait for
 * each other and never deadlock.
 */
export async function lockBalances(sql: Sql, codes: readonly AccountCode[]): Promise<Map<AccountCode, bigint>> {
  await ensureAccounts(sql, codes);
  const rows = await sql.query<{ code: string; balance: bigint }>(
    'select code, balance from account where code = any($1) order by id for no key update',
    [codes],
  );
  return new Map(rows.map((row) => [row.code, row.balance]));
}
