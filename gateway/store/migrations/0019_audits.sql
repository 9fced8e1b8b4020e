-- What each nightly audit found. Append-only. Belongs to nobody's account: it names documents, and nothing of them.
create table audit_run (
    number      bigint generated always as identity primary key,
    began_at    timestamptz not null,
    ended_at    timestamptz not null,
    state       text not null check (state in ('clean', 'not_clean', 'unfinished')),
    complaints  bigint not null,                -- how many; 0 of one that is clean
    says        jsonb not null,                 -- the first of them, or why it could not be finished: an array
    documents   bigint not null,
    leaves      bigint not null
);
create trigger audit_run_append_only before update or delete on audit_run
    for each row execute function refuse_change();
create trigger audit_run_no_truncate before truncate on audit_run
    for each statement execute function refuse_change();
grant select, insert on audit_run to estafette_worker;
