-- Payments to deposit addresses that no block has: shown to customers, in no account. What a block takes is a deposit, in its table.
create table unconfirmed_deposit (
  id uuid primary key,
  network text not null,
  txid text not null,
  idx text not null,
  asset text not null,
  address_id uuid not null references deposit_address,
  customer_id uuid not null references customer,
  amount numeric(78, 0) not null check (amount > 0),
  -- Coins that it spends: whatever else spends one takes its place.
  inputs text[] not null,
  -- confirmed: a deposit now. replaced: something else spent its coins. gone: the nodes forgot it, and it may come back.
  state text not null check (state in ('waiting', 'confirmed', 'replaced', 'gone')),
  replaced_by text,
  seen_at_ms bigint not null,
  updated_at_ms bigint not null,
  unique (network, txid, idx)
);
create index unconfirmed_deposit_waiting on unconfirmed_deposit (network, id) where state = 'waiting';
create index unconfirmed_deposit_customer on unconfirmed_deposit (customer_id, id);
