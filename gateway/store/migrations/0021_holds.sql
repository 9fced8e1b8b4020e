-- Whom a hold meets is decided in one place, by the identifiers a party has and not by how they were written; and what a
-- hold meets is told its documents in pages, however many there are.

-- The keys of an identifier: without case, spaces and marks; a French VAT number is its company's SIREN, too.
create function party_keys(identifier text) returns text[] language sql immutable parallel safe as $$
    select array_remove(array[key, substring(key from '^FR[0-9A-Z]{2}([0-9]{9})$')], null)
    from (select left(upper(regexp_replace(identifier, '[^[:alnum:]]', '', 'g')), 80) as key) as plain
$$;

-- Whether a hold meets a document: all of its criteria that are given.
create function hold_meets(h hold, d document) returns boolean language sql stable as $$
    select (h.document_id is null or h.document_id = d.document_id)
        and (h.issued_from is null or coalesce(d.issue_date, d.created_at::date) >= h.issued_from)
        and (h.issued_until is null or coalesce(d.issue_date, d.created_at::date) <= h.issued_until)
        and (h.party is null
             or party_keys(h.party) && (party_keys(coalesce(d.seller, '-')) || party_keys(coalesce(d.buyer, '-')))
             or exists (select from unnest(party_keys(h.party)) as k, unnest(array['s#', 'b#']) as r
                        where exists (select from archive_term t where t.account_id = d.account_id
                                      and t.term = r || k and t.document_id = d.document_id)))
$$;

-- How far a hold has told its documents; those that were set by an older release told them at once, and have no row.
create table hold_telling (
    account_id     uuid not null,
    hold_id        uuid not null,
    told           bigint not null default 0,   -- documents that have the event that it was set
    told_after     uuid,                        -- documents up to this one have it; null: all
    release_after  uuid,                        -- the same of its release; null: all, or not released
    primary key (account_id, hold_id),
    foreign key (account_id, hold_id) references hold
);
create index hold_telling_goes_on on hold_telling (account_id, hold_id)
    where told_after is not null or release_after is not null;
alter table hold_telling enable row level security;
alter table hold_telling force row level security;
create policy own on hold_telling to estafette_app
    using (account_id = nullif(current_setting('estafette.account', true), '')::uuid)
    with check (account_id = nullif(current_setting('estafette.account', true), '')::uuid);
grant select, insert, update on hold_telling to estafette_app;

-- Who read in the archive is kept as long as the documents that could be read then, and goes with the last of them.

-- Readings whose period ended: up to when, and by which law. Append-only; the trace of what was deleted.
create table archive_read_ended (
    account_id  uuid not null references account,
    until_at    timestamptz not null,           -- readings up to this instant
    ended_at    timestamptz not null,
    law         text not null,
    primary key (account_id, until_at),
    check (ended_at > until_at + interval '5 years')    -- no law known here asks for less
);
create trigger archive_read_ended_append_only before update or delete on archive_read_ended
    for each row execute function refuse_change();
create trigger archive_read_ended_no_truncate before truncate on archive_read_ended
    for each statement execute function refuse_change();
alter table archive_read_ended enable row level security;
alter table archive_read_ended force row level security;
create policy own on archive_read_ended to estafette_app
    using (account_id = nullif(current_setting('estafette.account', true), '')::uuid)
    with check (account_id = nullif(current_setting('estafette.account', true), '')::uuid);
grant select, insert on archive_read_ended to estafette_app;

create function archive_read_kept() returns trigger language plpgsql as $$
begin
    if not exists (select from archive_read_ended e where e.account_id = old.account_id and e.until_at >= old.at) then
        raise exception 'table archive_read is append-only: the period of a reading has not ended'
            using errcode = 'restrict_violation';
    end if;
    return old;
end $$;
drop trigger archive_read_append_only on archive_read;
create trigger archive_read_append_only before update on archive_read for each row execute function refuse_change();
create trigger archive_read_kept before delete on archive_read for each row execute function archive_read_kept();

-- The keeper deletes them, for the account of the transaction as everybody else.
do $$
declare name text;
begin
    foreach name in array array['archive_read', 'archive_read_ended'] loop
        execute format('create policy kept on %I to estafette_keeper '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
end $$;
grant select (account_id, read_id, at), delete on archive_read to estafette_keeper;
grant select on archive_read_ended to estafette_keeper;
