-- Checkpoints outside: who keeps which, when which authority stamped which, and what renews the stamps. Belongs to
-- nobody's account.

-- A checkpoint that a keeper outside has: an object store, a witness, a mailbox. Append-only.
create table custody (
    custodian   text not null,
    number      bigint not null references checkpoint,
    at          timestamptz not null,
    evidence    bytea not null,                 -- what it answered: a version, a cosignature
    media_type  text not null,
    primary key (custodian, number)
);

-- An RFC 3161 token over the SHA-256 of a checkpoint's note. Append-only.
create table stamp (
    number     bigint not null references checkpoint,
    authority  text not null,
    at         timestamptz not null,            -- as the authority says
    token      bytea not null,                  -- ContentInfo, DER
    primary key (number, authority)
);

-- A keeper or authority that fails now: since when, how often, and why. Gone when it works again.
create table trouble (
    name      text primary key,                 -- of the keeper or authority, with its kind before it
    since     timestamptz not null,
    last_at   timestamptz not null,
    attempts  bigint not null,
    says      text not null
);

-- Evidence that outlives its algorithms (RFC 4998): each row renews the one before. Append-only.
create table renewal (
    number      bigint primary key,             -- from 1, without a gap
    kind        text not null check (kind in ('timestamp', 'hash_tree')),
    algorithm   text not null,                  -- hash of this row: sha256, sha384, sha512, sha3-512
    checkpoint  bigint not null references checkpoint,  -- the newest it covers
    at          timestamptz not null,           -- as the authority says
    authority   text not null,
    value       bytea not null,                 -- what was stamped, in its canonical form
    token       bytea not null,                 -- ContentInfo, DER
    material    jsonb not null                  -- certificates and revocation data of the stamps it renews, hexadecimal
);

-- By what an authority's certificate is judged, as it was published that day: its issuer may be gone when it is needed.
-- Append-only.
create table vouched (
    signer    bytea not null,                   -- SHA-256 of the certificate
    at        timestamptz not null,
    material  jsonb not null,                   -- certificates and revocation data, hexadecimal
    primary key (signer, at)
);

-- The objects of the archive hashed anew, by their leaves' places: an event with its contents, salted. Append-only.
create table renewed (
    algorithm  text not null,
    place      bigint not null,
    entry      bytea not null,
    primary key (algorithm, place)
);

do $$
declare name text;
begin
    foreach name in array array['custody', 'stamp', 'renewal', 'renewed', 'vouched'] loop
        execute format('create trigger %I before update or delete on %I for each row execute function refuse_change()',
                       name || '_append_only', name);
        execute format('create trigger %I before truncate on %I for each statement execute function refuse_change()',
                       name || '_no_truncate', name);
        execute format('grant select, insert on %I to estafette_worker', name);
        execute format('grant select on %I to estafette_app', name);
    end loop;
end $$;
grant select, insert, update, delete on trouble to estafette_worker;
