-- Room webhook: who is told when a callback's deliveries are given up.

-- +goose Up
alter table callbacks add column registrant text not null default ''; -- internal id of the user who registered it; '' is not known
alter table callbacks add column told_ms bigint not null default 0;   -- when he was told last

-- +goose Down
alter table callbacks drop column told_ms;
alter table callbacks drop column registrant;
