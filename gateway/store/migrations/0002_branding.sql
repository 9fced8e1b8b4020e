-- How an account's pages look. One row for an account that has set something; what was built before stays as it is.
create table branding (
    account_id   uuid primary key references account,
    accent       text not null check (accent ~ '^#[0-9a-f]{6}$'),   -- the colour of titles and rules
    pay_link     text not null check (length(pay_link) <= 500),     -- template of a link to pay; empty: there is none
    logo         bytea check (octet_length(logo) between 1 and 200000),  -- null: there is none
    logo_format  text check (logo_format in ('png', 'jpeg', 'svg')),
    logo_text    text check (length(logo_text) between 1 and 200),  -- what it says to those who do not see it
    updated_at   timestamptz not null,
    check ((logo is null) = (logo_format is null) and (logo is null) = (logo_text is null))
);
alter table branding alter column logo set storage external;        -- pictures do not compress

alter table branding enable row level security;
alter table branding force row level security;
create policy own on branding to estafette_app
    using (account_id = nullif(current_setting('estafette.account', true), '')::uuid)
    with check (account_id = nullif(current_setting('estafette.account', true), '')::uuid);
grant select, insert, update, delete on branding to estafette_app;
