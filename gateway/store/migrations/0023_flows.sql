-- The national face (XP Z12-013): what a caller says of a flow beside its file, and the flows in their order.

-- What the standard adds to a submission, as given.
create table flow_info (
    account_id   uuid not null,
    document_id  uuid not null,
    sha256       bytea not null check (length(sha256) = 32),  -- of the file
    tracking_id  text check (length(tracking_id) <= 64),      -- the caller's own id; null: none was given
    name         text not null check (length(name) <= 255),   -- of the file
    syntax       text not null,
    rule         text,                          -- processingRule; null: none was given
    profile      text,                          -- flowProfile; null: none was given
    primary key (account_id, document_id),
    foreign key (account_id, document_id) references document
);
create index flow_info_content on flow_info (account_id, sha256);

-- Flows as they are searched: a document, or a status message that a network brought for it. A projection of the events,
-- made in the feed's order (generation, transaction, position) and only up to its horizon: updated_at is the event's
-- instant, or a microsecond after the flow before, whichever is later. So it grows strictly, no two flows of an account
-- share it, and what becomes visible late never slips in behind what was shown. It can be made anew at any time.
create table flow (
    account_id    uuid not null,
    document_id   uuid not null,
    seq           bigint not null,              -- of the status event; 0: the document itself
    participant   text not null,
    updated_at    timestamptz not null,
    submitted_at  timestamptz not null,
    direction     text not null check (direction in ('In', 'Out')),
    type          text not null,                -- flowType
    rule          text not null,                -- processingRule
    ack           text not null check (ack in ('Pending', 'Ok', 'Error')),
    tracking_id   text,
    primary key (account_id, document_id, seq),
    foreign key (account_id, document_id) references document
);
create unique index flow_order on flow (account_id, updated_at);
create index flow_tracking on flow (account_id, tracking_id, updated_at) where tracking_id is not null;
create index flow_pending on flow (account_id, updated_at) where ack = 'Pending';
create index flow_error on flow (account_id, updated_at) where ack = 'Error';

-- Up to which event the flows of an account are made.
create table flow_place (
    account_id   uuid not null primary key references account,
    generation   bigint not null,
    transaction  bigint not null,
    position     bigint not null,
    updated_at   timestamptz not null           -- of the last flow
);

-- What a caller named a flow may say who was invoiced: it goes with the document.
create function erased_from_the_flows() returns trigger language plpgsql as $$
begin
    update flow_info set tracking_id = null, name = '' where account_id = new.account_id
        and document_id = new.document_id;
    update flow set tracking_id = null where account_id = new.account_id and document_id = new.document_id;
    return null;
end $$;
create trigger event_erases_flows after insert on event for each row when (new.outcome = 'purged')
    execute function erased_from_the_flows();

do $$
declare name text;
begin
    foreach name in array array['flow_info', 'flow', 'flow_place'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
end $$;

grant select, insert on flow_info to estafette_app;
grant update (tracking_id, name) on flow_info to estafette_app;
grant select, insert, update on flow, flow_place to estafette_app;
