-- Room directory: who belongs to whom.

-- +goose Up
create table organisations (
    id         text primary key,
    name       text   not null,
    created_ms bigint not null
);
create index organisations_name on organisations (name);

create table accounts (
    id                    text primary key,
    outer_id              text   not null unique,
    organisation_id       text   not null references organisations (id),
    name                  text   not null,
    -- zero and '' stand for the server's default
    member_identification text   not null default '',
    soft_lease_ms         bigint not null default 0,
    hard_lease_ms         bigint not null default 0,
    heartbeat_ms          bigint not null default 0,
    max_hold_ms           bigint not null default 0,
    created_ms            bigint not null,
    updated_ms            bigint not null
);

create table users (
    id              text primary key,
    organisation_id text    not null references organisations (id),
    account_id      text    not null references accounts (id),
    sender_id       text    not null unique,
    platform_id     text    not null unique,
    email           text    not null,
    first_name      text    not null,
    last_name       text    not null,
    title           text    not null default '',
    company         text    not null default '',
    phone           text    not null default '',
    language        text    not null default '',
    timezone_id     text    not null default '',
    address         text,
    status          text    not null check (status in ('INVITED', 'ACTIVE', 'LOCKED', 'INACTIVE')),
    type            text    not null check (type in ('REGULAR', 'MANAGER')),
    user_type       text    not null,
    role            text    not null default '',
    sender          boolean not null,
    folded          text    not null, -- name and e-mail in lower case, for searching
    created_ms      bigint  not null,
    updated_ms      bigint  not null,
    last_login_ms   bigint,
    activated_ms    bigint
);
create index users_of_account on users (account_id, email);

-- An address belongs to one user of the organisation until he is deactivated;
-- whoever gets it then is somebody else. The row is made before the user's.
create table user_addresses (
    organisation_id text not null references organisations (id),
    email           text not null,
    user_id         text not null,
    primary key (organisation_id, email)
);

create table signer_groups (
    id            text primary key,
    account_id    text   not null references accounts (id),
    outer_id      text   not null,
    name          text   not null,
    folded        text   not null, -- the name in lower case, for searching
    email         text   not null default '',
    email_members boolean,
    data          text,
    created_ms    bigint not null,
    updated_ms    bigint not null,
    deleted_ms    bigint
);
create unique index signer_groups_outer on signer_groups (account_id, outer_id) where deleted_ms is null;

-- The names that clients gave to living groups; a name made from the e-mail is not among them.
create table group_names (
    account_id text not null references accounts (id),
    name       text not null,
    group_id   text not null unique references signer_groups (id),
    primary key (account_id, name)
);

create table group_members (
    group_id    text   not null references signer_groups (id),
    user_id     text   not null references users (id),
    member_type text   not null check (member_type in ('REGULAR', 'MANAGER')),
    created_ms  bigint not null,
    primary key (group_id, user_id)
);
create index group_members_user on group_members (user_id);

-- What was taken away: whatever carries a lower generation is dead. What was
-- never raised has no row and is at generation 0.
create table generations (
    kind       text   not null,
    id         text   not null,
    generation bigint not null,
    seq        bigint not null,
    primary key (kind, id)
);
create index generations_seq on generations (seq);

create table generation_counter (
    id  bigint primary key,
    seq bigint not null
);
insert into generation_counter (id, seq) values (1, 0);

-- +goose Down
drop table generation_counter;
drop table generations;
drop table group_members;
drop table group_names;
drop table signer_groups;
drop table user_addresses;
drop table users;
drop table accounts;
drop table organisations;
