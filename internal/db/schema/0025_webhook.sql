-- Room webhook: what was raised for one address of a callback is not sent to a later one.

-- +goose Up
alter table callbacks add column generation bigint not null default 0;  -- one more with each other address, none included
alter table deliveries add column generation bigint not null default 0; -- the callback's when the event was raised

-- +goose Down
alter table deliveries drop column generation;
alter table callbacks drop column generation;
