-- Room signing: what the client libraries of Conga Sign know beside the plain package: templates, expiry, stored-only
-- members, who sees which document, ad-hoc groups, attachments, locked signers, conditions, lists that do not slow down.

-- +goose Up
alter table packages add column kept text not null default 'null';        -- JSON: members that are only stored and shown
alter table packages add column ended_ms bigint;                          -- declined, opted out or expired
create index packages_due on packages (due_ms) where status = 'SENT' and due_ms is not null;
create index packages_updated on packages (account_id, updated_ms, id);

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

-- +goose Down
drop table attachment_files;
drop table attachments;
alter table fields drop column anchor;
alter table fields drop column conditions;
alter table approvals drop column accepted_ms;
drop table adhoc_members;
alter table roles drop column notified_ms;
alter table roles drop column kept;
alter table roles drop column fails;
alter table roles drop column locked;
drop table document_viewers;
alter table documents drop column restricted;
alter table documents drop column extraction;
drop index packages_updated;
drop index packages_due;
alter table packages drop column ended_ms;
alter table packages drop column kept;
