import type { AccountCode } from '@holdfast/core/ledger/account-codes.ts';
import type { Posting } from '@holdfast/core/ledger/posting.ts';
import type { BaseUnits } from '@holdfast/core/money/base-units.ts';
import type { Sql } from '../database.ts';

/** A posting as it stands in the ledger. */
export interface Transfer extends Posting {
  readonly id: bigint;
  readonly createdAtMs: number;
}

interface Row {
  readonly id: bigint;
  readonly idem: string;
  readonly cause: string;
  readonly debit: AccountCode;
  readonly credit: AccountCode;
  readonly amount: bigint;
  readonly created_at_ms: bigint;
}

/** Everything that one cause posted, in the order it was posted. Reversals read it. */
export async function transfersOf(sql: Sql, cause: string): Promise<Transfer[]> {
  const rows = await sql.query<Row>(
    `select t.id, t.idem, t.cause, d.code as debit, c.code as credit, t.amount, t.created_at_ms
       from transfer t join account d on d.id = t.debit join account c on c.id = t.credit
      where t.cause = $1 order by t.id`,
    [cause],
  );
  return rows.map(({ created_at_ms, amount, ...row }) => ({
    ...row,
    amount: amount as BaseUnits,
    createdAtMs: Number(created_at_ms),
  }));
}
