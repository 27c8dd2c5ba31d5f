-- Notices a database that has gone back (restored from a backup, or a standby that had not everything).

-- One row, raised again and again: a database that has gone back names a smaller number than its server has seen.
create table database_mark (
  only_one boolean primary key default true check (only_one),
  n bigint not null
);
insert into database_mark (n) values (0);

-- Up to where all that a signer's journal holds is known to be in this database.
create table signer_journal (
  signer text primary key,
  seq bigint not null,
  hash text not null
);

-- The database lacked what signers had been told; one row each time. Nothing is decided while one is not finished.
create table database_rebuild (
  id uuid primary key,
  found_at_ms bigint not null,
  -- When the first record that is missing here was written, by its signer's clock.
  lost_from_ms bigint not null,
  lost text not null,
  -- Blocks that were applied without knowing what was lost have been taken off.
  rolled_back boolean not null default false,
  finished_at_ms bigint,
  report jsonb
);
create unique index database_rebuild_open on database_rebuild ((true)) where finished_at_ms is null;
