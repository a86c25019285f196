-- Room directory: what an account keeps for its clients, and what clients know of a sender beside his name.

-- +goose Up
-- Settings of an account, each a JSON document of one kind: 'themes', 'decline_reasons' of a language, ….
create table account_documents (
    account_id text   not null references accounts (id),
    kind       text   not null,
    name       text   not null, -- the language, the field, …; '' where a kind has one document
    data       text,            -- JSON; null while it is being made
    updated_ms bigint not null,
    primary key (account_id, kind, name)
);

alter table users add column kept text; -- JSON object: members that are only stored and shown

create table sender_signatures (
    user_id    text   primary key references users (id),
    file_name  text   not null,
    media      text   not null,
    bytes      bytea  not null,
    updated_ms bigint not null
);

-- +goose Down
drop table sender_signatures;
alter table users drop column kept;
drop table account_documents;
