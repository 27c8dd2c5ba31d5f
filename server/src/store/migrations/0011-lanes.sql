-- Which server process runs which loop (docs/adr/0027). A new holder counts the token up; a transaction of a loop goes on
-- only under the token that its server was given. expires_at is by the database's clock and decides only who may take over.
create table lane (
  name text primary key,
  holder text,
  token bigint not null default 0,
  expires_at timestamptz not null default clock_timestamp()
);

-- Server processes that were seen lately, so that each takes its share of the lanes.
create table server_process (
  name text primary key,
  seen_at timestamptz not null
);

-- Idempotency keys are removed by age.
create index api_idempotency_age on api_idempotency (created_at_ms);
