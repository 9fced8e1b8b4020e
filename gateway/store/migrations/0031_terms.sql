-- What an account agreed with its customers on paying, and what payment providers tell it.

-- Payment terms: the account's own (customer is empty) and those of single customers. What they filled into an invoice
-- stands in the invoice; a change binds the invoices that come after it.
create table payment_terms (
    account_id   uuid not null references account,
    customer     text not null check (length(customer) <= 200),  -- identifier of the buyer, as the document's row has it
    terms        jsonb not null,                 -- in their JSON form, without what is as by default
    updated_at   timestamptz not null,
    primary key (account_id, customer)
);

-- Notices of payment providers, once each by the provider's id: each legal entity has an account of its own with it,
-- and two of them may number alike. One that is no payment of a document, or not one that
-- can be believed, is a stray and waits for a person.
create table payment_notice (
    account_id   uuid not null references account,
    participant  text not null check (length(participant) <= 20), -- SIREN of the legal entity that was paid
    provider     text not null check (length(provider) between 1 and 20),
    notice_id    text not null check (length(notice_id) between 1 and 200),
    received_at  timestamptz not null,
    kind         text not null check (length(kind) <= 100),      -- the provider's word for what happened
    document_id  uuid,                           -- null: it names none of the account's
    payment_id   uuid,                           -- null: no payment came of it
    amount       numeric,                        -- null: it tells none
    currency     text not null check (length(currency) <= 3),    -- empty: it tells none
    paid_on      date,
    reference    text not null check (length(reference) <= 200), -- the provider's id of the payment
    stray        text not null check (length(stray) <= 200),     -- why a person has to look; empty: nobody has to
    remark       text not null check (length(remark) <= 200),
    looked_at    timestamptz,                    -- null: nobody has looked at the stray
    looked_by    text,
    primary key (account_id, participant, provider, notice_id),
    foreign key (account_id, document_id) references document,
    check ((looked_at is null) = (looked_by is null))
);
create index payment_notice_stray on payment_notice (account_id, received_at) where stray <> '' and looked_at is null;

do $$
declare name text;
begin
    foreach name in array array['payment_terms', 'payment_notice'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
end $$;

grant select, insert, update, delete on payment_terms to estafette_app;
grant select, insert on payment_notice to estafette_app;
grant update (looked_at, looked_by) on payment_notice to estafette_app;
