-- The ledger: double entry, one row a transfer, one running balance an account.

create table account (
  id bigint generated always as identity primary key,
  code text collate "C" not null unique,
  asset text not null,
  -- The side on which the balance grows.
  normal text not null check (normal in ('debit', 'credit')),
  balance numeric(78, 0) not null default 0,
  -- Entries so far; each transfer takes the next number of both its accounts, without gaps.
  seq bigint not null default 0,
  allow_negative boolean not null,
  constraint account_balance_not_negative check (allow_negative or balance >= 0)
) with (fillfactor = 70); -- room in the page, so that an update of the balance touches no index

-- debit and credit carry no foreign key: its two look-ups a row cost more than they prove here, since only post_batch
-- inserts, it has just locked both accounts, and accounts cannot be deleted.
create table transfer (
  id bigint generated always as identity primary key,
  idem text collate "C" not null unique,
  -- What moved the money: 'block:...', 'withdrawal:...', 'reversal:...'.
  cause text collate "C" not null,
  debit bigint not null,
  credit bigint not null,
  amount numeric(78, 0) not null check (amount > 0),
  debit_seq bigint not null,
  credit_seq bigint not null,
  -- Balances after this transfer.
  debit_balance numeric(78, 0) not null,
  credit_balance numeric(78, 0) not null,
  created_at_ms bigint not null,
  unique (debit, debit_seq),
  unique (credit, credit_seq),
  check (debit <> credit)
);
create index transfer_cause on transfer (cause);

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only: % on %', tg_op, tg_table_name;
end $$;
create trigger transfer_append_only before update or delete or truncate on transfer
  for each statement execute function ledger_is_append_only();
create trigger account_append_only before delete or truncate on account
  for each statement execute function ledger_is_append_only();

-- Decides and posts transfers in the order given; one status an item:
--   posted          accepted now
--   duplicate       this idem was posted before (or earlier in this batch) with the same content
--   conflict        this idem was posted with other content
--   insufficient    an account that may not be negative would be
--   asset-mismatch  the accounts hold different assets
--   same-account    debit and credit are one account
--   overflow        a balance would exceed 78 digits
-- What is not accepted leaves no trace, so its idem may be used again.
--
-- Accounts are locked in the order of their ids, so that two batches cannot deadlock; idems are looked up after that,
-- in a new snapshot, so that of two equal batches the second sees the first. The items are then decided one after the
-- other on balances held in arrays, and written with one insert and one update.
create function post_batch(
  p_idem text[], p_cause text[], p_debit bigint[], p_credit bigint[], p_amount numeric[], p_now_ms bigint
) returns text[] language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
  size constant int := cardinality(p_idem);
  overflow constant numeric := 1e78;
  -- One element a locked account, in id order.
  ids bigint[];
  assets text[];
  -- 1 where a debit raises the balance, -1 where it lowers it.
  debit_signs int[];
  allows_negative boolean[];
  balances numeric[];
  seqs bigint[];
  -- One element an item.
  statuses text[];
  accepted int[];
  debit_seqs bigint[];
  credit_seqs bigint[];
  debit_balances numeric[];
  credit_balances numeric[];
  item record;
  d int;
  c int;
  earlier int;
  debit_after numeric;
  credit_after numeric;
begin
  if size = 0 then
    return '{}';
  end if;

  for attempt in 1..3 loop
    begin
      select array_agg(id), array_agg(asset), array_agg(case normal when 'debit' then 1 else -1 end),
             array_agg(allow_negative), array_agg(balance), array_agg(seq)
        into ids, assets, debit_signs, allows_negative, balances, seqs
        from (select * from account where id = any (p_debit || p_credit) order by id for no key update) locked;
      statuses := array_fill(null::text, array[size]);
      accepted := array_fill(null::int, array[size]);
      debit_seqs := array_fill(null::bigint, array[size]);
      credit_seqs := debit_seqs;
      debit_balances := array_fill(null::numeric, array[size]);
      credit_balances := debit_balances;

      for item in
        select i.*, i.n::int as at, da.at::int as debit_at, ca.at::int as credit_at, known.id as known_id,
               (known.cause, known.debit, known.credit, known.amount) = (i.cause, i.debit, i.credit, i.amount) as same,
               -- The items of one idem share the number of the first.
               (min(i.n) over (partition by i.idem))::int as idem_at
          from unnest(p_idem collate "C", p_cause, p_debit, p_credit, p_amount)
                 with ordinality as i (idem, cause, debit, credit, amount, n)
          left join unnest(ids) with ordinality as da (id, at) on da.id = i.debit
          left join unnest(ids) with ordinality as ca (id, at) on ca.id = i.credit
          left join (select * from transfer where idem = any (p_idem)) known on known.idem = i.idem
         order by i.n
      loop
        d := item.debit_at;
        c := item.credit_at;
        earlier := accepted[item.idem_at];
        if d is null or c is null then
          raise exception 'no account with id % or %', item.debit, item.credit;
        elsif item.known_id is not null then
          statuses[item.at] := case when item.same then 'duplicate' else 'conflict' end;
        elsif earlier is not null then
          statuses[item.at] := case when (p_cause[earlier], p_debit[earlier], p_credit[earlier], p_amount[earlier])
            = (item.cause, item.debit, item.credit, item.amount) then 'duplicate' else 'conflict' end;
        elsif d = c then
          statuses[item.at] := 'same-account';
        elsif assets[d] <> assets[c] then
          statuses[item.at] := 'asset-mismatch';
        else
          debit_after := balances[d] + debit_signs[d] * item.amount;
          credit_after := balances[c] - debit_signs[c] * item.amount;
          if (debit_after < 0 and not allows_negative[d]) or (credit_after < 0 and not allows_negative[c]) then
            statuses[item.at] := 'insufficient';
          elsif abs(debit_after) >= overflow or abs(credit_after) >= overflow then
            statuses[item.at] := 'overflow';
          else
            statuses[item.at] := 'posted';
            accepted[item.idem_at] := item.at;
            balances[d] := debit_after;
            balances[c] := credit_after;
            seqs[d] := seqs[d] + 1;
            seqs[c] := seqs[c] + 1;
            debit_seqs[item.at] := seqs[d];
            credit_seqs[item.at] := seqs[c];
            debit_balances[item.at] := debit_after;
            credit_balances[item.at] := credit_after;
          end if;
        end if;
      end loop;

      insert into transfer (idem, cause, debit, credit, amount, debit_seq, credit_seq, debit_balance, credit_balance, created_at_ms)
        select i.idem, i.cause, i.debit, i.credit, i.amount, i.debit_seq, i.credit_seq, i.debit_balance, i.credit_balance, p_now_ms
          from unnest(p_idem, p_cause, p_debit, p_credit, p_amount, debit_seqs, credit_seqs, debit_balances, credit_balances, statuses)
                 with ordinality as i (idem, cause, debit, credit, amount, debit_seq, credit_seq, debit_balance, credit_balance, status, n)
         where i.status = 'posted'
         order by i.n;
      update account a set balance = u.balance, seq = u.seq
        from unnest(ids, balances, seqs) as u (id, balance, seq)
       where a.id = u.id and a.seq <> u.seq;
      return statuses;
    exception when unique_violation then
      -- A batch on other accounts posted one of these idems meanwhile. The next round finds it and says so.
      if attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
