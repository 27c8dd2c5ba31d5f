import type { ReleaseReservationBody } from '@holdfast/core/contract/engine-resources.ts';
import type { Sql } from './database.ts';

/** Whoever takes a reservation and whoever gives it up do it one after the other. */
export async function lockReservation(sql: Sql, reservation: string): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended('reservation:' || $1, 0))`, [reservation]);
}

export async function isReleased(sql: Sql, reservation: string): Promise<boolean> {
  const rows = await sql.query('select from reservation_release where reservation = $1', [reservation]);
  return rows.length > 0;
}

/** UUID of the withdrawal that took it. */
export async function takerOf(sql: Sql, reservation: string): Promise<string | null> {
  const [row] = await sql.query<{ id: string }>('select id from withdrawal where reservation = $1', [reservation]);
  return row?.id ?? null;
}

export async function keepRelease(sql: Sql, signed: ReleaseReservationBody, nowMs: number): Promise<void> {
  await sql.query(
    `insert into reservation_release (reservation, signed, created_at_ms) values ($1, $2::jsonb, $3) on conflict do nothing`,
    [signed.record.reservation, JSON.stringify(signed), nowMs],
  );
}

/** Reservations of withdrawals, by the withdrawals' UUIDs. */
export async function reservationsOf(sql: Sql, withdrawals: readonly string[]): Promise<Map<string, string>> {
  const rows = await sql.query<{ id: string; reservation: string }>(
    'select id, reservation from withdrawal where id = any ($1) and reservation is not null',
    [withdrawals],
  );
  return new Map(rows.map(({ id, reservation }) => [id, reservation]));
}
