-- Room db: the mark below which SQLite's clock never falls.

-- +goose Up
create table clock_mark (
    id bigint primary key,
    ms bigint not null
);

-- +goose Down
drop table clock_mark;
