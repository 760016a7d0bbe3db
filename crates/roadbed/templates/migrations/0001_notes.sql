-- Everybody may read notes that are public; a signed-in user owns the notes that she writes.
create table notes (
  id bigint generated always as identity primary key,
  author_id uuid not null default auth.uid(),
  title text not null check (title <> ''),
  body text not null default '',
  is_public boolean not null default false,
  created_at timestamptz not null default now()
);

create index notes_author_id_idx on notes (author_id);

alter table notes enable row level security;

grant select on notes to anon;
grant select, insert, update, delete on notes to authenticated;

create policy "public notes are for everybody" on notes
  for select using (is_public);

create policy "authors do as they like with their own notes" on notes
  to authenticated using (author_id = auth.uid()) with check (author_id = auth.uid());
