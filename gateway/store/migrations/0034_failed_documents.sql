-- Which documents a network did not take, each once: two that failed in turn were counted as many.
alter table network add column tried uuid[] not null default '{}';
update network set tried = array[last] where last is not null;
alter table network drop column last;
