-- Customers, addresses, what the chains say, deposits, withdrawals, our own transactions, events.
-- Times are UTC milliseconds from the server's injected clock. Amounts are base units.

create table customer (
  id uuid primary key,
  client_reference text not null unique,
  created_at_ms bigint not null
);

create table deposit_address (
  id uuid primary key,
  customer_id uuid not null references customer,
  network text not null,
  -- Derivation index, allotted once for ever per network; the signers refuse it for a second customer.
  derivation_index bigint not null,
  address text not null,
  -- What a scan looks up: lower-case address (EVM) or script in hex (Bitcoin).
  watch_key text not null,
  state text not null check (state in ('pending', 'active', 'superseded', 'retired')),
  created_at_ms bigint not null,
  unique (network, derivation_index),
  unique (network, watch_key)
);
create index deposit_address_customer on deposit_address (customer_id, network);

-- One row an application of a block: the same block applied, rolled back and applied again has two rows.
create table block (
  id bigint generated always as identity primary key,
  network text not null,
  height bigint not null,
  hash text not null,
  parent_hash text not null,
  time_ms bigint not null,
  applied_at_ms bigint not null,
  state text not null check (state in ('applied', 'rolled_back'))
);
create unique index block_applied on block (network, height) where state = 'applied';

create table deposit (
  id uuid primary key,
  network text not null,
  txid text not null,
  -- Place inside the transaction: vout:0, log:1, trace:0.2.
  idx text not null,
  asset text not null,
  address_id uuid not null references deposit_address,
  customer_id uuid not null references customer,
  amount numeric(78, 0) not null check (amount > 0),
  state text not null check (state in ('seen', 'credited', 'quarantined', 'orphaned')),
  reason text,
  block_id bigint not null references block,
  height bigint not null,
  confirmations_required integer not null,
  -- Times this deposit was credited; names the postings of each credit.
  credits integer not null default 0,
  -- The transaction that collects it from its forwarder (EVM).
  sweep_id uuid,
  seen_at_ms bigint not null,
  credited_at_ms bigint,
  unique (network, txid, idx, asset)
);
create index deposit_customer on deposit (customer_id, id);
create index deposit_open on deposit (network, height) where state = 'seen';
create index deposit_block on deposit (block_id);
create index deposit_unswept on deposit (network, address_id) where state = 'credited' and sweep_id is null;

-- Our own chain transactions. The bytes are stored before the first broadcast and never change.
create table chain_transaction (
  id uuid primary key,
  network text not null,
  kind text not null check (kind in ('withdrawal', 'sweep')),
  -- built: content fixed, no signature. signed: bytes stored. broadcast: handed to a node at least once.
  -- included: in the applied chain. final: past the confirmations. abandoned: will never be signed;
  -- replaced: a conflicting transaction is final.
  state text not null check (state in ('built', 'signed', 'broadcast', 'included', 'final', 'abandoned', 'replaced')),
  -- The request that signers review (withdrawal) or the call (sweep).
  unsigned jsonb not null,
  -- What makes two transactions conflict: safe:<address>:<nonce>, relayer:<nonce>, or the spent outpoints.
  conflict_keys text[] not null,
  -- Names by which a block shows it: tx:<txid>, safe:<safeTxHash>.
  refs text[] not null default '{}',
  txid text,
  raw bytea,
  relayer_nonce bigint,
  fee numeric(78, 0),
  block_id bigint references block,
  height bigint,
  -- Signing attempts that did not reach a quorum, and why, for operators.
  attempts integer not null default 0,
  last_problem text,
  created_at_ms bigint not null,
  next_attempt_at_ms bigint not null,
  broadcast_at_ms bigint
);
create index chain_transaction_open on chain_transaction (network, state) where state in ('built', 'signed', 'broadcast', 'included');
create index chain_transaction_refs on chain_transaction using gin (refs);
create unique index chain_transaction_relayer_nonce on chain_transaction (network, relayer_nonce) where relayer_nonce is not null and state not in ('abandoned', 'replaced');

create table withdrawal (
  id uuid primary key,
  customer_id uuid not null references customer,
  client_reference text not null unique,
  network text not null,
  asset text not null,
  amount numeric(78, 0) not null check (amount > 0),
  fee numeric(78, 0) not null check (fee >= 0),
  destination text not null,
  memo text,
  intent jsonb not null,
  digest text not null unique,
  auth_key_id text not null,
  auth_signature text not null,
  expires_at_ms bigint not null,
  -- queued: held, waits for a batch. signing: in a built transaction. broadcast: bytes stored. included: in a block.
  -- settled: final, hold consumed. released: will never be paid, hold returned.
  state text not null check (state in ('queued', 'signing', 'broadcast', 'included', 'settled', 'released')),
  reason text,
  transaction_id uuid references chain_transaction,
  -- After a refusal the withdrawal is tried again alone and later.
  not_before_ms bigint not null,
  created_at_ms bigint not null,
  updated_at_ms bigint not null
);
create index withdrawal_queue on withdrawal (network, id) where state = 'queued';
create index withdrawal_customer on withdrawal (customer_id, id);
create index withdrawal_transaction on withdrawal (transaction_id);
create index withdrawal_limit on withdrawal (asset, created_at_ms);

-- Every transaction that a withdrawal was ever part of: what a later one must conflict with.
create table withdrawal_attempt (
  withdrawal_id uuid not null references withdrawal,
  transaction_id uuid not null references chain_transaction,
  primary key (withdrawal_id, transaction_id)
);

-- Coins of the Bitcoin-family wallets.
create table coin (
  network text not null,
  txid text not null,
  vout integer not null,
  address text not null,
  script text not null,
  branch integer not null,
  derivation_index bigint not null,
  amount numeric(78, 0) not null check (amount > 0),
  -- Null while its block is not in the applied chain; the row stays because a reservation may hang on it.
  block_id bigint references block,
  height bigint,
  coinbase boolean not null default false,
  spent_by text,
  spent_block_id bigint references block,
  -- Deferred: coins are reserved before the row of the transaction that they make can be written.
  reserved_by uuid references chain_transaction deferrable initially deferred,
  primary key (network, txid, vout)
);
create index coin_block on coin (block_id);
create index coin_spent_block on coin (spent_block_id);
create index coin_free on coin (network, amount desc) where spent_by is null and reserved_by is null and block_id is not null;

-- Change addresses handed out on branch 1.
create table change_address (
  network text not null,
  derivation_index bigint not null,
  address text not null,
  script text not null,
  primary key (network, derivation_index),
  unique (network, script)
);

-- Written in the transaction of the decision; seq is assigned after commit by one sequencer.
create table event (
  id uuid primary key,
  seq bigint unique,
  type text not null,
  resource text not null,
  resource_id text not null,
  occurred_at_ms bigint not null
);
create index event_unsequenced on event (id) where seq is null;

create table webhook_endpoint (
  id uuid primary key,
  client_reference text not null unique,
  url text not null,
  event_types text[] not null,
  hmac_secret text not null,
  state text not null check (state in ('enabled', 'disabled')),
  -- Events up to this seq have delivery rows.
  fanned_out_seq bigint not null,
  created_at_ms bigint not null
);

create table webhook_delivery (
  id uuid primary key,
  endpoint_id uuid not null references webhook_endpoint on delete cascade,
  event_id uuid not null references event,
  state text not null check (state in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  next_attempt_at_ms bigint not null,
  last_status integer,
  last_error text,
  created_at_ms bigint not null,
  delivered_at_ms bigint,
  unique (endpoint_id, event_id)
);
create index webhook_delivery_due on webhook_delivery (next_attempt_at_ms) where state = 'pending';

create table api_idempotency (
  key_id text not null,
  idempotency_key text not null,
  -- SHA-256 over method, path and body.
  fingerprint text not null,
  status integer,
  response jsonb,
  created_at_ms bigint not null,
  primary key (key_id, idempotency_key)
);

-- One open row a (code, subject); closing keeps it.
create table alarm (
  id uuid primary key,
  code text not null,
  subject text not null,
  message text not null,
  opened_at_ms bigint not null,
  last_seen_at_ms bigint not null,
  closed_at_ms bigint
);
create unique index alarm_open on alarm (code, subject) where closed_at_ms is null;

-- Public half of each threshold key, as all signers reported it when it was made; never changes.
create table wallet_key (
  network text not null,
  epoch integer not null,
  public jsonb not null,
  primary key (network, epoch)
);
