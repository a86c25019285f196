-- Room jobs: work to do. due_ms is when a ready job may start, and of a running one
-- when its claim lapses. claim counts the claims: the number is the worker's proof
-- that the job is still its own. Done jobs are deleted.

-- +goose Up
create table jobs (
    id         text    primary key,
    kind       text    not null,
    key        text    not null,
    payload    bytea   not null,
    state      text    not null,
    due_ms     bigint  not null,
    created_ms bigint  not null,
    claim      bigint  not null,
    tries      bigint  not null,
    again      boolean not null,
    last_error text    not null
);
-- key first, so that a search for what is due by some kinds does not choose this one
create unique index jobs_live on jobs (key, kind) where state <> 'failed';
create index jobs_due on jobs (due_ms) where state <> 'failed';

-- +goose Down
drop table jobs;
