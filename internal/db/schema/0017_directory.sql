-- Room directory: the people who run a tenant without being its users, licences,
-- business keys, and what a list of users can be told by without counting them.

-- +goose Up
-- An operator belongs to no organisation; partners' people belong to theirs.
create table staff (
    id              text   primary key,
    organisation_id text   references organisations (id),
    email           text   not null,
    name            text   not null,
    role            text   not null check (role in ('operator', 'partner_admin', 'partner_developer')),
    status          text   not null check (status in ('ACTIVE', 'INACTIVE')),
    created_ms      bigint not null,
    updated_ms      bigint not null,
    last_login_ms   bigint,
    check ((role = 'operator') = (organisation_id is null))
);
create unique index staff_address on staff (email, coalesce(organisation_id, '')) where status = 'ACTIVE';

-- The kinds of licence an account has beside the built-in ones.
create table licences (
    account_id text   not null references accounts (id),
    name       text   not null,
    title      text   not null,
    created_ms bigint not null,
    primary key (account_id, name)
);
create table user_licences (
    account_id text   not null,
    user_id    text   not null references users (id),
    licence    text   not null,
    created_ms bigint not null,
    primary key (account_id, user_id, licence)
);
create index user_licences_kind on user_licences (account_id, licence, user_id);

-- How many users an account has, in parts so that acts do not wait for one another. Each user counts in one of two rows,
-- 'conga_sign' if he has that licence and '' if not, so that making a sender writes one; and in a row for every other
-- licence he has. Every sender has conga_sign, with no row in user_licences. The sum of the versions grows with every
-- change of what a list of users shows.
create table user_counts (
    account_id text   not null,
    licence    text   not null,
    shard      bigint not null,
    active     bigint not null, -- invited and active ones
    inactive   bigint not null, -- locked and deactivated ones
    version    bigint not null,
    primary key (account_id, licence, shard)
);
insert into user_counts (account_id, licence, shard, active, inactive, version)
    select account_id, case when sender then 'conga_sign' else '' end, 0, sum(case when status in ('INVITED', 'ACTIVE') then 1 else 0 end),
        sum(case when status in ('INVITED', 'ACTIVE') then 0 else 1 end), 1
    from users group by account_id, case when sender then 'conga_sign' else '' end;
create index users_listed on users (account_id, id);
create index users_inactive on users (account_id, id) where status in ('LOCKED', 'INACTIVE');

-- How other systems know a user: the type names the system.
create table business_keys (
    account_id text   not null references accounts (id),
    type       text   not null,
    value      text   not null,
    user_id    text   not null references users (id),
    created_ms bigint not null,
    primary key (account_id, type, value)
);
create index business_keys_user on business_keys (user_id);

alter table users add column legal_name text not null default '';
alter table users add column number bigint;        -- the integer id of those whom IntelAgree knows
alter table users add column legal_entity bigint;  -- number of the primary one
alter table users add column all_organisations boolean not null default false;
alter table users add column created_by text not null default '';   -- internal id of the user who made him; '' is not known
alter table users add column created_for text not null default '';  -- internal id of the API user through whom, if not himself
create unique index users_number on users (account_id, number) where number is not null;
create table user_numbers (
    account_id text   primary key references accounts (id),
    last       bigint not null
);

-- +goose Down
drop table user_numbers;
drop index users_number;
alter table users drop column created_for;
alter table users drop column created_by;
alter table users drop column all_organisations;
alter table users drop column legal_entity;
alter table users drop column number;
alter table users drop column legal_name;
drop table business_keys;
drop index users_inactive;
drop index users_listed;
drop table user_counts;
drop table user_licences;
drop table licences;
drop table staff;
