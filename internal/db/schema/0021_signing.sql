-- Room signing: what the lease remembers of those who held it, so that nobody can sit on it while others wait, and a
-- lease that somebody else ended.

-- +goose Up
alter table roles add column last_holder text not null default '';    -- invitee who held last, or holds
alter table roles add column row_ms bigint not null default 0;        -- since when he holds in a row: a moment's break does not count
alter table roles add column freed_ms bigint not null default 0;      -- when his last lease ended; while it runs expires_ms says it
alter table roles add column idle_lapses bigint not null default 0;   -- how many of his leases lapsed in a row while others waited
alter table roles add column broken_holder text not null default '';  -- invitee whose lease was broken, until he takes it again
alter table roles add column broken_epoch bigint not null default 0;
alter table roles add column broken_by text not null default '';      -- name
alter table roles add column broken_reason text not null default '';
alter table roles add column broken_ms bigint not null default 0;
update roles set last_holder = holder, row_ms = taken_ms where holder is not null;

-- +goose Down
alter table roles drop column broken_ms;
alter table roles drop column broken_reason;
alter table roles drop column broken_by;
alter table roles drop column broken_epoch;
alter table roles drop column broken_holder;
alter table roles drop column idle_lapses;
alter table roles drop column freed_ms;
alter table roles drop column row_ms;
alter table roles drop column last_holder;
