import type { Database, Sql } from './database.ts';
import { type LaneGrant, laneLockKey } from './fence.ts';

/*
 * Lanes: each loop of the servers on one database is run by one of them. A lease by the database's clock says when another may take
 * a lane over; the token, counted up by each who takes it, keeps the one before from writing (store/fence.ts).
 */

/** Makes the rows of lanes that are new. */
export async function registerLanes(sql: Sql, names: readonly string[]): Promise<void> {
  await sql.query('insert into lane (name) select unnest($1::text[]) on conflict do nothing', [names]);
}

/** Notes that a server lives. @returns how many do, this one included. */
export async function noteServer(sql: Sql, server: string, leaseMs: number): Promise<number> {
  await sql.query(
    `insert into server_process (name, seen_at) values ($1, clock_timestamp())
     on conflict (name) do update set seen_at = excluded.seen_at`,
    [server],
  );
  await sql.query(`delete from server_process where seen_at < clock_timestamp() - interval '1 day'`);
  const [row] = await sql.query<{ count: number }>(
    `select count(*)::int as count from server_process where seen_at > clock_timestamp() - $1 * interval '1 millisecond'`,
    [leaseMs],
  );
  return row?.count ?? 1;
}

/** Renews the leases of what is held. @returns what is still held. */
export async function renewLanes(sql: Sql, held: readonly LaneGrant[], leaseMs: number): Promise<string[]> {
  const rows = await sql.query<{ name: string }>(
    `update lane set expires_at = clock_timestamp() + $3 * interval '1 millisecond'
       from unnest($1::text[], $2::bigint[]) as mine (name, token)
      where lane.name = mine.name and lane.token = mine.token returning lane.name`,
    [held.map(({ name }) => name), held.map(({ token }) => token), leaseMs],
  );
  return rows.map(({ name }) => name);
}

/**
 * Takes lanes whose lease has run out: as many as are wanted, and beyond that those that nobody has taken for two leases
 * more. A lane with a transaction under way is passed over.
 * @param own takes what the server of this name held before too: it was restarted.
 */
export async function takeLanes(
  db: Database,
  server: string,
  names: readonly string[],
  at: { readonly wanted: number; readonly leaseMs: number; readonly own: boolean },
): Promise<LaneGrant[]> {
  const mayBeTaken = `lane.name = any ($1) and (lane.expires_at < clock_timestamp() or ($2 and lane.holder = $3))`;
  return db.transaction(async (sql) => {
    const free = await sql.query<{ name: string }>(
      `select name from (
         select name, expires_at, row_number() over (order by random()) as n from lane where ${mayBeTaken}) may
        where n <= $4 or expires_at < clock_timestamp() - $5 * interval '2 milliseconds' order by name`,
      [names, at.own, server, at.wanted, at.leaseMs],
    );
    if (free.length === 0) return [];
    const locked = await sql.query<{ name: string }>(
      `select name from unnest($1::text[]) as free (name) where pg_try_advisory_xact_lock(${laneLockKey('name')})`,
      [free.map(({ name }) => name)],
    );
    // Its snapshot is from after the locks: no transaction of the holder before is under way.
    return sql.query<LaneGrant & { name: string; token: bigint }>(
      `update lane set holder = $3, token = token + 1, expires_at = clock_timestamp() + $4 * interval '1 millisecond'
        where ${mayBeTaken} returning name, token`,
      [locked.map(({ name }) => name), at.own, server, at.leaseMs],
    );
  });
}

/** Lets others have lanes at once. The token stays: a transaction under way may still end. */
export async function releaseLanes(sql: Sql, held: readonly LaneGrant[]): Promise<void> {
  await sql.query(
    `update lane set expires_at = clock_timestamp(), holder = null
       from unnest($1::text[], $2::bigint[]) as mine (name, token)
      where lane.name = mine.name and lane.token = mine.token`,
    [held.map(({ name }) => name), held.map(({ token }) => token)],
  );
}

/** A server that stops is not counted any more. */
export async function forgetServer(sql: Sql, server: string): Promise<void> {
  await sql.query('delete from server_process where name = $1', [server]);
}
