-- Bank statements, what they say moved on an account, and which invoices that pays. All but one column is append-only: a
-- booking is undone by a decision and a payment that takes it back, never by a change.

-- What was imported, once for what it says.
create table bank_statement (
    account_id   uuid not null references account,
    statement_id uuid not null,                 -- sorts by time
    digest       bytea not null,                -- SHA-256 of what it says
    format       text not null,                 -- camt.052, camt.053, camt.054, mt940, mt942, cfonb120, csv
    bank_account text not null check (bank_account <> ''),  -- IBAN, or the bank's own number
    currency     text not null,
    number       text not null,                 -- may be empty
    starts_on    date,                          -- this and the next: as it says, null: it says nothing
    ends_on      date,
    opening      numeric,                       -- this and the next: null where it has none
    closing      numeric,
    sound        boolean not null,              -- no balance is wrong or missing: its lines may be booked at once
    entries      integer not null check (entries >= 0),
    known        integer not null check (known >= 0),  -- of those, what other statements told before
    imported_at  timestamptz not null,
    by           text not null,                 -- public id of the credential, or operator
    primary key (account_id, statement_id),
    unique (account_id, digest)
);
create index bank_statement_account on bank_statement (account_id, bank_account, currency);

-- One booking of the bank, whichever statements tell of it.
create table bank_entry (
    account_id   uuid not null,
    entry_id     uuid not null,
    bank_account text not null,
    currency     text not null,
    booked_on    date not null,
    value_on     date,
    amount       numeric not null,              -- what came in is positive
    reversal     boolean not null,              -- the bank says that it takes an earlier booking back
    primary key (account_id, entry_id)
);
create index bank_entry_day on bank_entry (account_id, bank_account, currency, booked_on);

-- Where an entry stands in each statement that tells of it, and by which references.
create table bank_sighting (
    account_id   uuid not null,
    statement_id uuid not null,
    place        integer not null,              -- from 1: entries that look alike are still two
    entry_id     uuid not null,
    reference    text not null,                 -- the bank's; may be empty
    end_to_end   text not null,
    text         text not null,                 -- remittance, letters and digits alone
    party        text not null,                 -- letters and digits alone
    primary key (account_id, statement_id, place),
    foreign key (account_id, statement_id) references bank_statement,
    foreign key (account_id, entry_id) references bank_entry
);
create index bank_sighting_entry on bank_sighting (account_id, entry_id);

-- One transaction of an entry: what is matched.
create table bank_line (
    account_id   uuid not null,
    line_id      uuid not null,                 -- sorts by time
    entry_id     uuid not null,
    statement_id uuid not null,                 -- that told of it first
    part         integer not null check (part >= 0),  -- 0: the whole entry; from 1: of a batch
    amount       numeric not null,
    end_to_end   text not null,
    structured   text[] not null,
    text         text not null,
    party        text not null,
    party_account text not null,
    reference    text not null,
    charges      numeric not null check (charges >= 0),
    split_at     timestamptz,                   -- another statement told the transactions of this batch; null: it stands
    primary key (account_id, line_id),
    unique (account_id, entry_id, part),
    foreign key (account_id, entry_id) references bank_entry,
    foreign key (account_id, statement_id) references bank_statement
);
create index bank_line_amount on bank_line (account_id, amount);

-- What a line is taken to pay, and why.
create table bank_match (
    account_id   uuid not null,
    match_id     uuid not null,                 -- sorts by time
    line_id      uuid not null,
    certain      boolean not null,
    reasons      jsonb not null,
    alternatives uuid[] not null,
    made_at      timestamptz not null,
    primary key (account_id, match_id),
    foreign key (account_id, line_id) references bank_line
);
create index bank_match_line on bank_match (account_id, line_id, match_id);

create table bank_match_part (
    account_id   uuid not null,
    match_id     uuid not null,
    document_id  uuid not null,
    amount       numeric not null check (amount <> 0),
    primary key (account_id, match_id, document_id),
    foreign key (account_id, match_id) references bank_match,
    foreign key (account_id, document_id) references document
);
create index bank_match_part_document on bank_match_part (account_id, document_id);

-- What became of a match; it is proposed while it has none.
create table bank_decision (
    account_id   uuid not null,
    match_id     uuid not null,
    decision     text not null check (decision in ('booked', 'refused', 'withdrawn', 'undone')),
    by           text not null,                 -- public id of the credential, operator, or gateway
    at           timestamptz not null,
    primary key (account_id, match_id, decision),
    foreign key (account_id, match_id) references bank_match
);

-- A line is booked once at a time; only what is booked is undone.
create function bank_decided() returns trigger language plpgsql as $$
declare line uuid;
begin
    select m.line_id into line from bank_match m where m.account_id = new.account_id and m.match_id = new.match_id;
    perform 1 from bank_line l where l.account_id = new.account_id and l.line_id = line for update;
    if new.decision = 'undone' then
        if not exists (select from bank_decision d where d.account_id = new.account_id and d.match_id = new.match_id
                       and d.decision = 'booked') then
            raise exception 'a match that was not booked is not undone' using errcode = 'check_violation';
        end if;
        return new;
    end if;
    if exists (select from bank_decision d where d.account_id = new.account_id and d.match_id = new.match_id) then
        raise exception 'a match is decided once' using errcode = 'check_violation';
    end if;
    if new.decision = 'booked' and exists (
        select from bank_match m join bank_decision d using (account_id, match_id)
        where m.account_id = new.account_id and m.line_id = line and d.decision = 'booked' and not exists (
            select from bank_decision u where u.account_id = d.account_id and u.match_id = d.match_id
                and u.decision = 'undone')) then
        raise exception 'a line is booked once' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger bank_decision_once before insert on bank_decision for each row execute function bank_decided();

create function bank_line_split_once() returns trigger language plpgsql as $$
begin
    if old.split_at is not null or new.split_at is null
       or to_jsonb(new) - 'split_at' is distinct from to_jsonb(old) - 'split_at' then
        raise exception 'bank_line is append-only' using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger bank_line_split_once before update on bank_line for each row execute function bank_line_split_once();
create trigger bank_line_no_delete before delete on bank_line for each row execute function refuse_change();
create trigger bank_line_no_truncate before truncate on bank_line for each statement execute function refuse_change();

do $$
declare name text;
begin
    foreach name in array array['bank_statement', 'bank_entry', 'bank_sighting', 'bank_match', 'bank_match_part',
                                'bank_decision'] loop
        execute format('create trigger %I before update or delete on %I for each row execute function refuse_change()',
                       name || '_append_only', name);
        execute format('create trigger %I before truncate on %I for each statement execute function refuse_change()',
                       name || '_no_truncate', name);
    end loop;
    foreach name in array array['bank_statement', 'bank_entry', 'bank_sighting', 'bank_line', 'bank_match',
                                'bank_match_part', 'bank_decision'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
        execute format('grant select, insert on %I to estafette_app', name);
    end loop;
end $$;
grant update (split_at) on bank_line to estafette_app;
