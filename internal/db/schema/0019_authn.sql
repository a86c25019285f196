-- Room authn: tokens for the access list, IntelAgree's keys, and how people sign in to the console.

-- +goose Up
create table access_tokens (
    id         text   primary key,
    hash       bytea  not null unique,
    account_id text   not null,
    user_id    text   not null,
    generation bigint not null, -- of the user when it was made
    name       text   not null,
    made_by    text   not null, -- internal id of a user or of staff; '' by command
    created_ms bigint not null,
    expires_ms bigint not null,
    revoked_ms bigint
);
create index access_tokens_user on access_tokens (user_id);
create index access_tokens_account on access_tokens (account_id);

create table subscription_keys (
    id         text   primary key,
    account_id text   not null,
    name       text   not null,
    hash       bytea  not null unique,
    created_ms bigint not null,
    ended_ms   bigint
);
create table account_keys (
    id         text   primary key,
    account_id text   not null,
    user_id    text   not null, -- the API user
    name       text   not null,
    hash       bytea  not null unique,
    created_ms bigint not null,
    ended_ms   bigint
);

-- A person is a user or one of staff; ids are unique among both.
create table passwords (
    person_id  text   primary key,
    hash       text   not null, -- argon2id in PHC string format
    updated_ms bigint not null
);
create table sign_in_links (
    hash       bytea   primary key,
    email      text    not null,
    people     text    not null, -- JSON: ids of those of the address whom it may sign in; empty is all
    purpose    text    not null check (purpose in ('sign-in', 'password', 'choice')),
    return_to  text    not null,
    spent      boolean not null,
    created_ms bigint  not null,
    expires_ms bigint  not null
);
create index sign_in_links_expires on sign_in_links (expires_ms);
create table console_sessions (
    id          text   primary key,
    hash        bytea  not null unique, -- of the cookie
    person_kind text   not null check (person_kind in ('user', 'staff')),
    person_id   text   not null,
    generation  bigint not null, -- of the person when it began
    email       text   not null, -- of the person when it began: the session is good for it alone
    how         text   not null check (how in ('link', 'password', 'oidc')),
    ip          text   not null,
    user_agent  text   not null,
    created_ms  bigint not null,
    last_ms     bigint not null,
    ended_ms    bigint
);
create index console_sessions_person on console_sessions (person_id);
create index console_sessions_last on console_sessions (last_ms);

create table identity_providers (
    organisation_id text    primary key,
    issuer          text    not null,
    client_id       text    not null,
    secret          bytea   not null, -- sealed
    enabled         boolean not null,
    updated_ms      bigint  not null
);
create table provider_people (
    issuer    text   not null,
    subject   text   not null,
    person_id text   not null,
    email     text   not null, -- the person's, not the provider's: the link is good for it alone
    linked_ms bigint not null,
    primary key (issuer, subject, person_id)
);
create table provider_attempts (
    hash            bytea  primary key, -- of state
    browser         bytea  not null,    -- hash of the cookie of the browser that began
    organisation_id text   not null,
    verifier        bytea  not null,    -- sealed
    nonce           text   not null,
    return_to       text   not null,
    expires_ms      bigint not null
);
create index provider_attempts_expires on provider_attempts (expires_ms);

-- +goose Down
drop table provider_attempts;
drop table provider_people;
drop table identity_providers;
drop table console_sessions;
drop table sign_in_links;
drop table passwords;
drop table account_keys;
drop table subscription_keys;
drop table access_tokens;
