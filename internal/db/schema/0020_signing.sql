-- Room signing: what the sender had put into a field before a signer wrote over it.

-- +goose Up
alter table fields add column preset text;

-- +goose Down
alter table fields drop column preset;
