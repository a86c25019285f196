-- Room seal: the keys made here. One row is one generation: a CA and the signing
-- certificate it issued, both in DER, with their private keys encrypted. Rows are
-- never changed or deleted: what an old generation sealed must stay verifiable.

-- +goose Up
create table seal_keys (
    generation     bigint primary key,
    ca_certificate bytea  not null,
    ca_key         bytea  not null,
    certificate    bytea  not null,
    private_key    bytea  not null,
    created        bigint not null
);

-- +goose Down
drop table seal_keys;
