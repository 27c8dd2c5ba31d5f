-- Evidence of people: customers' passkeys, approvers' assertions, and what signers are told about customers.

alter table withdrawal add column "authorization" jsonb;
update withdrawal set "authorization" = jsonb_build_object('key_id', auth_key_id, 'signature', auth_signature);
alter table withdrawal alter column "authorization" set not null;
alter table withdrawal drop column auth_key_id, drop column auth_signature;
-- How many approvals the policy asked for when the withdrawal came.
alter table withdrawal add column approvals_needed integer not null default 0 check (approvals_needed >= 0);
alter table withdrawal drop constraint withdrawal_state_check;
alter table withdrawal add constraint withdrawal_state_check
  check (state in ('awaiting_approval', 'queued', 'signing', 'broadcast', 'included', 'settled', 'released'));
create index withdrawal_awaiting on withdrawal (network, expires_at_ms) where state = 'awaiting_approval';

create table withdrawal_approval (
  withdrawal_id uuid not null references withdrawal,
  credential_id text not null,
  assertion jsonb not null,
  created_at_ms bigint not null,
  primary key (withdrawal_id, credential_id)
);

-- The signers' statements about an address: [{signer, signature}].
alter table deposit_address add column epoch integer not null default 1;
alter table deposit_address add column statements jsonb not null default '[]';

-- What signers must know about customers, with its evidence; also where to look for deposits.
create table customer_record (
  id uuid primary key,
  digest text not null unique,
  kind text not null check (kind in ('credential', 'destination', 'settlement', 'adjustment', 'deposit')),
  customer_id uuid references customer,
  signed jsonb not null,
  -- Settlements: the engine's key and its number.
  engine_key text,
  sequence bigint,
  created_at_ms bigint not null,
  unique (engine_key, sequence)
);
-- Lists leave deposits out, and there are many.
create index customer_record_listed on customer_record (id) where kind <> 'deposit';
create index customer_record_customer on customer_record (customer_id, id) where kind <> 'deposit';
-- What a customer asked for is counted: so much in a day.
create index customer_record_changes on customer_record (customer_id, created_at_ms) where kind in ('credential', 'destination');
create index customer_record_credential on customer_record ((signed -> 'record' ->> 'credential_id')) where kind = 'credential';

-- One row a record and signer. Each lane (server/src/store/record-lane.ts) goes on when another is slow or stuck. Ids are
-- UUIDv7: their order is the order in which a signer hears of settlements.
create table signer_delivery (
  record_id uuid not null references customer_record,
  signer text not null,
  lane text not null,
  state text not null check (state in ('pending', 'accepted', 'refused')),
  code text,
  message text,
  effective_at_ms bigint,
  attempts integer not null default 0,
  next_attempt_at_ms bigint not null,
  primary key (record_id, signer)
);
create index signer_delivery_due on signer_delivery (signer, lane, (attempts > 0), next_attempt_at_ms, record_id)
  where state = 'pending';
create index signer_delivery_order on signer_delivery (signer, lane, record_id) where state = 'pending';
