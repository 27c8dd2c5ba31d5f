-- rejected: a log claims it and the balance did not follow; it is on record and in no account.
-- kept: approvers gave what was in quarantine to the house.
alter table deposit drop constraint deposit_state_check;
alter table deposit add constraint deposit_state_check
  check (state in ('seen', 'credited', 'quarantined', 'rejected', 'kept', 'orphaned'));
-- What approvers decided about a deposit in quarantine.
alter table deposit add column release_id uuid references customer_record;
alter table customer_record drop constraint customer_record_kind_check;
alter table customer_record add constraint customer_record_kind_check
  check (kind in ('credential', 'destination', 'settlement', 'adjustment', 'release', 'deposit'));

-- Tokens that are not listed and reached a deposit address. Their logs are anybody's word: one row a token and address,
-- bounded in number, and the amount that counts is what an operator has asked the nodes for.
create table recoverable (
  id uuid primary key,
  network text not null,
  address_id uuid not null references deposit_address,
  -- EIP-55.
  contract text not null,
  -- Of the highest block that showed it; null for one that an operator named.
  last_txid text,
  last_height bigint not null,
  claimed numeric(78, 0),
  -- What the address held when the nodes were asked.
  held numeric(78, 0),
  held_height bigint,
  created_at_ms bigint not null,
  unique (network, address_id, contract)
);
create index recoverable_listed on recoverable (network, id);

-- Readings of applied blocks once more, from a height up to the tip of when it was asked for.
create table rescan (
  id uuid primary key,
  network text not null,
  from_height bigint not null,
  next_height bigint not null,
  to_height bigint not null,
  deposits_found integer not null default 0,
  blocks_differing integer not null default 0,
  created_at_ms bigint not null,
  finished_at_ms bigint
);
create index rescan_running on rescan (network, id) where finished_at_ms is null;
