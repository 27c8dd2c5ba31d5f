import type { Sql } from './database.ts';

export interface AlarmRow {
  readonly id: string;
  readonly code: string;
  readonly subject: string;
  readonly message: string;
  readonly opened_at_ms: bigint;
  readonly closed_at_ms: bigint | null;
}

/** Opens an alarm or renews the open one of the same code and subject. */
export async function raiseAlarm(
  sql: Sql,
  alarm: { id: string; code: string; subject: string; message: string },
  nowMs: number,
): Promise<void> {
  await sql.query(
    `insert into alarm (id, code, subject, message, opened_at_ms, last_seen_at_ms) values ($1, $2, $3, $4, $5, $5)
     on conflict (code, subject) where closed_at_ms is null
     do update set last_seen_at_ms = excluded.last_seen_at_ms, message = excluded.message`,
    [alarm.id, alarm.code, alarm.subject, alarm.message.slice(0, 2000), nowMs],
  );
}

/** Closes the open alarms on a subject: what they told of has passed. */
export async function closeAlarms(sql: Sql, subject: string, nowMs: number): Promise<void> {
  await sql.query('update alarm set closed_at_ms = $2 where subject = $1 and closed_at_ms is null', [subject, nowMs]);
}

/** Of `signing-refused`: one alarm a reason, however many transactions it stopped. @param code of the signers' refusal. */
export const refusalSubject = (network: string, code: string): string => `${network} refused ${code}`;

/** Closes the alarms of refusals whose reason no waiting withdrawal of the network has any more. */
export async function closePastRefusals(sql: Sql, network: string, nowMs: number): Promise<void> {
  await sql.query(
    `update alarm set closed_at_ms = $3
      where code = 'signing-refused' and closed_at_ms is null and starts_with(subject, $2)
        and not exists (
          select from withdrawal w
           where w.network = $1 and w.state in ('queued', 'signing')
             and starts_with(w.reason, substr(alarm.subject, length($2) + 1) || ':'))`,
    [network, refusalSubject(network, ''), nowMs],
  );
}

/** Subjects of the open alarms of a code. */
export async function openSubjects(sql: Sql, code: string): Promise<Set<string>> {
  const rows = await sql.query<{ subject: string }>(
    'select subject from alarm where code = $1 and closed_at_ms is null',
    [code],
  );
  return new Set(rows.map(({ subject }) => subject));
}

/** Whether an alarm of this code and subject is open. */
export async function isAlarmOpen(sql: Sql, code: string, subject: string): Promise<boolean> {
  const rows = await sql.query('select 1 from alarm where code = $1 and subject = $2 and closed_at_ms is null', [
    code,
    subject,
  ]);
  return rows.length > 0;
}
