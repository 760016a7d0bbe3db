-- A list belongs to the user who made it. A public one is shared with everybody, signed in or not.
create table lists (
  id bigint generated always as identity primary key,
  owner_id uuid not null default auth.uid(),
  name text not null check (name <> ''),
  is_public boolean not null default false,
  created_at timestamptz not null default now()
);

create table todos (
  id bigint generated always as identity primary key,
  list_id bigint not null references lists on delete cascade,
  title text not null check (length(title) between 1 and 200),
  is_done boolean not null default false,
  created_at timestamptz not null default now()
);

create index todos_list_id_idx on todos (list_id);
create index lists_owner_id_idx on lists (owner_id);
