-- Room mail: messages to send. sealed holds the whole message encrypted, for it holds
-- links and codes; it is wiped when the message is delivered or given up.

-- +goose Up
create table mails (
    id         text   primary key,
    dedupe     text   unique,
    message_id text   not null unique,
    kind       text   not null,
    recipient  text   not null,
    account    text   not null,
    package    text   not null,
    state      text   not null,
    sealed     bytea,
    created_ms bigint not null,
    ended_ms   bigint,
    last_error text   not null
);
create index mails_package on mails (package, created_ms) where package <> '';

create table mailbox (
    id          text   primary key,
    recipient   text   not null,
    received_ms bigint not null,
    sealed      bytea  not null
);
create index mailbox_recipient on mailbox (recipient, id);

-- +goose Down
drop table mailbox;
drop table mails;
