-- Room webhook: where an account's systems want to hear of events, and what they have still to be told. A lane is the
-- line of one callback's deliveries about one package: the first that waits goes before the next. due_ms of a lane is
-- when its first delivery may be tried, or while it is held when the claim on it lapses; null when nothing waits. claim fences.

-- +goose Up
create table callbacks (
    id           text   primary key,
    account_id   text   not null,
    origin       text   not null, -- the connector's name; empty for the account's own
    url          text   not null, -- empty: switched off
    host         text   not null, -- of the url, in lower case
    style        text   not null check (style in ('KEY', 'Basic', 'Bearer', 'None')),
    credential   bytea  not null, -- sealed: the key, the token, or user name and password
    events       text   not null, -- names between spaces, or * for all
    generation   bigint not null default 0, -- one more with each other address, none included
    registrant   text   not null default '', -- internal id of the user who registered it; '' is not known
    told_ms      bigint not null default 0, -- when he was told last that deliveries were given up
    secret       bytea  not null, -- sealed: signs the calls
    former       bytea,           -- sealed: signs them too until former_until_ms
    former_until_ms bigint not null,
    created_ms   bigint not null,
    updated_ms   bigint not null,
    unique (account_id, origin)
);

create table lanes (
    id          text   primary key,
    callback_id text   not null references callbacks (id) on delete cascade,
    package     text   not null, -- its id outside
    last_seq    bigint not null,
    due_ms      bigint,
    held        boolean not null, -- a call is under way
    claim       bigint not null,
    touched_ms  bigint not null,
    unique (callback_id, package)
);
create index lanes_due on lanes (due_ms) where due_ms is not null;
create index lanes_by_callback on lanes (callback_id, due_ms) where due_ms is not null;

create table deliveries (
    id         text   primary key,
    lane_id    text   not null references lanes (id) on delete cascade,
    seq        bigint not null,
    generation bigint not null default 0, -- the callback's when the event was raised: it goes to no later address
    name       text   not null,
    body       bytea  not null, -- what is sent, byte for byte, at every try
    state      text   not null check (state in ('waiting', 'delivered', 'failed')),
    raised_ms  bigint not null,
    since_ms   bigint not null, -- when trying began, or began again
    ended_ms   bigint,
    tries      bigint not null,
    status     bigint not null, -- of the last answer; 0 is none
    last_error text   not null,
    unique (lane_id, seq)
);
create index deliveries_waiting on deliveries (lane_id, seq) where state = 'waiting';
create index deliveries_failed on deliveries (id) where state = 'failed';
create index deliveries_ended on deliveries (ended_ms) where ended_ms is not null;

-- +goose Down
drop table deliveries;
drop table lanes;
drop table callbacks;
