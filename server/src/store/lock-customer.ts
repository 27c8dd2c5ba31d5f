import type { Sql } from './database.ts';

/** Locks a customer until the transaction ends, so that its limits are decided one request at a time. @returns whether it exists. */
export async function lockCustomer(sql: Sql, id: string): Promise<boolean> {
  return (await sql.query('select 1 from customer where id = $1 for update', [id])).length > 0;
}
