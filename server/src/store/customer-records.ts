import { customerRecordDigest } from '@holdfast/core/signing/customer-record-digest.ts';
import type { CustomerRecord } from '@holdfast/core/signing/customer-record.ts';
import type { Sql } from './database.ts';
import { laneOf } from './record-lane.ts';

export interface NewCustomerRecord {
  readonly id: string;
  readonly signed: CustomerRecord;
  /** UUID; null for a settlement. */
  readonly customerId: string | null;
  readonly engine?: { readonly keyId: string; readonly sequence: number };
}

/**
 * Stores records and makes them due for every signer, in the caller's transaction. One that is there already stays.
 * @returns the digests that are new.
 */
export async function insertCustomerRecords(
  sql: Sql,
  records: readonly NewCustomerRecord[],
  signers: readonly string[],
  nowMs: number,
): Promise<Set<string>> {
  if (records.length === 0) return new Set();
  const digests = records.map(({ signed }) => customerRecordDigest(signed));
  const inserted = await sql.query<{ id: string; digest: string }>(
    `insert into customer_record (id, digest, kind, customer_id, signed, engine_key, sequence, created_at_ms)
     select r.id, r.digest, r.kind, r.customer_id, r.signed, r.engine_key, r.sequence, $1
       from unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::jsonb[], $7::text[], $8::bigint[])
            as r (id, digest, kind, customer_id, signed, engine_key, sequence)
     on conflict (digest) do nothing returning id, digest`,
    [
      nowMs,
      records.map(({ id }) => id),
      digests,
      records.map(({ signed }) => signed.record.kind),
      records.map(({ customerId }) => customerId),
      records.map(({ signed }) => JSON.stringify(signed)),
      records.map(({ engine }) => engine?.keyId ?? null),
      records.map(({ engine }) => engine?.sequence ?? null),
    ],
  );
  const fresh = new Map(inserted.map(({ id, digest }) => [id, digest]));
  const told = records.filter(({ id }) => fresh.has(id));
  await sql.query(
    `insert into signer_delivery (record_id, signer, lane, state, next_attempt_at_ms)
     select r.id, s.signer, r.lane, 'pending', $4
       from unnest($1::uuid[], $2::text[]) as r (id, lane) cross join unnest($3::text[]) as s (signer)`,
    [told.map(({ id }) => id), told.map(({ signed }) => laneOf(signed)), signers, nowMs],
  );
  return new Set(fresh.values());
}

/** Highest number of an engine key's settlements so far; the caller holds that key's lock afterwards. */
export async function lockSettlements(sql: Sql, engineKey: string): Promise<number> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended('settlement:' || $1, 0))`, [engineKey]);
  const [row] = await sql.query<{ last: bigint | null }>(
    'select max(sequence) as last from customer_record where engine_key = $1',
    [engineKey],
  );
  return Number(row?.last ?? 0n);
}

/**
 * Public key of a customer's passkey that was added and not removed since; what every signer refused counts for nothing.
 * The signers have their own, delayed view.
 */
export async function customerCredential(sql: Sql, customerId: string, credentialId: string): Promise<string | null> {
  const [row] = await sql.query<{ action: string; public_key: string }>(
    `select signed -> 'record' ->> 'action' as action, signed -> 'record' ->> 'public_key' as public_key
       from customer_record
      where kind = 'credential' and customer_id = $1 and signed -> 'record' ->> 'credential_id' = $2
        and exists (select from signer_delivery d where d.record_id = customer_record.id and d.state <> 'refused')
      order by id desc limit 1`,
    [customerId, credentialId],
  );
  return row?.action === 'add' ? row.public_key : null;
}

/**
 * What a customer's own passkeys asked for: additions, or removals, of passkeys and destinations; of the newest thousand.
 * @param awayMax so many signers may be away before a record that they have not judged counts as waiting.
 * @returns how many came since then, and how many wait.
 */
export async function countOwnChanges(
  sql: Sql,
  customerId: string,
  action: 'add' | 'remove',
  sinceMs: number,
  awayMax: number,
): Promise<{ recent: number; waiting: number }> {
  const [row] = await sql.query<{ recent: bigint; waiting: bigint }>(
    `select count(*) filter (where r.created_at_ms > $3) as recent,
            count(*) filter (where (select count(*) from signer_delivery d
                                     where d.record_id = r.id and d.state = 'pending') > $4) as waiting
       from (select id, created_at_ms from customer_record
              where customer_id = $1 and kind in ('credential', 'destination') and signed -> 'record' ->> 'action' = $2
                and signed -> 'authorization' ? 'credential_id'
              order by created_at_ms desc limit 1000) r`,
    [customerId, action, sinceMs, awayMax],
  );
  return { recent: Number(row!.recent), waiting: Number(row!.waiting) };
}
