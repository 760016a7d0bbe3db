-- Which verbs and columns: nobody chooses an owner, a position or a time.
grant select on lists, todos to anon, authenticated;
grant insert (name, is_public), update (name, is_public), delete on lists to authenticated;
grant insert (list_id, title, is_done), update (title, is_done), delete on todos to anon, authenticated;

-- Which rows.
alter table lists enable row level security;
alter table todos enable row level security;

create policy "public lists are for everybody" on lists
  for select using (is_public);

create policy "users do as they like with their own lists" on lists
  to authenticated using (owner_id = auth.uid()) with check (owner_id = auth.uid());

-- The policies of `lists` hold inside this question too: a list that the caller cannot see is not there.
create policy "who sees a list works on its todos" on todos
  using (exists (select from lists where lists.id = todos.list_id))
  with check (exists (select from lists where lists.id = todos.list_id));
