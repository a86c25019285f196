-- Room signing: what the client libraries of Conga Sign know beside the plain package: templates, expiry, stored-only
-- members, who sees which document, ad-hoc groups, attachments, locked signers, conditions, in-person signing, a package's
-- own reminders, and lists that do not slow down.

-- +goose Up
alter table packages add column kept text not null default 'null';        -- JSON: members that are only stored and shown
alter table packages add column ended_ms bigint;                          -- declined, opted out or expired
create index packages_due on packages (due_ms) where status = 'SENT' and due_ms is not null;

alter table documents add column extraction text not null default 'null'; -- JSON: the kinds of extraction asked for
alter table documents add column restricted boolean not null default false; -- only document_viewers see it
create table document_viewers (
    document_id text not null references documents (id) on delete cascade,
    role_id     text not null references roles (id) on delete cascade,
    primary key (document_id, role_id)
);
create index document_viewers_by_role on document_viewers (role_id);

alter table roles add column locked boolean not null default false;       -- too many failed proofs of who he is
alter table roles add column fails bigint not null default 0;
alter table roles add column kept text not null default 'null';           -- JSON: stored-only members of role and signer
alter table roles add column notified_ms bigint;                          -- when the sender last had the invitation sent again

-- Members of a role of kind adhoc: the persons of other roles of the same package.
create table adhoc_members (
    role_id   text   not null references roles (id) on delete cascade,
    member_id text   not null references roles (id) on delete cascade,
    position  bigint not null,
    primary key (role_id, member_id)
);
create index adhoc_members_by_member on adhoc_members (member_id);

alter table approvals add column accepted_ms bigint;
alter table approvals add column accepted_by text;                        -- invitee who accepted it before signing the rest
alter table approvals add column accepted_sha256 text not null default ''; -- of the document's uploaded bytes then
alter table fields add column preset text;                                -- what the sender had put in before a signer wrote over it
alter table fields add column conditions text not null default 'null';    -- JSON
alter table fields add column anchor text not null default 'null';        -- JSON: the anchor it was placed by

create table attachments (
    id          text    primary key,
    package_id  text    not null references packages (id) on delete cascade,
    role_id     text    not null references roles (id) on delete cascade,
    outer_id    text    not null,
    position    bigint  not null,
    name        text    not null,
    description text    not null,
    required    boolean not null,
    status      text    not null check (status in ('INCOMPLETE', 'COMPLETE', 'REJECTED')),
    comment     text    not null, -- why it was rejected
    data        text    not null,
    unique (role_id, outer_id)
);
create index attachments_by_package on attachments (package_id);
create table attachment_files (
    id            text   primary key,
    attachment_id text   not null references attachments (id) on delete cascade,
    number        bigint not null, -- the file's id outside
    name          text   not null,
    media         text   not null,
    size          bigint not null,
    sha256        text   not null,
    blob          text   not null,
    uploaded_by   text   not null, -- invitee
    uploaded_ms   bigint not null,
    unique (attachment_id, number)
);

-- Wrong proofs are counted for each person; who signs at a host's device.
alter table invitees add column fails bigint not null default 0;           -- wrong codes in a row, across codes
alter table invitees add column locked boolean not null default false;
alter table invitees add column by_copy boolean not null default false;    -- somebody came by a link that the sender made
alter table links add column made_by text;                                 -- the sender's user who made it, null: mailed
create table hosted (
    invitee_id text not null references invitees (id) on delete cascade,
    host_id    text not null references invitees (id) on delete cascade,   -- at whose device he signs
    device     text not null,                                              -- the browser's session on which it was handed over
    last_ms    bigint not null,                                            -- when it was last acted on
    ended_ms   bigint,                                                     -- the signature was made
    primary key (invitee_id, host_id)
);
create index hosted_by_host on hosted (host_id);

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

-- Lists and their counters.
alter table packages add column folded_name text not null default '';  -- name in lower case: searched and sorted by
alter table packages add column folded_text text not null default '';  -- description in lower case: searched
update packages set folded_name = lower(name), folded_text = lower(description);

-- How many packages there are, by all that lists can ask without looking at packages. scope is '' for those that the
-- whole account sees, else the owner who alone sees them. A number is the sum over the shards, of which each act takes
-- one at random: no two acts wait for the same row for long. A shard's own number may be negative.
create table package_counts (
    account_id text    not null,
    scope      text    not null,
    type       text    not null,
    status     text    not null,
    trashed    boolean not null,
    shard      bigint  not null,
    n          bigint  not null,
    primary key (account_id, scope, type, status, trashed, shard)
);
insert into package_counts (account_id, scope, type, status, trashed, shard, n)
    select account_id, case when visibility = 'SENDER' then owner_id else '' end, type, status, trashed, 0, count(*)
    from packages group by account_id, case when visibility = 'SENDER' then owner_id else '' end, type, status, trashed;

drop index packages_by_account;
create index packages_listed on packages (account_id, type, trashed, created_ms, id, visibility, owner_id);
create index packages_by_status on packages (account_id, type, trashed, status, created_ms, id, visibility, owner_id);
create index packages_by_update on packages (account_id, type, trashed, updated_ms, id);
create index packages_by_name on packages (account_id, type, trashed, folded_name, id);
create index packages_by_due on packages (account_id, type, trashed, coalesce(due_ms, 9007199254740991), id);
create index packages_by_owner on packages (account_id, owner_id, created_ms, id);
create index roles_by_user on roles (user_id) where user_id is not null and state = 'open';
create index roles_by_email on roles (email) where email <> '' and state = 'open';

-- +goose Down
drop index roles_by_email;
drop index roles_by_user;
drop index packages_by_owner;
drop index packages_by_due;
drop index packages_by_name;
drop index packages_by_update;
drop index packages_by_status;
drop index packages_listed;
create index packages_by_account on packages (account_id, created_ms, id);
drop table package_counts;
alter table packages drop column folded_text;
alter table packages drop column folded_name;
drop table reminders_sent;
drop table reminder_schedules;
drop table hosted;
alter table links drop column made_by;
alter table invitees drop column by_copy;
alter table invitees drop column locked;
alter table invitees drop column fails;
drop table attachment_files;
drop table attachments;
alter table fields drop column anchor;
alter table fields drop column conditions;
alter table fields drop column preset;
alter table approvals drop column accepted_sha256;
alter table approvals drop column accepted_by;
alter table approvals drop column accepted_ms;
drop table adhoc_members;
alter table roles drop column notified_ms;
alter table roles drop column kept;
alter table roles drop column fails;
alter table roles drop column locked;
drop table document_viewers;
alter table documents drop column restricted;
alter table documents drop column extraction;
drop index packages_due;
alter table packages drop column ended_ms;
alter table packages drop column kept;
