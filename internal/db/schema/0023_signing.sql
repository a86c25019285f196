-- Room signing: an acceptance by API is bound to the bytes that were accepted, a hand-over of a device to the browser's
-- session and a time.

-- +goose Up
alter table approvals add column accepted_sha256 text not null default ''; -- of the document's uploaded bytes
delete from hosted;                                                       -- hand-overs without a device end
alter table hosted add column device text not null default '';            -- the browser's session on which it was handed over
alter table hosted add column last_ms bigint not null default 0;          -- when it was last acted on
alter table hosted add column ended_ms bigint;                            -- the signature was made

-- +goose Down
alter table hosted drop column ended_ms;
alter table hosted drop column last_ms;
alter table hosted drop column device;
alter table approvals drop column accepted_sha256;
