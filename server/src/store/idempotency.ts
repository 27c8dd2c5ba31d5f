import { invariant } from '@holdfast/core/invariant.ts';
import type { IdempotencyKey, IdempotencyStore, RememberedRequest } from '../http/idempotency.ts';
import type { Sql } from './database.ts';

interface Row {
  readonly fingerprint: string;
  readonly status: number | null;
  readonly response: unknown;
}

/** Idempotency keys in PostgreSQL; each statement stands alone, outside the operations' own transactions. */
export function idempotencyStore(sql: Sql, now: () => number): IdempotencyStore {
  return {
    begin: (key, fingerprint) => begin(sql, key, fingerprint, now()),
    complete: async (key, response) => {
      await sql.query(
        'update api_idempotency set status = $3, response = $4::jsonb where key_id = $1 and idempotency_key = $2',
        [key.keyId, key.key, response.status, JSON.stringify(response.body ?? null)],
      );
    },
    release: async (key) => {
      await sql.query('delete from api_idempotency where key_id = $1 and idempotency_key = $2 and status is null', [
        key.keyId,
        key.key,
      ]);
    },
  };
}

async function begin(
  sql: Sql,
  key: IdempotencyKey,
  fingerprint: string,
  nowMs: number,
): Promise<RememberedRequest | null> {
  // A second round only when the row was released between the insert that met it and the select.
  for (let round = 0; round < 3; round += 1) {
    const inserted = await sql.query(
      `insert into api_idempotency (key_id, idempotency_key, fingerprint, created_at_ms) values ($1, $2, $3, $4)
       on conflict do nothing returning key_id`,
      [key.keyId, key.key, fingerprint, nowMs],
    );
    if (inserted.length > 0) return null;
    const [row] = await sql.query<Row>(
      'select fingerprint, status, response from api_idempotency where key_id = $1 and idempotency_key = $2',
      [key.keyId, key.key],
    );
    if (row !== undefined) {
      const response = row.status === null ? null : { status: row.status, body: row.response };
      return { fingerprint: row.fingerprint, response };
    }
  }
  invariant(false, 'an idempotency key was released three times while it was begun');
}

/** Removes keys that were begun before a time, the oldest first. @returns how many. */
export async function forgetIdempotency(sql: Sql, beforeMs: number, limit: number): Promise<number> {
  const rows = await sql.query(
    `delete from api_idempotency where (key_id, idempotency_key) in (
       select key_id, idempotency_key from api_idempotency where created_at_ms < $1 order by created_at_ms limit $2)
     returning key_id`,
    [beforeMs, limit],
  );
  return rows.length;
}
