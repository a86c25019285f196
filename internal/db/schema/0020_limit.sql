-- Room limit: exact sliding windows.

-- +goose Up
-- times holds, 13 digits each and oldest first, when the last calls were accepted: as many as the quota.
create table limit_windows (
    name       text   primary key,
    times      text   not null,
    touched_ms bigint not null
);
create index limit_windows_touched on limit_windows (touched_ms);

-- +goose Down
drop table limit_windows;
