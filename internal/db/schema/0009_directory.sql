-- Room directory: organisations' domains, partners with their channel, and the
-- accounts and users that partners make.

-- +goose Up
-- A GUID; '' for organisations of before, which get theirs when they register a partner, who alone shows it.
alter table organisations add column outer_id text not null default '';
create unique index organisations_outer on organisations (outer_id) where outer_id <> '';

-- Which organisation a name stands for: the first of that name. The row is made before the organisation's.
create table organisation_names (
    name            text primary key,
    organisation_id text not null
);
insert into organisation_names (name, organisation_id) select name, min(id) from organisations group by name;

-- Claims: several organisations may claim a domain, one proves it.
create table domain_claims (
    organisation_id text   not null references organisations (id),
    name            text   not null,
    token           text   not null,
    created_ms      bigint not null,
    primary key (organisation_id, name)
);
create table proven_domains (
    name            text   primary key,
    organisation_id text   not null references organisations (id),
    how             text   not null check (how in ('dns', 'operator')),
    proven_ms       bigint not null
);
create index proven_domains_of_organisation on proven_domains (organisation_id, name);

create table logos (
    digest     text   primary key, -- SHA-256, hexadecimal
    media      text   not null,
    bytes      bytea  not null,
    created_ms bigint not null
);

create table partners (
    id                   text    primary key,
    outer_id             text    not null unique,
    organisation_id      text    not null references organisations (id),
    client_id            text    not null unique,
    technical_account    text    not null,
    name                 text    not null,
    status               text    not null check (status in ('ACTIVE', 'INACTIVE')),
    domains              text    not null, -- JSON: canonical names
    require_signed       boolean not null default false,
    subject_keys         text,             -- JSON Web Key Set
    settings             text    not null, -- JSON: the channel's
    logo                 text    not null default '',
    updated_by           text    not null,
    created_ms           bigint  not null,
    updated_ms           bigint  not null
);

alter table accounts add column partner_id text references partners (id); -- null: the operator's own
alter table accounts add column company text not null default '';
alter table accounts add column country text not null default '';
alter table accounts add column remind_first_ms bigint not null default 0;
alter table accounts add column remind_every_ms bigint not null default 0;
alter table accounts add column remind_at_most bigint not null default 0;
alter table accounts add column sender_name text not null default '';
alter table accounts add column logo text not null default '';
alter table accounts add column seats_version bigint not null default 0;
create index accounts_of_partner on accounts (partner_id, id);
-- Because seats_version is part of a unique key, changing it waits on PostgreSQL for every transaction that is just
-- making a user of the account, and keeps new ones waiting.
create unique index accounts_seats on accounts (id, seats_version);

-- The names of a partner's accounts in lower case. The row is made before the account's.
create table account_names (
    partner_id text not null references partners (id),
    name       text not null,
    account_id text not null,
    primary key (partner_id, name)
);

-- used is kept for SEATS with a cap above 0 only.
create table consumables (
    account_id text   not null references accounts (id),
    type       text   not null check (type in ('SEATS', 'PHONE_AUTH', 'KBA')),
    cap        bigint not null check (cap >= -1),
    used       bigint not null default 0 check (used >= 0),
    primary key (account_id, type)
);

alter table users add column email_alias text not null default '';
alter table users add column initials text not null default '';
alter table users add column privacy_admin boolean not null default false;
alter table users add column provisioned boolean not null default false;

alter table group_members add column position bigint not null default 0; -- in the group, as members came

-- +goose Down
alter table group_members drop column position;
alter table users drop column provisioned;
alter table users drop column privacy_admin;
alter table users drop column initials;
alter table users drop column email_alias;
drop table consumables;
drop table account_names;
drop index accounts_seats;
drop index accounts_of_partner;
alter table accounts drop column seats_version;
alter table accounts drop column logo;
alter table accounts drop column sender_name;
alter table accounts drop column remind_at_most;
alter table accounts drop column remind_every_ms;
alter table accounts drop column remind_first_ms;
alter table accounts drop column country;
alter table accounts drop column company;
alter table accounts drop column partner_id;
drop table partners;
drop table logos;
drop table proven_domains;
drop table domain_claims;
drop table organisation_names;
drop index organisations_outer;
alter table organisations drop column outer_id;
