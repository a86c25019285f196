-- Room audit: what happened. canonical holds the event's bytes as they enter the
-- log; seq is its index there once it has one. Personal data lies beside, bound to
-- the event by a salted hash, so that it can be erased and breaks no proof.

-- +goose Up
create table audit_events (
    id        text   primary key,
    account   text   not null,
    package   text   not null,
    seq       bigint,
    at_ms     bigint not null,
    canonical bytea  not null
);
create index audit_events_package on audit_events (package, at_ms, id) where package <> '';
create index audit_events_account on audit_events (account, at_ms, id);
create unique index audit_events_seq on audit_events (seq) where seq is not null;

create table audit_personal (
    event_id text  primary key references audit_events (id),
    salt     bytea not null,
    data     text  not null
);

-- +goose Down
drop table audit_personal;
drop table audit_events;
