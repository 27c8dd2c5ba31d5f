import type { Sql } from './database.ts';

/**
 * Locks a customer until the transaction ends, so that its limits are decided one request at a time. Rows that refer to the
 * customer may still be inserted: jobs do so while they hold accounts that the holder of this lock may wait for.
 * @returns whether it exists.
 */
export async function lockCustomer(sql: Sql, id: string): Promise<boolean> {
  return (await sql.query('select 1 from customer where id = $1 for no key update', [id])).length > 0;
}
