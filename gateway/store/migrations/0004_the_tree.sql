-- The hash tree over all events (RFC 9162). Every event has one leaf, written in its transaction; the publisher gives
-- leaves their places, adds the nodes they complete and signs a checkpoint.

-- A leaf: SHA-256(salt || hash of the event). The salt keeps a proof from telling anything about the event to those
-- who do not have it.
create table leaf (
    account_id   uuid not null,
    document_id  uuid not null,
    seq          bigint not null,
    salt         bytea not null check (length(salt) = 32),
    entry        bytea not null check (length(entry) = 32),
    at           timestamptz not null,          -- of the event
    place        bigint,                        -- in the tree, from 0; null: not published yet
    primary key (account_id, document_id, seq),
    foreign key (account_id, document_id, seq) references event
);
create index leaf_waiting on leaf (account_id, document_id, seq) where place is null;
create unique index leaf_place on leaf (place);

-- The owner, too, sees no account's rows while row-level security is forced.
alter table event no force row level security;
insert into leaf (account_id, document_id, seq, salt, entry, at)
select account_id, document_id, seq, salt, sha256(salt || hash), at
from (select account_id, document_id, seq, hash, at,
             decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex') as salt
      from event) as salted;
alter table event force row level security;

-- A full subtree's root: it covers the leaves place·2^level to (place + 1)·2^level - 1. Belongs to nobody's account.
create table node (
    level  smallint not null,
    place  bigint not null,
    hash   bytea not null check (length(hash) = 32),
    primary key (level, place)
);

-- What the tree was, signed.
create table checkpoint (
    number  bigint primary key,                 -- from 1, without a gap
    size    bigint not null,                    -- leaves
    root    bytea not null check (length(root) = 32),
    at      timestamptz not null,
    note    text not null                       -- the signed text
);
create index checkpoint_size on checkpoint (size);

create function place_once() returns trigger language plpgsql as $$
begin
    if old.place is not null or new.place is null
       or (new.account_id, new.document_id, new.seq, new.salt, new.entry, new.at)
          is distinct from (old.account_id, old.document_id, old.seq, old.salt, old.entry, old.at) then
        raise exception 'a leaf is given its place once and is not changed otherwise'
            using errcode = 'restrict_violation';
    end if;
    return new;
end $$;

create trigger leaf_placed_once before update on leaf for each row execute function place_once();
create trigger leaf_append_only before delete on leaf for each row execute function refuse_change();
create trigger leaf_no_truncate before truncate on leaf for each statement execute function refuse_change();
create trigger node_append_only before update or delete on node for each row execute function refuse_change();
create trigger node_no_truncate before truncate on node for each statement execute function refuse_change();
create trigger checkpoint_append_only before update or delete on checkpoint
    for each row execute function refuse_change();
create trigger checkpoint_no_truncate before truncate on checkpoint for each statement execute function refuse_change();

alter table leaf enable row level security;
alter table leaf force row level security;
create policy own on leaf to estafette_app
    using (account_id = nullif(current_setting('estafette.account', true), '')::uuid)
    with check (account_id = nullif(current_setting('estafette.account', true), '')::uuid);
-- The publisher sees which leaves wait and what they hash to, not their salts.
create policy any_account on leaf to estafette_worker using (true) with check (true);

grant select, insert on leaf to estafette_app;
grant select (account_id, document_id, seq, entry, at, place), update (place) on leaf to estafette_worker;
grant select on node, checkpoint to estafette_app;
grant select, insert on node, checkpoint to estafette_worker;
