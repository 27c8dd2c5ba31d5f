-- A pause that a signer authorised and the relayer carries: it pays nobody and has no outcome but the guard's own state.
alter table chain_transaction drop constraint chain_transaction_kind_check;
alter table chain_transaction add constraint chain_transaction_kind_check check (kind in ('withdrawal', 'sweep', 'emergency'));
