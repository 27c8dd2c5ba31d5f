-- How many payouts the next transaction of a withdrawal may hold, itself included; null for any number. Halved when a
-- transaction of it is refused, so that a bad payout is found by halving.
alter table withdrawal add column company_max integer check (company_max >= 1);
