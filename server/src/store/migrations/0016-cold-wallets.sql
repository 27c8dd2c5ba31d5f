-- Sealed cold addresses that are watched, each from the block after the one at which its balance was taken over. One that leaves
-- the policy stays: what it holds is still ours. Its coins are in `coin` under epoch 0, which no keys of ours spend.
create table cold_wallet (
  network text not null,
  address text not null,
  -- What a scan looks up: lower-case address (EVM) or script in hex (Bitcoin).
  watch_key text not null,
  since_height bigint not null,
  opened_at_ms bigint not null,
  primary key (network, watch_key)
);

-- skim: from the hot wallet to a sealed cold address.
alter table chain_transaction drop constraint chain_transaction_kind_check;
alter table chain_transaction add constraint chain_transaction_kind_check
  check (kind in ('withdrawal', 'sweep', 'emergency', 'filler', 'child', 'skim'));

alter table reconciliation drop constraint reconciliation_wallet_check;
alter table reconciliation add constraint reconciliation_wallet_check
  check (wallet in ('hot', 'uncollected', 'relayer', 'cold'));

-- Change addresses that custodians were asked to refill, the last one until something is paid there.
create table refill_address (
  network text not null,
  derivation_index bigint not null,
  primary key (network, derivation_index),
  foreign key (network, derivation_index) references change_address
);
