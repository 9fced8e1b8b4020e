-- Status messages that we issue: documents of the line that speak about another document.

-- What a status message is about; null: the document is an invoice.
alter table document add column about uuid;
alter table document add foreign key (account_id, about) references document;
create index document_about on document (account_id, about) where about is not null;

-- A status message is no invoice: no status message names it by seller, number, type and date.
alter table delivery
    alter column seller drop not null,
    alter column number drop not null,
    alter column type_code drop not null,
    alter column issue_date drop not null;

-- What the gateway says by itself, once for each cause, whatever dies in between. Append-only.
create table emission (
    account_id   uuid not null,
    document_id  uuid not null,                 -- the invoice
    cause        text not null,                 -- payment: and its id; invalid
    message_id   uuid not null,                 -- the status message
    primary key (account_id, document_id, cause),
    foreign key (account_id, document_id) references document,
    foreign key (account_id, message_id) references document
);

alter table emission enable row level security;
alter table emission force row level security;
create policy own on emission to estafette_app
    using (account_id = nullif(current_setting('estafette.account', true), '')::uuid)
    with check (account_id = nullif(current_setting('estafette.account', true), '')::uuid);
grant select, insert on emission to estafette_app;
