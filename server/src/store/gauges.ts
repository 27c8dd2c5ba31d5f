import type { Sql } from './database.ts';

/** One labelled number; the labels are a metric's, in its order. */
export interface Reading {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What the metrics show of the database, by name; what is settled, released or closed is history and not counted. */
export type StoreGauges = Readonly<Record<StoreGaugeName, readonly Reading[]>>;

export const storeGaugeNames = [
  'scanned_height',
  'scanned_block_age_seconds',
  'open_alarms',
  'withdrawals',
  'withdrawal_oldest_seconds',
  'transactions',
  'transaction_oldest_seconds',
  'deposits_waiting',
  'signer_refusals',
  'webhooks_pending',
  'webhook_oldest_seconds',
  'events_unsequenced',
  'event_oldest_seconds',
  'signer_records_pending',
  'idempotency_keys',
  'hot_share',
] as const;
type StoreGaugeName = (typeof storeGaugeNames)[number];

/** From network to network by the index, where a grouping would read every block. */
const knownNetworks = `with recursive known as (
       select min(network) as network from block where state = 'applied'
       union all
       select (select min(b.network) from block b where b.state = 'applied' and b.network > k.network)
         from known k where k.network is not null)`;

/** Each answers rows of labels and one `value`; $1, where there is one, is now in UTC milliseconds. */
const queries: Readonly<Record<StoreGaugeName, string>> = {
  scanned_height: `${knownNetworks}
     select k.network, (select max(b.height) from block b where b.state = 'applied' and b.network = k.network)::float8 as value
       from known k where k.network is not null`,
  scanned_block_age_seconds: `${knownNetworks}
     select k.network, ($1::bigint - (select b.time_ms from block b where b.state = 'applied' and b.network = k.network
                                       order by b.height desc limit 1))::float8 / 1000 as value
       from known k where k.network is not null`,
  open_alarms: `select code, count(*)::float8 as value from alarm where closed_at_ms is null group by code`,
  withdrawals: `select s.state, count(w.id)::float8 as value
      from unnest(array['awaiting_approval', 'queued', 'signing', 'broadcast', 'uncertain', 'included']) as s (state)
      left join withdrawal w on w.state = s.state group by s.state`,
  withdrawal_oldest_seconds: `select network, state, ($1::bigint - min(created_at_ms))::float8 / 1000 as value from withdrawal
     where state not in ('settled', 'released') group by network, state`,
  transactions: `select network, kind, state, count(*)::float8 as value from chain_transaction
     where state not in ('final', 'abandoned', 'replaced') group by network, kind, state`,
  transaction_oldest_seconds: `select network, state, ($1::bigint - min(created_at_ms))::float8 / 1000 as value from chain_transaction
     where state not in ('included', 'final', 'abandoned', 'replaced') group by network, state`,
  deposits_waiting: `select network, state, count(*)::float8 as value from deposit
     where state in ('seen', 'quarantined') group by network, state`,
  signer_refusals: `select split_part(last_problem, ':', 1) as reason, count(*)::float8 as value from chain_transaction
     where last_problem ~ '^[a-z-]+: ' and (state = 'built' or (state = 'abandoned' and created_at_ms > $1::bigint - 86400000)) group by 1`,
  webhooks_pending: `select endpoint_id::text as endpoint, count(*)::float8 as value from webhook_delivery
     where state = 'pending' group by 1`,
  webhook_oldest_seconds: `select endpoint_id::text as endpoint, ($1::bigint - min(created_at_ms))::float8 / 1000 as value from webhook_delivery
     where state = 'pending' group by 1`,
  events_unsequenced: `select count(*)::float8 as value from event where seq is null`,
  event_oldest_seconds: `select coalesce(($1::bigint - min(occurred_at_ms))::float8 / 1000, 0) as value from event where seq is null`,
  signer_records_pending: `select signer, lane, count(*)::float8 as value from signer_delivery
     where state = 'pending' group by signer, lane`,
  idempotency_keys: `select greatest(reltuples, 0)::float8 as value from pg_class
     where oid = 'api_idempotency'::regclass`,
  // Of what is owed to customers, what the hot wallets can spend.
  hot_share: `select a.asset as asset, (sum(a.balance) filter (where a.code like 'hot:%') /
            nullif(sum(a.balance) filter (where a.code like 'customer:%' or a.code like 'hold:%'), 0))::float8 as value
      from account a group by 1`,
};

/** Reads all of them. @param nowMs UTC milliseconds. */
export async function readGauges(sql: Sql, nowMs: number): Promise<StoreGauges> {
  const read = new Map<string, Reading[]>();
  // One after the other: the pool is for the work.
  for (const name of storeGaugeNames) {
    const rows = await sql.query<Record<string, string> & { value: number | null }>(
      queries[name],
      queries[name].includes('$1') ? [nowMs] : [],
    );
    const readings = rows.flatMap(({ value, ...labels }) => (value === null ? [] : [{ labels, value }]));
    read.set(name, readings);
  }
  return Object.fromEntries(read) as unknown as StoreGauges;
}
