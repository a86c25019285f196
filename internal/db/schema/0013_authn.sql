-- Room authn: tokens of client apps, and sessions that a sender's application makes for senders and signers.

-- +goose Up
-- Opaque access tokens. standing is JSON: whose they are, and the generations they were given under.
create table app_tokens (
    hash       bytea  primary key,
    standing   text   not null,
    expires_ms bigint not null
);
create index app_tokens_expires on app_tokens (expires_ms);

-- What is exchanged for a session: once if it is single, else until it expires.
create table session_tokens (
    hash       bytea   primary key,
    kind       text    not null check (kind in ('user', 'sender', 'signer')),
    single     boolean not null,
    spent      boolean not null default false,
    standing   text    not null, -- JSON, as above
    expires_ms bigint  not null
);
create index session_tokens_expires on session_tokens (expires_ms);

create table api_sessions (
    id         text   primary key,
    hash       bytea  not null unique, -- of the cookie
    standing   text   not null,        -- JSON, as above
    created_ms bigint not null,
    last_ms    bigint not null
);
create index api_sessions_last on api_sessions (last_ms);

-- Of a person whom an application sent: what its word stands on (JSON, as above; null for who came by a link), and whether he has acted.
alter table browser_entries add column made_standing text not null default 'null';
alter table browser_entries add column arrived boolean not null default false;

-- +goose Down
alter table browser_entries drop column arrived;
alter table browser_entries drop column made_standing;
drop table api_sessions;
drop table session_tokens;
drop table app_tokens;
