-- Room signing: a package's own schedule of reminders, which goes before its account's.

-- +goose Up
create table reminder_schedules (
    package_id  text   primary key references packages (id) on delete cascade,
    start_days  bigint not null, -- after a person was asked
    every_days  bigint not null,
    most        bigint not null,
    created_ms  bigint not null,
    updated_ms  bigint not null
);
-- When reminders went out by schedule, of a package, each person apart.
create table reminders_sent (
    package_id text   not null references packages (id) on delete cascade,
    whom       text   not null, -- invitee, or role for a group's own address
    number     bigint not null,
    sent_ms    bigint not null,
    primary key (package_id, whom, number)
);

-- +goose Down
drop table reminders_sent;
drop table reminder_schedules;
