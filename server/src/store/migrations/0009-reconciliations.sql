-- The last comparison of each of our wallets with the chain, at one block.
create table reconciliation (
  network text not null,
  wallet text not null check (wallet in ('hot', 'uncollected', 'relayer')),
  asset text not null,
  height bigint not null,
  ledger numeric(78, 0) not null,
  chain numeric(78, 0) not null,
  checked_at_ms bigint not null,
  primary key (network, wallet, asset)
);

-- Where the rotating look at all deposit addresses of a network stands; null before the first address.
create table reconciliation_round (
  network text primary key,
  height bigint not null,
  after_address uuid
);

-- Addresses that hold something although no deposit says so: looked at each time until they are empty.
create table reconciliation_stray (
  network text not null,
  address_id uuid not null references deposit_address,
  primary key (network, address_id)
);
