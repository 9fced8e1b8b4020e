-- What an account asks of the seals on its originals.
alter table account add column seal text not null default 'none'
    check (seal in ('none', 'seal', 'timestamp', 'timestamp_if_possible'));
