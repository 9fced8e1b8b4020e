-- Reminders: what was said to whom about an invoice that is not paid, each step of a plan once for each invoice.

-- What was said last that bears on chasing: by the time its author gives it, never later than it was heard.
alter table receivable
    add column said text,                       -- disputed, suspended, completed, partly_approved, approved, payment_sent
    add column said_at timestamptz;
create index receivable_void on receivable (account_id, document_id) where void;

create function receivable_hears() returns trigger language plpgsql as $$
begin
    update receivable set said = new.facts->>'status',
        said_at = least(new.at, coalesce((new.facts->>'at')::timestamptz, new.at))
    where account_id = new.account_id and document_id = new.document_id
      and (said_at is null or said_at <= least(new.at, coalesce((new.facts->>'at')::timestamptz, new.at)));
    return null;
end $$;
create constraint trigger event_receivable after insert on event deferrable initially deferred for each row
    when (new.outcome = 'status' and new.facts->>'status' in
        ('disputed', 'suspended', 'completed', 'partly_approved', 'approved', 'payment_sent'))
    execute function receivable_hears();

-- Whether the account has its customers reminded: nothing is said before somebody switches it on.
create table reminder_switch (
    account_id  uuid primary key references account,
    on_         boolean not null,
    changed_by  text not null,
    changed_at  timestamptz not null
);

-- A plan of the account's own for one kind of customers; without one, the usual plan counts.
create table reminder_plan (
    account_id  uuid not null references account,
    name        text not null
                check (name in ('public', 'large', 'small', 'foreign', 'strategic', 'bad_payer')),
    plan        jsonb not null,                 -- see gateway/dunning.py
    changed_by  text not null,
    changed_at  timestamptz not null,
    primary key (account_id, name)
);

-- How one customer is reminded, where somebody said so.
create table reminder_customer (
    account_id   uuid not null references account,
    customer     text collate "C" not null check (length(customer) between 1 and 200),
    segment      text check (segment in ('public', 'large', 'small', 'foreign', 'strategic', 'bad_payer')),
                                                -- null: by rule
    email        text check (length(email) <= 254),  -- null: the invoice's electronic address, if it is one
    language     text check (language in ('fr', 'en')),  -- null: by country
    country      text check (country ~ '^[A-Z]{2}$'),    -- null: by identifier
    paused       text check (length(paused) between 1 and 200),  -- why nothing is said to it; null: it is reminded
    paused_until date,                          -- null: until somebody says otherwise
    changed_by   text not null,
    changed_at   timestamptz not null,
    primary key (account_id, customer)
);

-- An invoice that a person stopped chasing.
create table reminder_pause (
    account_id   uuid not null,
    document_id  uuid not null,
    reason       text not null check (length(reason) between 1 and 200),
    until        date,                          -- null: until somebody resumes it
    by           text not null,
    at           timestamptz not null,
    primary key (account_id, document_id),
    foreign key (account_id, document_id) references document
);

-- A letter: to one customer, about one or several invoices. Its text is a content of each of them, role reminder.
create table letter (
    account_id   uuid not null references account,
    letter_id    uuid not null,                 -- sorts by time
    customer     text collate "C" not null,
    channel      text not null check (channel in ('email', 'webhook')),
    tone         text not null,
    language     text not null,
    currency     text not null,
    sha256       bytea not null,
    made_at      timestamptz not null,
    state        text not null check (state in ('waiting', 'sending', 'sent', 'handed', 'unsure', 'refused', 'dropped')),
                                                -- handed: told to webhooks; unsure: it may have left, and is not sent again
    due          timestamptz not null,          -- when it is tried next
    attempts     integer not null default 0,
    leased_until timestamptz,                   -- sending: until when whoever sends it is believed to live
    sent_at      timestamptz,
    recipient    bytea,                         -- SHA-256 of the address it goes to; null: it goes to webhooks
    network_id   text,                          -- Message-ID
    reason       text,                          -- why it is not sent
    primary key (account_id, letter_id),
    foreign key (account_id, sha256) references content
);
create index letter_due on letter (due) where state in ('waiting', 'sending');

-- What was written, whatever became of the letter. Append-only.
create table reminder (
    account_id   uuid not null,
    document_id  uuid not null,
    step         text not null check (step ~ '^[a-z0-9_]{1,30}$'),
    letter_id    uuid not null,
    said_on      date not null,                 -- where the customer is
    balance      numeric not null,              -- what was asked for, in the invoice's currency, without the fee
    fee          numeric not null,
    primary key (account_id, document_id, step, letter_id),
    foreign key (account_id, document_id) references document,
    foreign key (account_id, letter_id) references letter
);
create index reminder_letter on reminder (account_id, letter_id);
create trigger reminder_append_only before update or delete on reminder
    for each row execute function refuse_change();
create trigger reminder_no_truncate before truncate on reminder
    for each statement execute function refuse_change();

-- Each invoice hears each step once, for ever, whoever writes and whatever dies: by one letter that left or may leave.
-- A step whose letter was dropped or refused was never heard, and may be written anew.
create table heard (
    account_id   uuid not null,
    document_id  uuid not null,
    step         text not null,
    letter_id    uuid not null,
    said_on      date not null,
    primary key (account_id, document_id, step),
    foreign key (account_id, document_id, step, letter_id) references reminder
);
create index heard_letter on heard (account_id, letter_id);

create function reminder_is_heard() returns trigger language plpgsql as $$
begin
    insert into heard values (new.account_id, new.document_id, new.step, new.letter_id, new.said_on);
    return null;
end $$;
create trigger reminder_heard after insert on reminder for each row execute function reminder_is_heard();

create function letter_unheard() returns trigger language plpgsql as $$
begin
    delete from heard where account_id = new.account_id and letter_id = new.letter_id;
    return null;
end $$;
create trigger letter_unheard after update on letter for each row
    when (new.state in ('dropped', 'refused') and new.state <> old.state) execute function letter_unheard();

create function heard_stays() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and exists (select from letter where account_id = old.account_id
            and letter_id = old.letter_id and state in ('dropped', 'refused')) then
        return old;
    end if;
    raise exception 'table heard is append-only: only what a dropped or refused letter said goes'
        using errcode = 'restrict_violation';
end $$;
create trigger heard_append_only before update or delete on heard for each row execute function heard_stays();
create trigger heard_no_truncate before truncate on heard for each statement execute function refuse_change();

-- What a person looks at instead of a reminder; each kind once for each invoice.
create table reminder_case (
    account_id   uuid not null,
    document_id  uuid not null,
    kind         text not null check (kind in ('address', 'contact', 'disputed', 'refused', 'unsure')),
    opened_at    timestamptz not null,
    closed_at    timestamptz,                   -- null: open
    closed_by    text,                          -- null where it was closed because its cause is gone
    primary key (account_id, document_id, kind),
    foreign key (account_id, document_id) references document
);
create index reminder_case_open on reminder_case (account_id, opened_at, document_id) where closed_at is null;

alter table event no force row level security;
alter table receivable no force row level security;
update receivable r set said = last.said, said_at = last.at from (
    select distinct on (account_id, document_id) account_id, document_id, facts->>'status' as said,
        least(at, coalesce((facts->>'at')::timestamptz, at)) as at
    from event where outcome = 'status' and facts->>'status' in
        ('disputed', 'suspended', 'completed', 'partly_approved', 'approved', 'payment_sent')
    order by account_id, document_id, least(at, coalesce((facts->>'at')::timestamptz, at)) desc, seq desc) as last
where r.account_id = last.account_id and r.document_id = last.document_id;
alter table event force row level security;
alter table receivable force row level security;

do $$
declare name text;
begin
    foreach name in array array['reminder_switch', 'reminder_plan', 'reminder_customer', 'reminder_pause', 'letter', 'reminder',
                                'heard', 'reminder_case'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
end $$;

grant select, insert, update, delete on reminder_switch, reminder_plan, reminder_customer, reminder_pause to estafette_app;
grant select, insert, update on letter, reminder_case to estafette_app;
grant select, insert on reminder to estafette_app;
grant select, insert, delete on heard to estafette_app;

-- The worker sees for which account a letter waits, and nothing of it.
create policy any_account on letter for select to estafette_worker using (true);
grant select (account_id, state, due, leased_until) on letter to estafette_worker;
