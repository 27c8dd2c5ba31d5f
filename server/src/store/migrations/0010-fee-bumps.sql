-- Payments that no block takes: higher fees, doubt about a broadcast, lanes of the relayer.

-- uncertain: no node said that it has the bytes. They may be on their way all the same, so nothing else is built for what
-- they pay; they are only ever offered again as they are.
alter table chain_transaction drop constraint chain_transaction_state_check;
alter table chain_transaction add constraint chain_transaction_state_check
  check (state in ('built', 'signed', 'broadcast', 'uncertain', 'included', 'final', 'abandoned', 'replaced'));
-- filler: uses up a nonce of the relayer that keeps later ones from being mined. child: pays for its unconfirmed parent.
alter table chain_transaction drop constraint chain_transaction_kind_check;
alter table chain_transaction add constraint chain_transaction_kind_check
  check (kind in ('withdrawal', 'sweep', 'emergency', 'filler', 'child'));
drop index chain_transaction_open;
create index chain_transaction_open on chain_transaction (network, state)
  where state in ('built', 'signed', 'broadcast', 'uncertain', 'included');
create index chain_transaction_conflict_keys on chain_transaction using gin (conflict_keys);

-- Versions of one transaction spend the same coins for the same payouts at a higher fee each: one of them confirms. On an EVM
-- chain the row stays one, and its number counts the prices that its call was offered at.
alter table chain_transaction add column first_version uuid references chain_transaction;
update chain_transaction set first_version = id;
alter table chain_transaction alter column first_version set not null;
alter table chain_transaction add column version integer not null default 1 check (version >= 1);
create unique index chain_transaction_version on chain_transaction (first_version, version);
-- Since when, and at which height of the applied chain, no block has taken what was offered last.
alter table chain_transaction add column waiting_from_ms bigint;
alter table chain_transaction add column waiting_from_height bigint;
-- Every node objected to the fee and to nothing else.
alter table chain_transaction add column fee_refused boolean not null default false;

-- Account that the nonce is of. What was stored before lanes is of the only one.
alter table chain_transaction add column relayer_lane text not null default 'payout' check (relayer_lane in ('payout', 'sweep'));
drop index chain_transaction_relayer_nonce;
create unique index chain_transaction_relayer_nonce on chain_transaction (network, relayer_lane, relayer_nonce)
  where relayer_nonce is not null and state not in ('abandoned', 'replaced');

-- Bytes that were offered for a call before, at a lower price: a block may still take them.
create table replaced_bytes (
  transaction_id uuid not null references chain_transaction,
  version integer not null,
  txid text not null,
  raw bytea not null,
  replaced_at_ms bigint not null,
  primary key (transaction_id, version)
);

alter table withdrawal drop constraint withdrawal_state_check;
alter table withdrawal add constraint withdrawal_state_check
  check (state in ('awaiting_approval', 'queued', 'signing', 'broadcast', 'uncertain', 'included', 'settled', 'released'));
