-- Room authn: keys and credentials of programs, and what browsers have proved.

-- +goose Up
-- Keys that sign access tokens, the private ones encrypted.
create table token_keys (
    number     bigint primary key,
    kid        text   not null unique,
    seed       bytea  not null,
    begins_ms  bigint not null, -- when it begins to sign; it is known to every replica by then
    created_ms bigint not null
);

create table clients (
    id          text primary key, -- the client_id, a GUID
    account_id  text    not null,
    user_id     text    not null unique,
    name        text    not null,
    rights      text    not null, -- JSON
    secret_hash bytea,            -- null: no secret has been made yet
    disabled    boolean not null default false,
    created_ms  bigint  not null,
    updated_ms  bigint  not null
);

create table api_keys (
    sender_id  text primary key,
    user_id    text   not null unique,
    hash       bytea  not null,
    created_ms bigint not null
);

create table browser_sessions (
    id         text primary key,
    hash       bytea  not null unique, -- of the cookie
    created_ms bigint not null,
    last_ms    bigint not null
);
create index browser_sessions_last on browser_sessions (last_ms);

-- As whom, to which package, a browser came by a link: personal if it was mailed to that person alone, else the
-- visitor said himself who he is. user_id is '' for who is no user of the account.
create table browser_entries (
    session_id text   not null references browser_sessions (id) on delete cascade,
    account_id text   not null,
    email      text   not null,
    user_id    text   not null,
    package_id text   not null,
    personal   boolean not null,
    entered_ms bigint not null,
    primary key (session_id, account_id, email, user_id, package_id)
);

create table mailbox_proofs (
    session_id text   not null references browser_sessions (id) on delete cascade,
    account_id text   not null,
    email      text   not null,
    user_id    text   not null,
    package_id text   not null,
    name       text   not null,
    proven_ms  bigint not null,
    last_ms    bigint not null,
    primary key (session_id, account_id, email, user_id, package_id)
);

create table mailbox_codes (
    session_id text    not null references browser_sessions (id) on delete cascade,
    account_id text    not null,
    email      text    not null,
    user_id    text    not null,
    package_id text    not null,
    hash       bytea   not null,
    tries      bigint  not null,
    spent      boolean not null,
    created_ms bigint  not null,
    primary key (session_id, account_id, email, user_id, package_id)
);

-- When the last three codes for one person and package were mailed, to whichever browser; 0 is never.
create table mailbox_sends (
    account_id text   not null,
    email      text   not null,
    package_id text   not null,
    third_ms   bigint not null, -- the third last
    second_ms  bigint not null,
    last_ms    bigint not null,
    primary key (account_id, email, package_id)
);
create index mailbox_sends_last on mailbox_sends (last_ms);

-- +goose Down
drop table mailbox_sends;
drop table mailbox_codes;
drop table mailbox_proofs;
drop table browser_entries;
drop table browser_sessions;
drop table api_keys;
drop table clients;
drop table token_keys;
