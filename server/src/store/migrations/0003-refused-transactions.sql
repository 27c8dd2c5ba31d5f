-- Whether so many signers refused the transaction that no quorum ever accepted it. When its intents have expired as
-- well, it can never be signed, and its withdrawals may be given back.
alter table chain_transaction add column refused boolean not null default false;
