import type { Database } from '../store/database.ts';

/** Any constant: all servers on one database must take the same lock. */
const lockKey = 4_716_017_002n;
const batchSize = 1_000;

/**
 * Gives the next numbers, without gaps, to events whose transaction has committed. A database sequence would number
 * them before commit, and a reader's cursor would pass over one that commits late. One writer at a time: where another
 * holds the lock, nothing is done.
 * @returns how many events were numbered.
 */
export async function sequenceEvents({ db }: { db: Database }): Promise<number> {
  return db.transaction(async (sql) => {
    const [lock] = await sql.query<{ taken: boolean }>('select pg_try_advisory_xact_lock($1) as taken', [lockKey]);
    if (lock?.taken !== true) return 0;
    // A statement of its own, so that its snapshot is from after the lock was taken.
    const rows = await sql.query(
      `with last as (select coalesce(max(seq), 0) as seq from event),
            batch as (select id, row_number() over (order by id) as n
                        from (select id from event where seq is null order by id limit $1) waiting)
       update event e set seq = last.seq + batch.n from batch, last where e.id = batch.id returning e.id`,
      [batchSize],
    );
    return rows.length;
  });
}
