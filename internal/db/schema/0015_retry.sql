-- Room retry: calls that carry an Idempotency-Key.

-- +goose Up
create table retries (
    account_id text   not null,
    key_hash   text   not null, -- of operation, caller and key
    body_hash  text   not null, -- of the rest of the call
    attempt    bigint not null, -- who holds the claim
    made       text   not null default '', -- outer id of what the act made, written in its transaction; '' not yet
    status     bigint not null default 0,  -- of the answer kept; 0 none yet
    answer     text   not null default '', -- JSON: header and body
    lapses_ms  bigint not null, -- when a claim whose act has not committed may be taken over
    expires_ms bigint not null,
    primary key (account_id, key_hash)
);
create index retries_expired on retries (expires_ms);

-- +goose Down
drop table retries;
