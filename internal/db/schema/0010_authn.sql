-- Room authn: technical accounts of organisations, secrets that overlap, keys of two algorithms, tokens taken back one by one.

-- +goose Up
-- A client is of a member, acting as a user of an account, or a technical account of an organisation.
create table clients_next (
    id                text primary key, -- the client_id, a GUID
    kind              text    not null check (kind in ('member', 'technical')),
    organisation_id   text    not null,
    account_id        text,
    user_id           text unique,
    technical_id      text unique,
    name              text    not null,
    alg               text    not null check (alg in ('EdDSA', 'RS256')), -- signs its tokens
    rights            text    not null, -- JSON; of a technical account its scopes
    secret_hash       bytea,            -- null: no secret has been made yet
    previous_hash     bytea,            -- of the secret before, good until previous_until_ms
    previous_until_ms bigint  not null default 0,
    disabled          boolean not null default false,
    created_ms        bigint  not null,
    updated_ms        bigint  not null,
    check (kind = 'technical' and technical_id is not null or kind = 'member' and account_id is not null and user_id is not null)
);
insert into clients_next (id, kind, organisation_id, account_id, user_id, name, alg, rights, secret_hash, disabled, created_ms, updated_ms)
    select c.id, 'member', a.organisation_id, c.account_id, c.user_id, c.name, 'EdDSA', c.rights, c.secret_hash, c.disabled, c.created_ms, c.updated_ms
    from clients c join accounts a on a.id = c.account_id;
drop table clients;
alter table clients_next rename to clients;

-- Of an RS256 key, seed is the private key in PKCS #1, encrypted too.
alter table token_keys add column alg text not null default 'EdDSA' check (alg in ('EdDSA', 'RS256'));

-- Tokens taken back before their time. seq is given in the order of commits, so that who follows it misses none.
create table revoked_tokens (
    id         text primary key, -- the token's jti
    client_id  text   not null,
    expires_ms bigint not null,
    seq        bigint not null
);
create index revoked_tokens_seq on revoked_tokens (seq);
create index revoked_tokens_expires on revoked_tokens (expires_ms);

create table revocation_counter (
    id  bigint primary key,
    seq bigint not null
);
insert into revocation_counter (id, seq) values (1, 0);

-- +goose Down
drop table revocation_counter;
drop table revoked_tokens;
delete from token_keys where alg = 'RS256';
alter table token_keys drop column alg;
create table clients_before (
    id          text primary key,
    account_id  text    not null,
    user_id     text    not null unique,
    name        text    not null,
    rights      text    not null,
    secret_hash bytea,
    disabled    boolean not null default false,
    created_ms  bigint  not null,
    updated_ms  bigint  not null
);
insert into clients_before select id, account_id, user_id, name, rights, secret_hash, disabled, created_ms, updated_ms from clients where kind = 'member';
drop table clients;
alter table clients_before rename to clients;
