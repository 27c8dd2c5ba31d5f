-- What a scan watches for, in an order that a reader in memory can go on from: deposit addresses, change addresses, coins.
-- A number is taken under a lock that is held until commit, so that within a table and a network no smaller number appears
-- after a larger one was read. A trigger does it, so that no way to insert can leave it out.
create sequence watch_seq;

create function take_watch_seq() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('watch:' || tg_table_name || ':' || new.network, 0));
  new.watch_seq := nextval('watch_seq');
  return new;
end $$;

alter table deposit_address add column watch_seq bigint not null default nextval('watch_seq');
alter table change_address add column watch_seq bigint not null default nextval('watch_seq');
alter table coin add column watch_seq bigint not null default nextval('watch_seq');
-- Taken before the lock, so it must not be what counts.
alter table deposit_address alter column watch_seq drop default;
alter table change_address alter column watch_seq drop default;
alter table coin alter column watch_seq drop default;

create index deposit_address_watch on deposit_address (network, watch_seq);
create index change_address_watch on change_address (network, watch_seq);
create index coin_watch on coin (network, watch_seq);

create trigger deposit_address_watch before insert on deposit_address for each row execute function take_watch_seq();
create trigger change_address_watch before insert on change_address for each row execute function take_watch_seq();
create trigger coin_watch before insert on coin for each row execute function take_watch_seq();

-- What jobs and lists look for at every pass, among rows that only grow (bench/src/growth.ts).
create index withdrawal_attempt_transaction on withdrawal_attempt (transaction_id);
create index withdrawal_open on withdrawal (state, id) where state not in ('settled', 'released');
create index chain_transaction_unmined on chain_transaction (network) where state in ('built', 'signed', 'broadcast', 'uncertain', 'abandoned');
create index deposit_sweep on deposit (sweep_id) where sweep_id is not null;
create index deposit_unusual on deposit (state, id) where state <> 'credited';
create index coin_reserved on coin (reserved_by) where reserved_by is not null;
