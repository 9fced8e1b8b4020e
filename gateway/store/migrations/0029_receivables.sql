-- Receivables: what customers owe on each document of which the account is the seller, and what the account owes them.
-- A projection of documents, payments, credit notes and write-offs, made by the database itself at the end of each
-- transaction that changes one of them: whoever writes, no sum is ever behind. Currencies are kept apart.

-- One row for each valid document of the account's own sales. Amounts in currency, from the seller's side: what a
-- credit note gives back is negative, as is a payment that goes back to the customer.
create table receivable (
    account_id   uuid not null,
    document_id  uuid not null,
    customer     text collate "C" not null,     -- the buyer's SIREN or other identifier, or electronic address; else
                                                -- document: and its id, so that no two strangers are one
    seller       text not null,
    number       text not null,                 -- BT-1
    issue_date   date not null,                 -- BT-2
    due_date     date not null,                 -- BT-9
    due_assumed  boolean not null,              -- there is no BT-9: thirty days after issue (code de commerce L441-10)
    currency     text not null,                 -- BT-5
    void         boolean not null,              -- refused, rejected or ended: nothing is owed, what was paid goes back
    due          numeric not null,              -- BT-115: deposits that it deducts (BT-113) are taken off already
    credited     numeric not null,              -- taken off by credit notes that name it; of one: what it took off others
    paid         numeric not null,
    written_off  numeric not null,
    balance      numeric not null generated always as
                 (case when void then -paid else due - credited - paid - written_off end) stored,
    last_paid_on date,                          -- null: nothing was paid
    primary key (account_id, document_id),
    foreign key (account_id, document_id) references document
);
create index receivable_open on receivable (account_id, due_date, document_id) where balance <> 0;
create index receivable_customer on receivable (account_id, customer, document_id);
create index receivable_issued on receivable (account_id, issue_date);
create index receivable_number on receivable (account_id, number);

-- The invoices that a credit names (BG-3), in its order.
create table credit_named (
    account_id   uuid not null,
    credit_id    uuid not null,
    place        integer not null,
    number       text not null,                 -- BT-25
    issue_date   date,                          -- BT-26
    primary key (account_id, credit_id, place),
    foreign key (account_id, credit_id) references receivable
);
create index credit_named_number on credit_named (account_id, number);

-- What a credit takes off an invoice that it names: of the same seller, customer and currency. It stays when one of the
-- two is purged: what the other was netted with does not come back.
create table credit (
    account_id   uuid not null,
    credit_id    uuid not null,
    document_id  uuid not null,                 -- the invoice
    amount       numeric not null check (amount > 0),
    primary key (account_id, credit_id, document_id),
    foreign key (account_id, credit_id) references document,
    foreign key (account_id, document_id) references document
);
create index credit_document on credit (account_id, document_id);

-- What a person gave up, or took back (a negative amount). Append-only.
create table write_off (
    account_id   uuid not null,
    write_off_id uuid not null,                 -- sorts by time
    document_id  uuid not null,
    amount       numeric not null check (amount <> 0),
    currency     text not null,
    reason       text not null
                 check (reason in ('insolvency', 'dispute', 'prescription', 'goodwill', 'rounding', 'bank_charges', 'error')),
    reference    text not null check (reference ~ '^[A-Za-z0-9._/-]{0,60}$'),  -- a case's number; no person's name
    by           text not null,                 -- public id of the credential, or operator
    at           timestamptz not null,
    key          text not null,                 -- Idempotency-Key, or its own id
    primary key (account_id, write_off_id),
    unique (account_id, key),
    foreign key (account_id, document_id) references document
);
create index write_off_document on write_off (account_id, document_id);
create trigger write_off_append_only before update or delete on write_off
    for each row execute function refuse_change();
create trigger write_off_no_truncate before truncate on write_off
    for each statement execute function refuse_change();

-- Credit notes (UNTDID 1001), whose amounts are stated as what is given back; and what the buyer issues itself.
create function is_credit_note(type_code text) returns boolean language sql immutable parallel safe as $$
    select type_code in ('81', '83', '261', '262', '296', '308', '381', '396', '420', '458', '502', '503', '532')
$$;
create function is_self_billed(type_code text) returns boolean language sql immutable parallel safe as $$
    select type_code in ('261', '389', '471', '473', '500', '501', '502')
$$;

-- Whether the last digit checks the others (Luhn).
create function luhn(digits text) returns boolean language sql immutable parallel safe as $$
    select sum(case when (length(digits) - place) % 2 = 0 then digit else 2 * digit - case when digit > 4 then 9 else 0 end end)
        % 10 = 0
    from (select place, substr(digits, place, 1)::integer as digit from generate_series(1, length(digits)) as place) as each
$$;

-- Whose debt it is: a French company is one customer by SIREN, SIRET or VAT number. Digits that do not check are of another
-- country (of SIRETs, those of La Poste need not).
create function customer_of(buyer text, address text, document_id uuid) returns text language sql immutable as $$
    select coalesce(
        case when said ~ '^[0-9]{9}$' then said
            when said ~ '^FR[0-9A-Z]{2}[0-9]{9}$' and luhn(right(said, 9)) then right(said, 9)
            when said ~ '^[0-9]{14}$' and luhn(left(said, 9)) and (luhn(said) or left(said, 9) = '356000000')
                then left(said, 9) end,
        nullif(said, ''), nullif(address, ''), 'document:' || document_id)
    from (select upper(regexp_replace(buyer, '\s', '', 'g')) as said) as plain
$$;

-- What the document, its payments and its write-offs say now; no row: it is no receivable.
create function receivable_of(d document) returns table (
    customer text, seller text, number text, due_date date, due numeric, paid numeric, written_off numeric, last_paid_on date
) language sql stable as $$
    select customer_of(d.buyer, d.buyer_address, d.document_id), coalesce(d.seller, ''), coalesce(d.number, ''),
           coalesce(d.due_date, d.issue_date + 30), sign.of * d.amount_due, sign.of * coalesce(paid.sum, 0),
           coalesce(off.sum, 0), paid.last
    from (select case when is_credit_note(d.type_code) then -1 else 1 end as of) sign
        cross join lateral (select sum(p.amount) as sum, max(p.paid_on) as last from payment p
            where p.account_id = d.account_id and p.document_id = d.document_id and p.currency = d.currency) paid
        cross join lateral (select sum(w.amount) as sum from write_off w
            where w.account_id = d.account_id and w.document_id = d.document_id) off
    where d.about is null and d.purged_at is null and d.stage not in ('received', 'parsed')
      and d.amount_due is not null and d.currency is not null and d.issue_date is not null
      and (d.direction = 'inbound') = is_self_billed(d.type_code)
$$;

-- The row of one document as it is now; false: it is no receivable.
create function receivable_said(of_account uuid, of_document uuid) returns boolean language plpgsql as $$
begin
    insert into receivable (account_id, document_id, customer, seller, number, issue_date, due_date, due_assumed,
                            currency, void, due, credited, paid, written_off, last_paid_on)
    select d.account_id, d.document_id, r.customer, r.seller, r.number, d.issue_date, r.due_date, d.due_date is null,
           d.currency, d.halted is not null, r.due, 0, r.paid, r.written_off, r.last_paid_on
    from document d cross join lateral receivable_of(d) r
    where d.account_id = of_account and d.document_id = of_document
    on conflict (account_id, document_id) do update set void = excluded.void, due = excluded.due, paid = excluded.paid,
        written_off = excluded.written_off, last_paid_on = excluded.last_paid_on, due_date = excluded.due_date,
        due_assumed = excluded.due_assumed;
    if not found then
        return false;
    end if;
    insert into credit_named (account_id, credit_id, place, number, issue_date)
    select r.account_id, r.document_id, named.place, named.said->>'number', (named.said->>'issue_date')::date
    from receivable r join archive_index i using (account_id, document_id)
        cross join lateral jsonb_array_elements(i.refers_to->'preceding') with ordinality as named (said, place)
    where r.account_id = of_account and r.document_id = of_document and r.due < 0
    on conflict do nothing;
    return true;
end $$;

-- What one credit takes off the invoices it names, in its order, from each what it asks for at most; what is left stays
-- the customer's. What was given back in money is not taken off any more; a credit that is void takes nothing off.
-- What it took off an invoice that is purged since stays taken.
create function credit_spread(of_account uuid, of_credit uuid) returns void language plpgsql as $$
declare
    mine receivable; rest numeric; named credit_named; found_id uuid; found_due numeric; taken numeric;
begin
    select * into mine from receivable where account_id = of_account and document_id = of_credit;
    delete from credit c where c.account_id = of_account and c.credit_id = of_credit and (mine.void or exists (
        select from receivable r where r.account_id = of_account and r.document_id = c.document_id));
    if mine.void then
        return;
    end if;
    rest := mine.paid - mine.due
        - coalesce((select sum(amount) from credit where account_id = of_account and credit_id = of_credit), 0);
    for named in select * from credit_named where account_id = of_account and credit_id = of_credit order by place loop
        exit when rest <= 0;
        select r.document_id, r.due into found_id, found_due from receivable r
        where r.account_id = of_account and r.number = named.number and r.seller = mine.seller
          and r.customer = mine.customer and r.currency = mine.currency and r.due > 0
          and (named.issue_date is null or r.issue_date = named.issue_date)
        order by r.issue_date <= mine.issue_date desc, r.void, r.issue_date desc, r.document_id desc limit 1;
        if found_id is not null then
            taken := null;
            insert into credit values (of_account, of_credit, found_id, least(rest, found_due))
                on conflict do nothing returning amount into taken;
            rest := rest - coalesce(taken, 0);
        end if;
    end loop;
end $$;

-- Make the row of a document anew, and what credits take off: its own, and those that name it. Rows are locked in the
-- order of their ids. Numbers are locked before, where a document comes or ends: else an invoice and the credit
-- note that names it, committed at one time, would not see each other.
create function receivable_renew(of_account uuid, of_document uuid, numbers boolean) returns void language plpgsql as $$
declare
    own document; credits uuid[]; ids uuid[]; one uuid; key bigint;
begin
    select * into own from document where account_id = of_account and document_id = of_document;
    if numbers then
        for key in
            select distinct hashtextextended(of_account || ':' || n, 29) as k from (
                select own.number as n union all
                select said->>'number' from archive_index i
                    cross join lateral jsonb_array_elements(i.refers_to->'preceding') as said
                where i.account_id = of_account and i.document_id = of_document) as all_numbers
            where n is not null order by k
        loop
            perform pg_advisory_xact_lock(key);
        end loop;
    end if;
    select array_agg(distinct touched) into ids from (
        select of_document as touched
        union all select credit_id from credit_named where account_id = of_account and number = own.number
        union all select c.document_id from credit c where c.account_id = of_account and (c.credit_id = of_document
            or c.credit_id in (select credit_id from credit_named where account_id = of_account and number = own.number))
        union all select r.document_id from credit_named n
            join receivable r on r.account_id = n.account_id and r.number = n.number
            where n.account_id = of_account and (n.credit_id = of_document or n.credit_id in (
                select credit_id from credit_named where account_id = of_account and number = own.number))) as touching;
    perform from receivable where account_id = of_account and document_id = any(ids) order by document_id for update;
    if not receivable_said(of_account, of_document) then
        return;
    end if;
    select array_agg(r.document_id order by r.document_id) into credits from receivable r
    where r.account_id = of_account and r.due < 0 and (r.document_id = of_document or r.document_id in (
        select credit_id from credit_named where account_id = of_account and number = own.number));
    if credits is null then
        return;
    end if;
    -- Of a credit that is new: nobody else can hold its row, so what it names is locked after it.
    select array_agg(distinct touched) into ids from (
        select unnest(ids || credits) as touched
        union all select r.document_id from credit_named n
            join receivable r on r.account_id = n.account_id and r.number = n.number
            where n.account_id = of_account and n.credit_id = any(credits)) as touching;
    perform from receivable where account_id = of_account and document_id = any(ids) order by document_id for update;
    foreach one in array credits loop
        perform credit_spread(of_account, one);
    end loop;
    update receivable r set credited = coalesce(
        (select sum(amount) from credit c where c.account_id = of_account and c.document_id = r.document_id), 0) - coalesce(
        (select sum(amount) from credit c where c.account_id = of_account and c.credit_id = r.document_id), 0)
    where r.account_id = of_account and r.document_id = any(ids);
end $$;

create function receivable_of_document() returns trigger language plpgsql as $$
begin
    if new.purged_at is not null then
        delete from credit_named where account_id = new.account_id and credit_id = new.document_id;
        delete from receivable where account_id = new.account_id and document_id = new.document_id;
        delete from credit c where c.account_id = new.account_id  -- of which both sides are gone
            and (c.credit_id = new.document_id or c.document_id = new.document_id)
            and not exists (select from receivable r where r.account_id = c.account_id
                and r.document_id in (c.credit_id, c.document_id));
    else
        perform receivable_renew(new.account_id, new.document_id, true);
    end if;
    return null;
end $$;

create function receivable_of_money() returns trigger language plpgsql as $$
begin
    perform receivable_renew(new.account_id, new.document_id, false);
    return null;
end $$;

-- At the end of the transaction: what a document refers to is written after its row, and locks are taken in one order.
create constraint trigger document_receivable after update on document deferrable initially deferred for each row
    when (new.about is null and new.stage not in ('received', 'parsed') and (old.stage in ('received', 'parsed')
        or old.halted is distinct from new.halted or old.amount_due is distinct from new.amount_due
        or old.due_date is distinct from new.due_date or old.purged_at is distinct from new.purged_at))
    execute function receivable_of_document();
create constraint trigger payment_receivable after insert on payment deferrable initially deferred for each row
    execute function receivable_of_money();
create constraint trigger write_off_receivable after insert on write_off deferrable initially deferred for each row
    execute function receivable_of_money();

-- What was there before, at once: nobody reads or writes documents meanwhile. The owner, too, sees no account's rows while
-- row-level security is forced.
alter table document no force row level security;
alter table archive_index no force row level security;
alter table payment no force row level security;
insert into receivable (account_id, document_id, customer, seller, number, issue_date, due_date, due_assumed, currency, void,
                        due, credited, paid, written_off, last_paid_on)
select d.account_id, d.document_id, r.customer, r.seller, r.number, d.issue_date, r.due_date, d.due_date is null,
       d.currency, d.halted is not null, r.due, 0, r.paid, r.written_off, r.last_paid_on
from document d cross join lateral receivable_of(d) r;
insert into credit_named (account_id, credit_id, place, number, issue_date)
select r.account_id, r.document_id, named.place, named.said->>'number', (named.said->>'issue_date')::date
from receivable r join archive_index i using (account_id, document_id)
    cross join lateral jsonb_array_elements(i.refers_to->'preceding') with ordinality as named (said, place)
where r.due < 0;
analyze receivable, credit_named;
select count(credit_spread(account_id, document_id)) from receivable where due < 0;
update receivable r set credited = moved.amount from (
    select account_id, id, sum(amount) as amount from (
        select account_id, document_id as id, amount from credit
        union all select account_id, credit_id, -amount from credit) as sides
    group by account_id, id) as moved
where r.account_id = moved.account_id and r.document_id = moved.id;
alter table document force row level security;
alter table archive_index force row level security;
alter table payment force row level security;

do $$
declare name text;
begin
    foreach name in array array['receivable', 'credit_named', 'credit', 'write_off'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
end $$;

grant select, insert, update, delete on receivable, credit, credit_named to estafette_app;
grant select, insert on write_off to estafette_app;
