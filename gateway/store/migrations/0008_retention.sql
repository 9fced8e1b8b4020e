-- Retention: bytes are locked under keys that can be destroyed, documents are held and released, and what ends is purged
-- with a tombstone: its hash, its events and its proofs stay.

-- The name of an archive key; its secret is a file outside the database. Belongs to nobody's account.
create table archive_key (
    name          text primary key check (name ~ '^[0-9]{6}-[0-9a-f]{16}$'),
    since         timestamptz not null,
    spent_at      timestamptz,                  -- when the first content under it was purged; null: none was
    retired_at    timestamptz,                  -- from then on nothing is locked under it; null: it is in use
    destroyed_at  timestamptz                   -- when its file was destroyed; null: it is there
);

-- The bytes of a content, locked under a data key, and that key under an archive key. Goes when every document that has
-- the content is purged; the content's row stays.
create table content_data (
    account_id   uuid not null,
    sha256       bytea not null,
    archive_key  text not null,                 -- name of the archive key
    wrapped      bytea not null,                -- the data key: nonce, AES-256-GCM, tag
    data         bytea not null,                -- the bytes: nonce, AES-256-GCM, tag
    primary key (account_id, sha256),
    foreign key (account_id, sha256) references content
);
alter table content_data alter column data set storage external;
create index content_data_key on content_data (account_id, archive_key);

-- Which documents have a content.
create index entry_content on entry (account_id, sha256);

-- What the account asks of retention beyond the law. One row for an account that has set something.
create table retention_policy (
    account_id     uuid primary key references account,
    country        text not null check (country ~ '^[A-Z]{2}$'),            -- whose law it keeps documents by
    year_ends      smallint not null check (year_ends between 1 and 12),    -- month in which its financial year ends
    invoice_years  smallint check (invoice_years between 1 and 100),        -- longer than the law; null: as the law says
    active_days    integer not null check (active_days between 0 and 36500),  -- after the line's end: without a reason
    updated_at     timestamptz not null
);

-- A legal hold: what it meets is not purged while it is in force. Criteria that are null are met by everything.
create table hold (
    account_id    uuid not null references account,
    hold_id       uuid not null,                -- sorts by time
    document_id   uuid,
    party         text,                         -- identifier of seller or buyer
    issued_from   date,
    issued_until  date,                         -- inclusive
    reason        text not null check (reason in ('dispute', 'tax_audit', 'court', 'investigation', 'other')),
    reference     text not null check (reference ~ '^[A-Za-z0-9._/-]{0,60}$'),  -- a case's number; no person's name
    review_on     date not null,
    set_by        text not null,                -- public id of the credential, or operator: and the account of the machine
    set_at        timestamptz not null,
    released_by   text,
    released_at   timestamptz,                  -- null: in force
    release_reference  text check (release_reference ~ '^[A-Za-z0-9._/-]{0,60}$'),
    primary key (account_id, hold_id),
    foreign key (account_id, document_id) references document,
    check ((released_at is null) = (released_by is null)),
    check (released_by is null or released_by <> set_by)                    -- never by who set it alone
);
create index hold_in_force on hold (account_id) where released_at is null;

alter table document add column purge_on date;        -- announced: from when on its contents go; null: not announced
alter table document add column purged_at timestamptz;  -- when they went; null: they are there
create index document_announced on document (account_id, purge_on) where purge_on is not null and purged_at is null;

-- Append-only, but for what ends -----------------------------------------------------------------------------------

create function content_locked_once() returns trigger language plpgsql as $$
begin
    if old.data is null or new.data is not null
       or (new.account_id, new.sha256, new.media_type, new.size)
          is distinct from (old.account_id, old.sha256, old.media_type, old.size)
       or not exists (select from content_data d where d.account_id = old.account_id and d.sha256 = old.sha256)
          and exists (select from entry n where n.account_id = old.account_id and n.sha256 = old.sha256 and not exists (
                          select from event e where e.account_id = n.account_id and e.document_id = n.document_id
                          and e.outcome = 'purged')) then
        raise exception 'table content is append-only: its bytes are locked or purged once and it is not changed otherwise'
            using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
drop trigger content_append_only on content;
create trigger content_append_only before delete on content for each row execute function refuse_change();
create trigger content_locked_once before update on content for each row execute function content_locked_once();

create function content_data_rewrapped() returns trigger language plpgsql as $$
begin
    if (new.account_id, new.sha256, new.data) is distinct from (old.account_id, old.sha256, old.data) then
        raise exception 'table content_data is append-only: only its key is wrapped anew'
            using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger content_data_rewrapped before update on content_data
    for each row execute function content_data_rewrapped();

-- Bytes go only where the tombstone of every document that has them is written.
create function content_data_purged() returns trigger language plpgsql as $$
begin
    if not exists (select from entry n where n.account_id = old.account_id and n.sha256 = old.sha256)
       or exists (select from entry n where n.account_id = old.account_id and n.sha256 = old.sha256 and not exists (
                      select from event e where e.account_id = n.account_id and e.document_id = n.document_id
                      and e.outcome = 'purged')) then
        raise exception 'table content_data is append-only: a document that has this content is not purged'
            using errcode = 'restrict_violation';
    end if;
    return old;
end $$;
create trigger content_data_purged before delete on content_data
    for each row execute function content_data_purged();
create trigger content_data_no_truncate before truncate on content_data
    for each statement execute function refuse_change();

create function hold_released_once() returns trigger language plpgsql as $$
begin
    if old.released_at is not null or new.released_at is null
       or (new.account_id, new.hold_id, new.document_id, new.party, new.issued_from, new.issued_until, new.reason,
           new.reference, new.review_on, new.set_by, new.set_at)
          is distinct from (old.account_id, old.hold_id, old.document_id, old.party, old.issued_from, old.issued_until,
                            old.reason, old.reference, old.review_on, old.set_by, old.set_at) then
        raise exception 'table hold is append-only: a hold is released once and is not changed otherwise'
            using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger hold_released_once before update on hold for each row execute function hold_released_once();
create trigger hold_append_only before delete on hold for each row execute function refuse_change();
create trigger hold_no_truncate before truncate on hold for each statement execute function refuse_change();

-- Rights -----------------------------------------------------------------------------------------------------------

do $$
declare name text;
begin
    foreach name in array array['content_data', 'retention_policy', 'hold'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
    -- The keeper destroys and rewraps, for the account of the transaction as everybody else.
    foreach name in array array['content', 'content_data', 'entry', 'event'] loop
        execute format('create policy kept on %I to estafette_keeper '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
end $$;

grant usage on schema public to estafette_keeper;
grant select, insert on content_data to estafette_app;
grant select, insert, update on retention_policy to estafette_app;
grant select, insert on hold to estafette_app;
grant update (released_by, released_at, release_reference) on hold to estafette_app;
grant select on archive_key to estafette_app, estafette_worker;
grant select, insert, update on archive_key to estafette_keeper;
grant select (account_id, sha256, archive_key), update (archive_key, wrapped), delete on content_data to estafette_keeper;
grant select (account_id, sha256, data), update (data) on content to estafette_keeper;
grant select (account_id, document_id, sha256) on entry to estafette_keeper;
grant select (account_id, document_id, outcome) on event to estafette_keeper;
