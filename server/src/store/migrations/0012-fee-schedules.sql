-- What customers are charged, and the least they may move: versions of each asset on each network, never changed.
create table fee_schedule (
  id uuid primary key,
  network text not null,
  asset text not null,
  -- 1, 2, 3, ...; of those whose time has come the highest counts.
  version integer not null check (version >= 1),
  valid_from_ms bigint not null,
  fee_flat numeric(78, 0) not null check (fee_flat >= 0),
  fee_per_mille integer not null check (fee_per_mille between 0 and 1000),
  -- Thousandths of the estimated network fee of one payment; the network's own coin only.
  network_share_per_mille integer not null check (network_share_per_mille between 0 and 10000),
  -- Wei a gas, satoshi a virtual byte; null for no limit beside the configuration's.
  network_fee_rate_max numeric(78, 0) check (network_fee_rate_max > 0),
  withdrawal_minimum numeric(78, 0) not null check (withdrawal_minimum >= 0),
  deposit_minimum numeric(78, 0) not null check (deposit_minimum >= 0),
  precision_places integer not null check (precision_places between 0 and 30),
  client_reference text not null unique,
  -- Key that asked for it; 'config' for the first version.
  created_by text not null,
  reason text not null,
  created_at_ms bigint not null,
  unique (network, asset, version)
);

create function fee_schedule_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'fee schedules are append-only: % on %', tg_op, tg_table_name;
end $$;
create trigger fee_schedule_append_only before update or delete or truncate on fee_schedule
  for each statement execute function fee_schedule_is_append_only();

-- Terms promised to a customer for one withdrawal, until they expire.
create table quote (
  id uuid primary key,
  customer_id uuid not null references customer,
  schedule_id uuid not null references fee_schedule,
  amount numeric(78, 0) not null check (amount > 0),
  fee numeric(78, 0) not null check (fee >= 0),
  -- The estimate that the fee was made with, base units of the asset.
  network_cost numeric(78, 0) not null check (network_cost >= 0),
  expires_at_ms bigint not null,
  created_at_ms bigint not null
);
create index quote_customer on quote (customer_id, expires_at_ms);

-- The version that each was judged by; null for those of before.
alter table withdrawal add column schedule_id uuid references fee_schedule, add column quote_id uuid unique references quote;
alter table deposit add column schedule_id uuid references fee_schedule;

-- An engine that owns the balances (mode custodian): what it is told, and what it says.

-- One row a transfer that changes what a customer has; seq is assigned after commit by one sequencer. Written by a trigger that the
-- server sets when it runs in that mode, so that no posting of any job can be forgotten.
create table engine_entry (
  transfer_id bigint primary key,
  seq bigint unique
);
create index engine_entry_unsequenced on engine_entry (transfer_id) where seq is null;

create function note_engine_entries() returns trigger language plpgsql as $$
begin
  insert into engine_entry (transfer_id)
    select t.id from added t
     where exists (select from account a where a.id in (t.debit, t.credit) and a.code ~ '^(customer|hold|receivable):');
  return null;
end $$;

-- The engine's signed word on what it owes, by the last entry that it has applied; also its acknowledgement of that entry.
create table engine_statement (
  engine text not null,
  sequence bigint not null check (sequence >= 0),
  -- What it owes by asset, net of what is owed to it: {"BTC": "12"}.
  totals jsonb not null,
  signature text not null,
  received_at_ms bigint not null,
  primary key (engine, sequence)
);

-- The engine's name of what it has set aside for a withdrawal: names one withdrawal for ever.
alter table withdrawal add column reservation text unique;
-- Given up by the engine before a withdrawal took it: none takes it any more.
create table reservation_release (
  reservation text primary key,
  signed jsonb not null,
  created_at_ms bigint not null
);

-- Deposits below the minimum wait, uncredited, until those of their address reach it or are claimed.
create table deposit_claim (
  id uuid primary key,
  client_reference text not null unique,
  customer_id uuid not null references customer,
  network text not null,
  asset text not null,
  -- What the customer pays for the collection, base units of the network's coin.
  cost numeric(78, 0) not null check (cost >= 0),
  cost_asset text not null,
  created_by text not null,
  created_at_ms bigint not null
);
alter table deposit
  -- Null until it is deep enough to be judged, and again when its block has left the chain.
  add column below_minimum boolean,
  -- The version in force when it was judged last.
  add column judged_by uuid references fee_schedule,
  add column claim_id uuid references deposit_claim;
create index deposit_unjudged on deposit (network, height) where state = 'seen' and below_minimum is null;
create index deposit_creditable on deposit (network, height) where state = 'seen' and not below_minimum;
create index deposit_small on deposit (network, asset, judged_by) where state = 'seen' and below_minimum;
create index deposit_address_open on deposit (address_id, asset) where state = 'seen';
