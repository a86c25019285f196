-- Room signing: lists of packages that stay quick in a large account, their counters, and what expires when.

-- +goose Up
alter table packages add column folded_name text not null default '';  -- name in lower case: searched and sorted by
alter table packages add column folded_text text not null default '';  -- description in lower case: searched
update packages set folded_name = lower(name), folded_text = lower(description);

-- How many packages there are, by all that lists can ask without looking at packages. scope is '' for those that the
-- whole account sees, else the owner who alone sees them. A number is the sum over the shards, of which each act takes
-- one at random: no two acts wait for the same row for long. A shard's own number may be negative.
create table package_counts (
    account_id text    not null,
    scope      text    not null,
    type       text    not null,
    status     text    not null,
    trashed    boolean not null,
    shard      bigint  not null,
    n          bigint  not null,
    primary key (account_id, scope, type, status, trashed, shard)
);
insert into package_counts (account_id, scope, type, status, trashed, shard, n)
    select account_id, case when visibility = 'SENDER' then owner_id else '' end, type, status, trashed, 0, count(*)
    from packages group by account_id, case when visibility = 'SENDER' then owner_id else '' end, type, status, trashed;

drop index packages_by_account;
drop index packages_updated;
create index packages_listed on packages (account_id, type, trashed, created_ms, id, visibility, owner_id);
create index packages_by_status on packages (account_id, type, trashed, status, created_ms, id, visibility, owner_id);
create index packages_by_update on packages (account_id, type, trashed, updated_ms, id);
create index packages_by_name on packages (account_id, type, trashed, folded_name, id);
create index packages_by_due on packages (account_id, type, trashed, coalesce(due_ms, 9007199254740991), id);
create index packages_by_owner on packages (account_id, owner_id, created_ms, id);
create index roles_by_user on roles (user_id) where user_id is not null and state = 'open';
create index roles_by_email on roles (email) where email <> '' and state = 'open';

-- +goose Down
drop index roles_by_email;
drop index roles_by_user;
drop index packages_by_owner;
drop index packages_by_due;
drop index packages_by_name;
drop index packages_by_update;
drop index packages_by_status;
drop index packages_listed;
create index packages_updated on packages (account_id, updated_ms, id);
create index packages_by_account on packages (account_id, created_ms, id);
drop table package_counts;
alter table packages drop column folded_text;
alter table packages drop column folded_name;
