import type { Sql } from './database.ts';

export interface QuoteRow {
  readonly id: string;
  readonly customer_id: string;
  readonly schedule_id: string;
  readonly amount: bigint;
  readonly fee: bigint;
  readonly network_cost: bigint;
  readonly expires_at_ms: bigint;
  readonly created_at_ms: bigint;
}

/** How long an unused quote is kept after its end, for whoever asks why it was refused. */
const keptMs = 24 * 3_600_000;

/** Stores a quote, and forgets the customer's old ones that no withdrawal used. */
export async function insertQuote(sql: Sql, quote: QuoteRow): Promise<void> {
  await sql.query(
    `delete from quote q where q.customer_id = $1 and q.expires_at_ms < $2
        and not exists (select from withdrawal w where w.quote_id = q.id)`,
    [quote.customer_id, Number(quote.created_at_ms) - keptMs],
  );
  await sql.query(
    `insert into quote (id, customer_id, schedule_id, amount, fee, network_cost, expires_at_ms, created_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      quote.id,
      quote.customer_id,
      quote.schedule_id,
      quote.amount,
      quote.fee,
      quote.network_cost,
      quote.expires_at_ms,
      quote.created_at_ms,
    ],
  );
}

/** The quote, and whether a withdrawal has used it; the caller holds the lock of its customer. */
export async function quoteById(sql: Sql, id: string): Promise<(QuoteRow & { readonly used: boolean }) | null> {
  const [row] = await sql.query<QuoteRow & { readonly used: boolean }>(
    `select q.id, q.customer_id, q.schedule_id, q.amount, q.fee, q.network_cost, q.expires_at_ms, q.created_at_ms,
            exists (select from withdrawal w where w.quote_id = q.id) as used
       from quote q where q.id = $1`,
    [id],
  );
  return row ?? null;
}
