-- What a network's directory answered, with its age: so that a customer is not looked up for each invoice, and a
-- directory that is away stops nothing. Each account has its own: whom it asked about is a list of its customers.

create table address_answer (
    account_id   uuid not null references account,
    source       text not null check (source <> ''),  -- host of the directory
    kind         text not null check (kind in ('line', 'lines', 'unit')),
    key          text not null check (length(key) between 1 and 250),  -- addressing identifier; SIREN
    asked_at     timestamptz not null,
    found        boolean not null,                    -- false: the directory said that there is none
    answer       jsonb not null,
    primary key (account_id, source, kind, key)
);
create index address_answer_age on address_answer (account_id, asked_at);

alter table address_answer enable row level security;
alter table address_answer force row level security;
create policy own on address_answer to estafette_app
    using (account_id = nullif(current_setting('estafette.account', true), '')::uuid)
    with check (account_id = nullif(current_setting('estafette.account', true), '')::uuid);
grant select, insert, update, delete on address_answer to estafette_app;
