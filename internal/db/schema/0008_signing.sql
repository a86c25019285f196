-- Room signing: packages, documents, roles with their lease, invitees and their
-- links, approvals and fields, signatures and the page images that were shown.
-- Times are epoch milliseconds, lengths PDF points.

-- +goose Up
create table packages (
    id            text primary key,
    outer_id      text not null unique,
    account_id    text not null,
    owner_id      text not null,
    name          text not null,
    description   text not null,
    email_message text not null,
    language      text not null,
    visibility    text not null,
    type          text not null,
    status        text not null,
    trashed       boolean not null,
    autocomplete  boolean not null,
    due_ms        bigint,
    settings      text not null,
    data          text not null,
    created_ms    bigint not null,
    updated_ms    bigint not null,
    sent_ms       bigint,
    completed_ms  bigint,
    declined      text,             -- JSON: who, which role, why, when
    seal_attempt  bigint not null,  -- fences the seal job
    evidence_blob text              -- the sealed summary
);
create index packages_by_account on packages (account_id, created_ms, id);

create table documents (
    id            text primary key,
    package_id    text not null references packages (id) on delete cascade,
    outer_id      text not null,
    position      bigint not null,
    name          text not null,
    description   text not null,
    data          text not null,
    original_blob text not null,    -- the uploaded bytes
    shown_blob    text not null,    -- the bytes shown and signed: the same, or repaired
    sha256        text not null,    -- of the uploaded bytes
    size          bigint not null,
    pages         text not null,    -- JSON: sizes in points
    notes         text not null,    -- JSON: what was repaired
    sealed_blob   text,
    sealed_sha256 text,
    unique (package_id, outer_id)
);

create table roles (
    id            text primary key,
    package_id    text not null references packages (id) on delete cascade,
    outer_id      text not null,
    position      bigint not null,
    name          text not null,
    kind          text not null,    -- person, group, owner
    sequence      bigint not null,  -- 0 unordered, else waits for every lower one
    reassign      boolean not null,
    email_message text not null,
    data          text not null,
    signer_id     text not null,    -- outer id of the signer
    email         text not null,
    first_name    text not null,
    last_name     text not null,
    title         text not null,
    company       text not null,
    phone         text not null,
    language      text not null,
    user_id       text,
    group_id      text,
    state         text not null,    -- viewer (signs nothing), open, signed, declined
    invited_ms    bigint,
    holder        text,             -- invitee who has the lease
    epoch         bigint not null,  -- fencing number of the lease, never reused
    stage         text not null,    -- '', soft, hard
    taken_ms      bigint not null,  -- since when the holder holds without a break
    expires_ms    bigint not null,
    consent_by    text,
    consent_ms    bigint,
    signed_by     text,             -- invitee
    signed_ms     bigint,
    unique (package_id, outer_id)
);
create index roles_by_group on roles (group_id) where group_id is not null;

create table invitees (
    id         text primary key,
    handle     text not null unique,
    role_id    text not null references roles (id) on delete cascade,
    package_id text not null references packages (id) on delete cascade,
    account_id text not null,
    user_id    text,
    email      text not null,
    name       text not null,
    waiting_ms bigint,              -- since when this person waits for the lease
    watching   boolean not null,    -- asked to be told when it is free
    unique (role_id, email)
);
create index invitees_by_person on invitees (account_id, email);
create index invitees_by_package on invitees (package_id);

create table links (
    hash       bytea primary key,
    role_id    text not null references roles (id) on delete cascade,
    invitee_id text references invitees (id) on delete cascade, -- null: the whole group's link
    created_ms bigint not null
);
create index links_by_role on links (role_id);

create table approvals (
    id              text primary key,
    package_id      text not null references packages (id) on delete cascade,
    document_id     text not null references documents (id) on delete cascade,
    role_id         text not null references roles (id) on delete cascade,
    outer_id        text not null,
    position        bigint not null,
    name            text not null,
    optional        boolean not null,
    disabled        boolean not null,
    enforce_capture boolean not null,
    from_file       boolean not null,
    data            text not null,
    signed_ms       bigint,
    unique (document_id, outer_id)
);
create index approvals_by_package on approvals (package_id);
create index approvals_by_role on approvals (role_id);

create table fields (
    id          text primary key,
    package_id  text not null references packages (id) on delete cascade,
    approval_id text not null references approvals (id) on delete cascade,
    outer_id    text not null,
    position    bigint not null,
    name        text not null,
    type        text not null,
    subtype     text not null,
    binding     text not null,
    value       text,
    entered_by  text,               -- invitee
    tooltip     text not null,
    page        bigint not null,
    left_pt     double precision not null,
    top_pt      double precision not null,
    width_pt    double precision not null,
    height_pt   double precision not null,
    font_size   double precision not null,
    validation  text not null,
    data        text not null,
    unique (approval_id, outer_id)
);
create index fields_by_package on fields (package_id);

create table signatures (
    role_id    text primary key references roles (id) on delete cascade,
    package_id text not null references packages (id) on delete cascade,
    invitee_id text not null,
    name       text not null,
    email      text not null,
    group_name text not null,
    mark       text not null,       -- JSON
    initials   text not null,       -- JSON
    identified text not null,
    ip         text not null,
    user_agent text not null,
    signed_ms  bigint not null,
    event_id   text not null
);
create index signatures_by_package on signatures (package_id);

create table page_views (
    invitee_id  text not null references invitees (id) on delete cascade,
    document_id text not null references documents (id) on delete cascade,
    page        bigint not null,
    dpi         bigint not null,
    sha256      text not null,      -- of the image that was sent
    primary key (invitee_id, document_id, page, dpi)
);

-- +goose Down
drop table page_views;
drop table signatures;
drop table fields;
drop table approvals;
drop table links;
drop table invitees;
drop table roles;
drop table documents;
drop table packages;
