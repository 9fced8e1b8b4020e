-- The directory as an account sees it (XP Z12-013): what it declares of its own legal entities, and what a network's
-- directory told it of others. Each account has its own: whom somebody asked about is a list of its customers.

create table directory_unit (
    account_id   uuid not null references account,
    siren        text not null check (siren ~ '^[0-9]{9}$'),
    source       text not null check (source <> ''),  -- own, or the directory that told it
    known_at     timestamptz not null,                -- when it was declared, or told
    name         text check (length(name) <= 150),    -- this and all below: null where it is not known
    public       boolean,                             -- a public body
    closed       boolean,
    no_prospecting boolean,                           -- it may not be used for sales prospecting
    primary key (account_id, siren)
);

create table directory_facility (
    account_id   uuid not null references account,
    siret        text not null check (siret ~ '^[0-9]{14}$'),
    source       text not null check (source <> ''),
    known_at     timestamptz not null,
    name         text check (length(name) <= 100),
    main         boolean,                             -- the company's main one
    closed       boolean,
    no_prospecting boolean,
    line1        text check (length(line1) <= 255),
    line2        text check (length(line2) <= 255),
    line3        text check (length(line3) <= 255),
    postal_code  text check (length(postal_code) <= 5),
    locality     text check (length(locality) <= 100),
    subdivision  text check (length(subdivision) <= 255),
    country      text check (length(country) <= 2),
    country_name text check (length(country_name) <= 100),
    project_manager boolean,                          -- this and all below: of public bodies
    project_manager_only boolean,
    payment_status boolean,                           -- it tells when it has paid
    commitment   boolean,                             -- it requires a legal commitment number
    commitment_or_service boolean,
    service_code boolean,                             -- it requires a service code
    primary key (account_id, siret)
);

create table directory_code (
    account_id   uuid not null references account,
    siret        text not null check (siret ~ '^[0-9]{14}$'),
    identifier   text not null check (identifier ~ '^[-_/a-zA-Z0-9]{1,100}$'),
    source       text not null check (source <> ''),
    known_at     timestamptz not null,
    scheme       text check (length(scheme) <= 4),    -- 0224: a routing code
    name         text check (length(name) <= 100),
    closed       boolean,
    commitment   boolean,
    line1        text check (length(line1) <= 255),
    line2        text check (length(line2) <= 255),
    line3        text check (length(line3) <= 255),
    postal_code  text check (length(postal_code) <= 5),
    locality     text check (length(locality) <= 100),
    subdivision  text check (length(subdivision) <= 255),
    country      text check (length(country) <= 2),
    country_name text check (length(country_name) <= 100),
    primary key (account_id, siret, identifier)
);

create table directory_line (
    account_id   uuid not null references account,
    address      text not null check (length(address) between 1 and 125),  -- addressing identifier, scheme 0225
    source       text not null check (source <> ''),
    known_at     timestamptz not null,
    siren        text not null check (siren ~ '^[0-9]{9}$'),
    siret        text check (siret ~ '^[0-9]{14}$'),  -- null: the line is of the company
    identifier   text check (length(identifier) between 1 and 100),  -- of its routing code
    suffix       text check (length(suffix) between 1 and 100),
    status       text not null check (status in ('Enabled', 'Disabled', 'Upcoming')),
    starts_on    date,                                -- first day in force; null: at once, or not known
    ends_on      date,                                -- last day in force; null: it has none, or it is not known
    platform     text check (platform in ('WK', 'DFH')),  -- UNCL 3035: an approved platform, or the State's
    primary key (account_id, address)
);
create index directory_line_company on directory_line (account_id, siren, address);
create index directory_line_facility on directory_line (account_id, siret) where siret is not null;

-- When a network's directory was asked what, so that it is not asked for each question again, and what is told no more
-- goes. A company and its lines are remembered with the answers that routes are chosen by.
create table directory_asked (
    account_id   uuid not null references account,
    question     text not null check (length(question) between 1 and 250),  -- facility:SIRET, codes:SIRET, …
    source       text not null check (source <> ''),
    asked_at     timestamptz not null,
    found        boolean not null,                    -- false: the directory said that there is none
    complete     boolean not null,                    -- all were told; else the first of many
    primary key (account_id, question)
);

-- Text as it is looked for: without case and accents, whatever the database's locale.
create function directory_folded(given text) returns text language sql immutable strict parallel safe as $$
    select pg_catalog.replace(pg_catalog.replace(pg_catalog.lower(pg_catalog.regexp_replace(
        pg_catalog.normalize(given, 'NFKD'), '[\u0300-\u036f]', '', 'g')), 'œ', 'oe'), 'æ', 'ae')
$$;

-- A legal entity the account acts for stands in its directory, and so does the address that is its SIREN.
create function into_the_directory() returns trigger language plpgsql as $$
begin
    insert into directory_unit (account_id, siren, source, known_at, name, public, closed)
        values (new.account_id, new.siren, 'own', new.created_at, left(new.name, 150), false, false)
        on conflict (account_id, siren) do update set source = 'own', known_at = excluded.known_at;
    insert into directory_line (account_id, address, source, known_at, siren, status, platform)
        values (new.account_id, new.siren, 'own', new.created_at, new.siren, 'Enabled', 'WK')
        on conflict (account_id, address) do update set source = 'own', known_at = excluded.known_at,
            status = 'Enabled', starts_on = null, ends_on = null, platform = 'WK';
    return null;
end $$;

-- The owner, too, sees no account's rows while row-level security is forced: first what was there, then the guard.
alter table participant no force row level security;
insert into directory_unit (account_id, siren, source, known_at, name, public, closed)
    select account_id, siren, 'own', created_at, left(name, 150), false, false from participant;
insert into directory_line (account_id, address, source, known_at, siren, status, platform)
    select account_id, siren, 'own', created_at, siren, 'Enabled', 'WK' from participant;
alter table participant force row level security;
create trigger participant_into_the_directory after insert on participant for each row
    execute function into_the_directory();

do $$
declare name text;
begin
    foreach name in array array['directory_unit', 'directory_facility', 'directory_code', 'directory_line',
                                'directory_asked'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
        execute format('grant select, insert, update, delete on %I to estafette_app', name);
    end loop;
end $$;
