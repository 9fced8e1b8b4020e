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
