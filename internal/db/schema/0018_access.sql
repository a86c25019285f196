-- Room access: permissions, sets of them, what they are scoped by, and who holds which since when.

-- +goose Up
-- What grants are scoped by. number is the id that clients give and see.
create table entities (
    account_id text   not null,
    kind       text   not null check (kind in ('organization', 'legal_entity', 'contract_type')),
    number     bigint not null,
    name       text   not null,
    created_ms bigint not null,
    primary key (account_id, kind, number),
    unique (account_id, kind, name)
);

-- Beside the built-in ones, whose numbers are below 1000.
create table permissions (
    account_id  text   not null,
    number      bigint not null check (number >= 1000),
    name        text   not null,
    folded      text   not null, -- the name in lower case: unique
    licence     text   not null, -- '' is none
    description text   not null,
    created_ms  bigint not null,
    primary key (account_id, number),
    unique (account_id, folded)
);
create table presets (
    account_id  text   not null,
    number      bigint not null check (number >= 1000),
    name        text   not null,
    folded      text   not null,
    licence     text   not null, -- whoever gets the preset gets this licence; '' is none
    description text   not null,
    created_ms  bigint not null,
    primary key (account_id, number),
    unique (account_id, folded)
);
create table preset_permissions (
    account_id text   not null,
    preset     bigint not null,
    permission bigint not null,
    scope      text   not null, -- JSON
    primary key (account_id, preset, permission)
);

-- Rows are ended, never deleted: they are the history.
create table grants (
    id           text   primary key,
    account_id   text   not null,
    holder_kind  text   not null check (holder_kind in ('user', 'group')),
    holder_id    text   not null, -- internal id
    what         text   not null check (what in ('permission', 'preset')),
    number       bigint not null,
    scope        text   not null, -- JSON
    source       text   not null check (source in ('direct', 'clone', 'import')),
    cloned_from  text   not null, -- internal id of the user it was copied from
    by_kind      text   not null, -- as audit actors
    by_user      text   not null, -- internal id of who gave it, or whom he acted as
    by_client    text   not null,
    through      text   not null, -- internal id of the API user who acted as by_user
    granted_ms   bigint not null,
    ended_ms     bigint,
    ended_kind   text   not null default '',
    ended_by     text   not null default '',
    ended_client text   not null default '',
    ended_through text  not null default ''
);
create unique index grants_live on grants (holder_id, what, number) where ended_ms is null;
create index grants_held on grants (account_id, holder_kind, holder_id, what, number) where ended_ms is null;
create index grants_of_holder on grants (account_id, holder_id, granted_ms);
create index grants_given on grants (account_id, granted_ms, id);
create index grants_ended on grants (account_id, ended_ms, id) where ended_ms is not null;

-- +goose Down
drop table grants;
drop table preset_permissions;
drop table presets;
drop table permissions;
drop table entities;
