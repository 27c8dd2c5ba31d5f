-- rejected: a log claims it and the balance did not follow; it is on record and in no account.
-- kept: approvers gave what was in quarantine to the house.
alter table deposit drop constraint deposit_state_check;
alter table deposit add constraint deposit_state_check
  check (state in ('seen', 'credited', 'quarantined', 'rejected', 'kept', 'orphaned'));
-- What approvers decided about a deposit in quarantine.
alter table deposit add column release_id uuid references customer_record;
alter table customer_record drop constraint customer_record_kind_check;
alter table customer_record add constraint customer_record_kind_check
  check (kind in ('credential', 'destination', 'settlement', 'adjustment', 'release', 'deposit'));
