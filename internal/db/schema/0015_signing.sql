-- Room signing: wrong proofs counted for each person, links that a sender made, documents accepted by API before the rest,
-- and who was handed the host's device to sign in person.

-- +goose Up
alter table invitees add column fails bigint not null default 0;           -- wrong codes in a row, across codes
alter table invitees add column locked boolean not null default false;
alter table invitees add column by_copy boolean not null default false;    -- somebody came by a link that the sender made
alter table links add column made_by text;                                 -- the sender's user who made it, null: mailed
alter table approvals add column accepted_by text;                         -- invitee who accepted it before signing the rest
create table hosted (
    invitee_id text not null references invitees (id) on delete cascade,
    host_id    text not null references invitees (id) on delete cascade,   -- at whose device he signs
    primary key (invitee_id, host_id)
);
create index hosted_by_host on hosted (host_id);

-- +goose Down
drop table hosted;
alter table approvals drop column accepted_by;
alter table links drop column made_by;
alter table invitees drop column by_copy;
alter table invitees drop column locked;
alter table invitees drop column fails;
