-- How each network takes what is handed over, for all processes together: one that is away is left alone, and its
-- documents wait in their own queue, in no other's way.
create table network (
    name        text primary key,
    failures    integer not null default 0,     -- documents in a row that it did not take
    last        uuid,                           -- the last of them
    since       timestamptz,                    -- when the first of them failed; null: it works
    rest_until  timestamptz,                    -- nothing is handed over before, then one at a time; null: all is
    rests       integer not null default 0,     -- rests in a row
    reason      text not null default '',       -- what it said last
    conflicts   bigint not null default 0       -- consignments under whose id it has other bytes
);
grant select, insert, update on network to estafette_worker;
grant insert (name) on network to estafette_app;  -- its row is there before anything waits for it

-- The queue of a task: the network that is to take the document next, or empty, which is ourselves. Tasks from before
-- stay in ours and are handed over from there.
alter table task add column network text not null default '';
create index task_queue on task (network, due);

grant select (decided_at) on delivery to estafette_worker;

-- What was stored is not fetched again, whichever process stored it.
create index arrival_known on arrival (network, network_id);
create policy any_account on arrival for select to estafette_worker using (true);
grant select (network, network_id) on arrival to estafette_worker;
