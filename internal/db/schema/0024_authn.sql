-- Room authn: what the word of an application stands on that sent a browser to a package, and whether its person came.

-- +goose Up
alter table browser_entries add column made_standing text not null default 'null'; -- JSON, as of sessions; null for who came by a link
alter table browser_entries add column arrived boolean not null default false;     -- the person acted whom an application sent
alter table browser_entries drop column made_by;
alter table browser_entries drop column made_generation;

-- +goose Down
alter table browser_entries add column made_generation bigint not null default 0;
alter table browser_entries add column made_by text not null default '';
alter table browser_entries drop column arrived;
alter table browser_entries drop column made_standing;
