-- The tables of the line. Every table of an account starts its keys with account_id, bears row-level security
-- (enabled and forced, both ways) and is reached through the role estafette_app with estafette.account set inside
-- the transaction. estafette_worker sees tasks and nothing else of a document, to claim the next step of any account.

-- An account: our customer.
create table account (
    account_id  uuid primary key,
    name        text not null check (length(name) between 1 and 200),
    french      boolean not null,               -- judge its documents by the French rules (BR-FR) too
    original    text not null check (original in ('facturx', 'as_submitted')),  -- what build makes of a submission
    created_at  timestamptz not null
);

-- A participant: a legal entity the account may act for.
create table participant (
    account_id  uuid not null references account,
    siren       text not null check (siren ~ '^[0-9]{9}$'),
    name        text not null,
    created_at  timestamptz not null,
    primary key (account_id, siren)
);

-- A credential: an OAuth2 client or an API key. The secret is kept as HMAC-SHA-256 under the installation's pepper.
create table credential (
    account_id   uuid not null references account,
    public_id    text not null,                 -- client_id, or the part of an API key before its secret
    kind         text not null check (kind in ('client', 'key')),
    secret_hmac  bytea not null,
    scopes       text[] not null,
    created_at   timestamptz not null,
    expires_at   timestamptz,                   -- null: does not expire
    revoked_at   timestamptz,                   -- null: in force
    primary key (account_id, public_id)
);
-- Found before the account is known: the public id is random and unique in the installation.
create unique index credential_public_id on credential (public_id);

-- An access token of OAuth2, kept as SHA-256; 256 random bits need no pepper.
create table token (
    account_id  uuid not null,
    public_id   text not null,
    sha256      bytea not null,
    scopes      text[] not null,
    expires_at  timestamptz not null,
    primary key (account_id, sha256),
    foreign key (account_id, public_id) references credential
);
create unique index token_sha256 on token (sha256);

-- Bytes, once for each account and hash. data becomes null when its retention ends; the hash stays.
create table content (
    account_id  uuid not null references account,
    sha256      bytea not null check (length(sha256) = 32),
    media_type  text not null,
    size        bigint not null,
    data        bytea,
    primary key (account_id, sha256)
);
alter table content alter column data set storage external;  -- PDFs do not compress

-- A document: where it stands. A projection of its events, written by the journal alone.
create table document (
    account_id   uuid not null references account,
    document_id  uuid not null,
    participant  text not null,                 -- SIREN of the legal entity it is submitted for
    direction    text not null check (direction in ('outbound', 'inbound')),
    format       text not null,                 -- of the submission: json, cii, ubl-invoice, ubl-creditnote, facturx
    stage        text not null,
    halted       text,                          -- why it ended before the end of the line; null: it did not
    waits_for    text,                          -- why the next stage has not ended yet; null: it has not been tried
    status       text,                          -- the furthest thing a party or platform said; null: nothing yet
    number       text,                          -- BT-1; null until parsed
    type_code    text,                          -- BT-3
    issue_date   date,                          -- BT-2
    seller       text,                          -- identifier of the seller: SIREN, VAT number or other, as found
    buyer        text,
    buyer_scheme  text,                         -- BT-49-1: scheme of the buyer's electronic address
    buyer_address text,                         -- BT-49
    currency     text,                          -- BT-5
    amount_due   numeric,                       -- BT-115, in currency
    total        numeric,                       -- BT-112, in currency
    due_date     date,                          -- BT-9
    facts        jsonb not null default '{}',   -- what the stages found, by stage
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    version      bigint not null,               -- number of its events
    head         bytea not null,                -- hash of its last event
    primary key (account_id, document_id)
);
create index document_recent on document (account_id, created_at desc, document_id desc);
create index document_number on document (account_id, number);

-- What was said and done, append-only, chained per document:
-- hash = SHA-256(prior || canonical JSON of the event).
create table event (
    account_id   uuid not null,
    document_id  uuid not null,
    seq          bigint not null,               -- from 1, without a gap
    at           timestamptz not null,
    stage        text not null,                 -- the stage that ran
    outcome      text not null,                 -- done, skipped, later, halted, status, payment, attempt
    facts        jsonb not null,
    prior        bytea not null,                -- hash of the event before; 32 zero bytes for the first
    hash         bytea not null,
    transaction  xid8 not null default pg_current_xact_id(),  -- with position: the feed's order
    position     bigint generated always as identity,
    primary key (account_id, document_id, seq),
    foreign key (account_id, document_id) references document
);
create index event_feed on event (account_id, transaction, position);

-- The archive: a content kept for a document in a role, at an event.
create table entry (
    account_id   uuid not null,
    document_id  uuid not null,
    seq          bigint not null,
    role         text not null,
    sha256       bytea not null,
    primary key (account_id, document_id, seq, role, sha256),
    foreign key (account_id, document_id, seq) references event,
    foreign key (account_id, sha256) references content
);

-- At most one next step for each document: the line is straight.
create table task (
    account_id    uuid not null,
    document_id   uuid not null,
    stage         text not null,                -- the stage to reach
    due           timestamptz not null,
    attempts      integer not null default 0,   -- of this stage; grows when claimed, so that a killer is found out
    lease         bigint not null default 0,    -- fencing token: grows with each claim
    leased_until  timestamptz,                  -- null: free
    woken         boolean not null default false,  -- something arrived since the claim: run again at once
    primary key (account_id, document_id),
    foreign key (account_id, document_id) references document
);
create index task_due on task (due);

-- The same key and the same request give the same document, for ever.
create table idempotency (
    account_id   uuid not null,
    key          text not null check (length(key) between 1 and 255),
    fingerprint  bytea not null,                -- SHA-256 of method, route, media type and body
    document_id  uuid not null,
    created_at   timestamptz not null,
    primary key (account_id, key),
    foreign key (account_id, document_id) references document
);

-- An invoice number, taken by the first valid document that bears it; again only when that one ended before anything of
-- it was handed to a network, by its correction. The highest take holds it.
create table invoice_number (
    account_id   uuid not null,
    seller       text not null,
    number       text not null,
    type_code    text not null,
    issue_year   integer not null,
    take         integer not null,
    document_id  uuid not null,
    primary key (account_id, seller, number, type_code, issue_year, take),
    foreign key (account_id, document_id) references document
);

-- What is handed to a network: decided by route, completed by deliver.
create table delivery (
    account_id      uuid not null,
    consignment     text not null,              -- the same for every attempt
    document_id     uuid not null,
    network         text not null,
    seller          text not null,              -- with the next three: how a status message names the document
    number          text not null,
    type_code       text not null,
    issue_date      date not null,
    sha256          bytea not null,             -- of the copy handed over
    decided_at      timestamptz not null,
    network_id      text,                       -- the network's own id; null: no receipt yet
    delivered_at    timestamptz,                -- when the network says it took it; null: no receipt yet
    primary key (account_id, consignment),
    foreign key (account_id, document_id) references document
);
create index delivery_document on delivery (account_id, document_id);
create index delivery_consignment on delivery (consignment);
create index delivery_named on delivery (seller, number);

-- What a network brought, once for ever; taken by the stage that waits for it.
create table arrival (
    account_id   uuid not null references account,
    network      text not null,
    network_id   text not null,
    document_id  uuid not null,
    kind         text not null,
    at           timestamptz not null,
    media_type   text not null,
    data         bytea not null,
    refused      jsonb not null,                -- findings of the network, an array
    arrived_at   timestamptz not null,
    seq          bigint,                        -- version of the document that took it; null: waits
    primary key (account_id, network, network_id),
    foreign key (account_id, document_id) references document
);
create index arrival_waiting on arrival (account_id, document_id) where seq is null;

-- A payment that somebody reports for a document. Append-only.
create table payment (
    account_id   uuid not null,
    payment_id   uuid not null,
    document_id  uuid not null,
    amount       numeric not null,              -- in currency; negative: a reversal
    currency     text not null,
    paid_on      date not null,
    reference    text not null,                 -- the payer's or the bank's; may be empty
    recorded_at  timestamptz not null,
    key          text not null,                 -- Idempotency-Key, or the payment's own id
    primary key (account_id, payment_id),
    unique (account_id, key),
    foreign key (account_id, document_id) references document
);
create index payment_document on payment (account_id, document_id);

-- What belongs to nobody's account -----------------------------------------------------------------------------

-- Where the collecting from each network stands.
create table collection (
    network     text primary key,
    cursor      text not null,
    collected_at timestamptz not null
);

-- What a network brought that could not be tied to a document: kept, shown, tried again.
create table stray (
    network      text not null,
    network_id   text not null,
    kind         text not null,
    at           timestamptz not null,
    media_type   text not null,
    data         bytea not null,
    refused      jsonb not null,
    consignment  text,
    arrived_at   timestamptz not null,
    primary key (network, network_id)
);

-- What the clock asks for; each run has one runner in the installation.
create table chore (
    name  text primary key,
    due   timestamptz not null                  -- from when on somebody may run it
);

-- The installation's own facts: proof that two gateways share one pepper.
create table installation (
    only_one      boolean primary key default true check (only_one),
    pepper_check  bytea not null,
    created_at    timestamptz not null
);

-- Append-only -----------------------------------------------------------------------------------------------------

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'table % is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger event_append_only before update or delete on event for each row execute function refuse_change();
create trigger event_no_truncate before truncate on event for each statement execute function refuse_change();
create trigger entry_append_only before update or delete on entry for each row execute function refuse_change();
create trigger entry_no_truncate before truncate on entry for each statement execute function refuse_change();
create trigger payment_append_only before update or delete on payment for each row execute function refuse_change();
create trigger payment_no_truncate before truncate on payment for each statement execute function refuse_change();
create trigger content_append_only before update or delete on content for each row execute function refuse_change();
create trigger content_no_truncate before truncate on content for each statement execute function refuse_change();
create trigger invoice_number_append_only before update or delete on invoice_number
    for each row execute function refuse_change();
create trigger invoice_number_no_truncate before truncate on invoice_number
    for each statement execute function refuse_change();

-- Rights ----------------------------------------------------------------------------------------------------------

do $$
declare name text;
begin
    foreach name in array array['account', 'participant', 'credential', 'token', 'content', 'document', 'event', 'entry',
                                'task', 'idempotency', 'invoice_number', 'delivery', 'arrival', 'payment'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
end $$;

-- One credential or token can be read before its account is known, by the one who presents it.
create policy presented on credential for select to estafette_app
    using (public_id = nullif(current_setting('estafette.credential', true), ''));
create policy presented on token for select to estafette_app
    using (encode(sha256, 'hex') = nullif(current_setting('estafette.credential', true), ''));

-- The worker claims the next step of any account; it sees which step, of which document, and nothing of it.
create policy any_account on task to estafette_worker using (true) with check (true);
-- It ties what a network says to its document, and goes through the accounts for the nightly audit: ids only.
create policy any_account on delivery for select to estafette_worker using (true);
create policy any_account on account for select to estafette_worker using (true);

grant usage on schema public to estafette_app, estafette_worker;
grant select, insert on account, participant, token, content, event, entry, idempotency, invoice_number, payment
    to estafette_app;
grant select, insert, update on credential, document, arrival, delivery to estafette_app;
grant select, insert, update, delete on task to estafette_app;
grant delete on token to estafette_app;
grant select, update on task to estafette_worker;
grant select (account_id, consignment, document_id, network, network_id, seller, number, type_code, issue_date)
    on delivery to estafette_worker;
grant select (account_id) on account to estafette_worker;
grant select, insert, update on collection, chore to estafette_worker;
grant select, insert, delete on stray to estafette_worker;
grant select, insert on installation to estafette_app;
