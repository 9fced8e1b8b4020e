-- More of what an account may ask of the seals on its originals: data to verify by for years (B-LT), a timestamp over all
-- of it (B-LTA), a qualified certificate, and a mark that is seen on the page.
alter table account drop constraint account_seal_check;
alter table account add constraint account_seal_check check (seal in (
    'none', 'seal', 'timestamp', 'timestamp_if_possible', 'long_term', 'long_term_if_possible', 'archival',
    'archival_if_possible'));
alter table account add column seal_qualified boolean not null default false;
alter table account add column seal_visible boolean not null default false;
