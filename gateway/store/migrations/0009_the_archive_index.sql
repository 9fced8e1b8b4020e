-- The archive's index: how documents are found by what they say, and who looked. A projection of the documents, made in
-- the transaction that read them; it can be made anew from their bytes at any time (estafette archive reindex), and
-- what it says of people and companies is erased with the document.

-- One row for each document that was read, or that could not be.
create table archive_index (
    account_id   uuid not null,
    document_id  uuid not null,                 -- sorts by time of acceptance
    accepted_at  timestamptz not null,
    day          date not null,                 -- BT-2; where there is none, the day of acceptance (UTC)
    issue_date   date,                          -- BT-2
    direction    text not null,
    participant  text not null,
    type_code    text,                          -- BT-3
    number       text collate "C",              -- BT-1
    currency     text,                          -- BT-5
    total        numeric,                       -- BT-112, in currency
    cents        bigint,                        -- total in hundredths, rounded down: what an index may answer by
    seller_name  text not null,                 -- BT-27
    buyer_name   text not null,                 -- BT-44
    refers_to    jsonb not null,                -- numbers of order, despatch advice, contract, preceding invoices
    terms        text[] not null,               -- see gateway/sought.py
    edition      smallint not null,             -- of the rules that made the terms; 0: names and words are missing yet
    erased_at    timestamptz,                   -- when its retention ended and all that it said was erased
    primary key (account_id, document_id),
    foreign key (account_id, document_id) references document
);
create index archive_index_day on archive_index (account_id, day, document_id);
create index archive_index_number on archive_index (account_id, number, document_id) where number is not null;
create index archive_index_amount on archive_index (account_id, currency, cents, document_id) where currency is not null;
create index archive_index_edition on archive_index (account_id, edition, document_id) where erased_at is null;

-- Which documents bear a term. Row-level security keeps an index from answering through operators that may leak, as
-- those of tsvector and of arrays; comparing text does not.
create table archive_term (
    account_id   uuid not null,
    term         text collate "C" not null,
    document_id  uuid not null,
    primary key (account_id, term, document_id)
);

-- Who read in the archive. Append-only.
create table archive_read (
    account_id  uuid not null references account,
    read_id     uuid not null,                  -- sorts by time
    at          timestamptz not null,
    who         text not null,                  -- public id of the credential, or operator: and the account of the machine
    what        text not null check (what in ('search', 'csv', 'zip', 'tax_audit', 'document')),
    query       jsonb not null,                 -- what was asked for
    found       bigint not null,                -- documents shown
    whole       boolean not null,               -- false: it broke off, or there was more on further pages
    reason      text not null check (reason in ('', 'accounting', 'tax_audit', 'dispute', 'court', 'data_subject', 'other')),
    reference   text not null check (reference ~ '^[A-Za-z0-9._/-]{0,60}$'),  -- a case's number; no person's name
    primary key (account_id, read_id)
);

create trigger archive_read_append_only before update or delete on archive_read
    for each row execute function refuse_change();
create trigger archive_read_no_truncate before truncate on archive_read
    for each statement execute function refuse_change();

-- With its tombstone a document leaves the index but for what the tombstone names too (number, type, dates) and that it
-- is gone, whoever writes the tombstone.
create function erased_from_the_archive_index() returns trigger language plpgsql as $$
begin
    delete from archive_term t using archive_index i
    where i.account_id = new.account_id and i.document_id = new.document_id and t.account_id = new.account_id
      and t.document_id = new.document_id and t.term = any(i.terms);
    update archive_index set currency = null, total = null, cents = null, seller_name = '', buyer_name = '',
        refers_to = '{}', terms = '{}', erased_at = new.at
    where account_id = new.account_id and document_id = new.document_id and erased_at is null;
    return null;
end $$;
create trigger event_erases after insert on event for each row when (new.outcome = 'purged')
    execute function erased_from_the_archive_index();

-- Where a document stands changes; the archive asks its row. Few documents of a state among many must be found at once.
create index document_stage on document (account_id, stage, document_id);
create index document_status on document (account_id, status, document_id) where status is not null;
create index document_halted on document (account_id, document_id) where halted is not null;

do $$
declare name text;
begin
    foreach name in array array['archive_index', 'archive_term', 'archive_read'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
end $$;

grant select, insert, update on archive_index to estafette_app;
grant select, insert, delete on archive_term to estafette_app;
grant select, insert on archive_read to estafette_app;

-- What was kept before: at once by what its row says, by names and words when the gateway has read it again.
-- The owner, too, sees no account's rows while row-level security is forced.
alter table document no force row level security;
alter table archive_index no force row level security;
alter table archive_term no force row level security;
insert into archive_index (account_id, document_id, accepted_at, day, issue_date, direction, participant, type_code,
                           number, currency, total, cents, seller_name, buyer_name, refers_to, terms, edition)
select account_id, document_id, created_at, coalesce(issue_date, (created_at at time zone 'UTC')::date), issue_date,
       direction, participant, type_code, number, currency, total,
       floor(greatest(least(total, 9e15), -9e15) * 100)::bigint, '', '', '{}',
       array_remove(array[case when seller <> '' then 's#' || upper(regexp_replace(seller, '[^[:alnum:]]', '', 'g')) end,
                          case when buyer <> '' then 'b#' || upper(regexp_replace(buyer, '[^[:alnum:]]', '', 'g')) end],
                    null),
       0
from document where stage <> 'received' or halted is not null;
insert into archive_term (account_id, term, document_id)
select distinct account_id, unnest(terms), document_id from archive_index;
alter table document force row level security;
alter table archive_index force row level security;
alter table archive_term force row level security;
