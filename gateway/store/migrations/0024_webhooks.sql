-- Webhooks: endpoints of an account's own systems that are told of its events. What is told is made from the feed in its
-- order, at a place each webhook keeps, so that no event is passed over; it is posted until it is taken, for three days.
create table webhook (
    account_id    uuid not null references account,
    webhook_id    uuid not null,
    face          text not null default 'native' check (face in ('native', 'afnor')),  -- whose messages it is sent
    url           text not null check (length(url) between 1 and 2000),
    events        text[] not null,               -- types it is told of: document.delivered, document.halted, …
    filter        jsonb not null default '{}',   -- of XP Z12-013: flowTypes, flowDirection, ackStatus
    description   text not null check (length(description) <= 200),
    secret        integer not null default 1 check (secret >= 1),  -- number of its secret; derived, never stored
    overlap_until timestamptz,                   -- until when messages bear the former secret's signature too
    cursor        text not null,                 -- place in the feed up to which messages are made
    created_at    timestamptz not null,
    failures      integer not null default 0,    -- attempts in a row that found nobody
    resume_at     timestamptz not null,          -- nothing is posted before
    ended_at      timestamptz,                   -- null: in use
    ended         text check (ended in ('removed', 'gone')),  -- by the account, or the endpoint answered 410
    primary key (account_id, webhook_id),
    check ((ended is null) = (ended_at is null))
);

-- One event to be told to one webhook.
create table webhook_message (
    account_id    uuid not null,
    webhook_id    uuid not null,
    document_id   uuid not null,
    seq           bigint not null,
    made_at       timestamptz not null,          -- or asked for again: the three days count from here
    due           timestamptz not null,
    attempts      integer not null default 0,
    lease         bigint not null default 0,     -- fencing token: grows with each claim
    leased_until  timestamptz,                   -- null: free
    state         text not null check (state in ('waiting', 'delivered', 'given_up')),
    primary key (account_id, webhook_id, document_id, seq),
    foreign key (account_id, webhook_id) references webhook,
    foreign key (account_id, document_id, seq) references event
);
create index webhook_message_due on webhook_message (account_id, webhook_id, due) where state = 'waiting';

-- The delivery log: each attempt and what came of it.
create table webhook_attempt (
    account_id    uuid not null,
    webhook_id    uuid not null,
    attempt_id    uuid not null,                 -- sorts by time
    document_id   uuid not null,
    seq           bigint not null,
    at            timestamptz not null,
    status        integer,                       -- of the answer; null: there was none
    reason        text not null,                 -- why it did not succeed; empty: it did
    milliseconds  integer not null,
    primary key (account_id, webhook_id, attempt_id),
    foreign key (account_id, webhook_id) references webhook
);
create index webhook_attempt_message on webhook_attempt (account_id, webhook_id, document_id, seq);

do $$
declare name text;
begin
    foreach name in array array['webhook', 'webhook_message', 'webhook_attempt'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
end $$;

grant select, insert, update on webhook to estafette_app;
grant select, insert, update, delete on webhook_message to estafette_app;
grant select, insert, delete on webhook_attempt to estafette_app;

-- The worker sees which webhooks there are and which messages are due, of any account, and claims them; nothing else.
create policy any_account on webhook for select to estafette_worker using (true);
create policy any_account on webhook_message to estafette_worker using (true) with check (true);
grant select (account_id, webhook_id, resume_at, ended_at) on webhook to estafette_worker;
grant select, update on webhook_message to estafette_worker;
