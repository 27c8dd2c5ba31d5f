-- The key epoch that each coin and change address of a threshold wallet hangs on (deposit addresses have it already).
alter table coin add column epoch integer not null default 1;
alter table change_address add column epoch integer not null default 1;
