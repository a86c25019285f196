-- Room signing: reminders. asked_ms is when a mail last asked to sign, the
-- person by his own link or (of a role) the group at its own address; reminders
-- is how many were sent since he was first asked. Whoever was asked before this
-- has no asked_ms, and is reminded only once the sender has asked him again.

-- +goose Up
alter table invitees add column asked_ms bigint;
alter table invitees add column reminders bigint not null default 0;
alter table roles add column asked_ms bigint;
alter table roles add column reminders bigint not null default 0;

-- +goose Down
alter table roles drop column reminders;
alter table roles drop column asked_ms;
alter table invitees drop column reminders;
alter table invitees drop column asked_ms;
