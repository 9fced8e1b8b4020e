-- Inbound: what networks and accounts brought that others have issued, once for ever; whose it is, and who has seen it.

-- An inbound document: where it came from, and how a status message names it.
create table inbound (
    account_id   uuid not null,
    document_id  uuid not null,
    network      text not null,                 -- name of the adapter, or api
    network_id   text not null,                 -- of the arrival, the network's own; of api: the document's id
    sha256       bytea not null check (length(sha256) = 32),  -- of the bytes as they came
    seller       text,                          -- with the next three: how a status message names it; null: not readable
    number       text,
    type_code    text,
    issue_date   date,
    primary key (account_id, document_id),
    unique (account_id, network, network_id),
    foreign key (account_id, document_id) references document
);
create index inbound_content on inbound (account_id, sha256);
create index inbound_arrival on inbound (network, network_id);
create index inbound_named on inbound (seller, number);

alter table inbound enable row level security;
alter table inbound force row level security;
create policy own on inbound to estafette_app
    using (account_id = nullif(current_setting('estafette.account', true), '')::uuid)
    with check (account_id = nullif(current_setting('estafette.account', true), '')::uuid);
grant select, insert on inbound to estafette_app;

-- The worker ties what comes to its account and to its document: ids, and what names them, and nothing of them.
create policy any_account on inbound for select to estafette_worker using (true);
grant select (account_id, document_id, network, network_id, seller, number, type_code, issue_date)
    on inbound to estafette_worker;
create policy any_account on participant for select to estafette_worker using (true);
grant select (account_id, siren) on participant to estafette_worker;
create index participant_siren on participant (siren);

-- Who has seen a document that came in: a projection of its event `seen`.
alter table document
    add column seen_at timestamptz,             -- null: not seen yet, or not inbound
    add column seen_by text;                    -- public id of the credential, or operator: and the account of the machine
create index document_unseen on document (account_id, created_at, document_id)
    where direction = 'inbound' and seen_at is null;

-- What the account says to an inbound document that breaks rules.
alter table account
    add column invalid_inbound text not null default 'propose' check (invalid_inbound in ('propose', 'send'));
grant update (invalid_inbound) on account to estafette_app;

-- The numbers of what comes are not those of what is issued: an account may invoice itself, from one entity to another.
alter table invoice_number add column direction text not null default 'outbound'
    check (direction in ('outbound', 'inbound'));
alter table invoice_number drop constraint invoice_number_pkey;
alter table invoice_number add primary key (account_id, direction, seller, number, type_code, issue_year, take);

-- A stray invoice waits for a person: whose it seems to be, why it is nobody's, and who dropped it.
alter table stray
    add column name text not null default '',   -- file name as the network gives it
    add column recipient text,                  -- SIREN of the buyer; null: it names none, or it is no invoice
    add column reason text not null default '', -- why it could not be tied
    add column dropped_at timestamptz,          -- null: it waits
    add column dropped_by text,
    add column dropped_reason text,
    add check ((dropped_at is null) = (dropped_by is null) and (dropped_at is null) = (dropped_reason is null));
create index stray_waiting on stray (network, arrived_at) where dropped_at is null;
grant update (dropped_at, dropped_by, dropped_reason) on stray to estafette_worker;
