-- rejected: a log claims it and the balance did not follow; it is on record and in no account.
alter table deposit drop constraint deposit_state_check;
alter table deposit add constraint deposit_state_check
  check (state in ('seen', 'credited', 'quarantined', 'rejected', 'orphaned'));
