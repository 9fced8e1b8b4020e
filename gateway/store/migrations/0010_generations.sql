-- The feed across a restore. Events are in the order of their transactions, and transactions are numbered by the
-- cluster: in another cluster, or after an older state was put back, the numbers begin anew. So each event bears the
-- generation of the cluster that wrote it, and generations come in their order.

-- Which cluster wrote events, from when on. Append-only.
create table generation (
    number   bigint primary key,                -- 1, or the second since 1970 in which it was opened: grows, never twice
    cluster  text not null,                     -- system identifier, timeline and database, as PostgreSQL says
    at       timestamptz not null
);
create trigger generation_append_only before update or delete on generation
    for each row execute function refuse_change();
create trigger generation_no_truncate before truncate on generation
    for each statement execute function refuse_change();
grant select on generation to estafette_app, estafette_worker;

create function present_generation() returns bigint language sql stable
    as 'select max(number) from public.generation';

-- As the start of a gateway says it, too.
create function present_cluster() returns text language sql stable as $$
    select (select system_identifier::text from pg_control_system()) || '/'
        || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || '/'
        || (select oid::text from pg_database where datname = current_database())
$$;

-- The owner, too, sees no account's rows while row-level security is forced.
alter table event no force row level security;
-- Events that no transaction of this cluster can have written came here in a dump: another generation begins.
insert into generation (number, cluster, at)
select 1, case when exists (select from event where transaction >= pg_snapshot_xmax(pg_current_snapshot()))
               then 'another' else present_cluster() end, now();
alter table event force row level security;

alter table event add column generation bigint not null default 1;
alter table event alter column generation set default present_generation();

create index event_order on event (account_id, generation, transaction, position);
drop index event_feed;
