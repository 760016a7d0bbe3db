Roles, memberships, grants, default privileges and row level security, as they are made, changed and taken back.

=== grants on tables and columns
--- migration
create table t (id int primary key, open text, secret text default 's', own int);
create table other (id int primary key);
--- anon
GET /t
--- migration
grant select (id, open), insert (id, open), update (open) on t to anon;
grant select, delete on t to authenticated;
--- rows
insert into t values (1, 'a', 'b', 1), (2, 'c', 'd', 2);
--- anon
GET /t
GET /t?select=id,open&order=id
GET /t?select=id&secret=eq.b
GET /t?select=id&order=secret
POST /t?select=id,open {"id":3,"open":"x"}
POST /t?select=id {"id":4,"secret":"x"}
POST /t {"id":4}
PATCH /t?id=eq.3&select=open {"open":"y"}
PATCH /t?id=eq.3&select=id {"id":5}
DELETE /t?id=eq.3&select=id
--- user 1
GET /t?order=id&select=secret
DELETE /t?id=eq.3&select=id
PATCH /t?id=eq.1 {"open":"z"}
--- migration
revoke select (open) on t from anon;
revoke delete on t from authenticated;
grant select on all tables in schema public to anon;
--- anon
GET /t?order=id
GET /other
--- user 1
DELETE /t?id=eq.1
--- migration
revoke all on all tables in schema public from anon, authenticated;
--- anon
GET /t?select=id
--- migration
grant all privileges on table t to public;
--- user 1
GET /t?order=id&select=id
--- refused
grant select on nope to anon;
--- refused
grant select (nope) on t to anon;
--- refused
grant select on t to nobody;
--- refused
grant execute on t to anon;

=== default privileges reach what comes later
--- migration
create table before (id int primary key);
alter default privileges in schema public grant select on tables to anon;
alter default privileges for role current_user grant insert on tables to anon;
create table after (id serial primary key);
create schema other;
--- anon
GET /before
GET /after
POST /after {"id":1}
POST /after {}
--- migration
alter default privileges in schema public grant usage on sequences to anon;
create table more (id serial primary key);
alter default privileges in schema public revoke select on tables from anon;
create table less (id serial primary key);
--- anon
POST /more {}
POST /more?columns=id&select= {"id":9}
GET /less

=== roles inherit, or do not
--- migration
create role role_reader;
create role role_writer nologin noinherit;
create role role_editor in role role_reader;
create table t (id int primary key);
grant select on t to role_reader;
grant insert, select on t to role_writer;
grant role_reader to anon;
grant role_editor to authenticated with admin option;
alter role authenticated inherit;
--- role role_reader
GET /t
--- anon
GET /t
--- user 1
GET /t
POST /t {"id":1}
--- role role_writer
POST /t {"id":1}
--- migration
alter role authenticated noinherit;
grant role_writer to role_editor;
revoke role_reader from role_editor;
--- user 1
GET /t
--- role role_editor
GET /t
POST /t {"id":2}
--- refused
grant role_reader to nobody;
--- refused
grant role_editor to role_writer;
--- refused
create role role_reader;
--- refused
drop role role_reader;
--- refused
drop role nobody;
--- migration
drop role if exists nobody;
revoke all on t from role_reader;
revoke role_reader from anon;
drop role role_reader;
alter role role_writer bypassrls;
alter table t enable row level security;
--- role role_writer
GET /t?order=id
--- role role_reader
GET /t
--- migration
alter role role_writer nobypassrls;
--- role role_writer
GET /t?order=id

=== policies, permissive and restrictive
--- migration
create table notes (id int primary key, owner uuid default auth.uid(), public bool default false, level int default 1);
grant all on notes to anon, authenticated;
alter table notes enable row level security;
--- rows
insert into notes values (1, '00000000-0000-0000-0000-000000000001', false), (2, '00000000-0000-0000-0000-000000000002', true),
  (3, '00000000-0000-0000-0000-000000000001', true, 9);
--- user 1
GET /notes
POST /notes {"id":4}
--- migration
create policy "Own notes" on notes for all to authenticated using ((select auth.uid()) = owner) with check (auth.uid() = owner);
create policy "Public ones" on public.notes as permissive for select using (public);
create policy low on notes as restrictive using (level < 5) with check (level < 3);
--- anon
GET /notes?select=id
--- user 1
GET /notes?select=id&order=id
POST /notes?select=id,level {"id":4}
POST /notes {"id":5,"level":3}
POST /notes {"id":5,"owner":"00000000-0000-0000-0000-000000000002"}
PATCH /notes?id=eq.2&select=id {"public":false}
PATCH /notes?id=eq.1&select=id {"level":4}
PATCH /notes?id=eq.1&select=id {"owner":null}
DELETE /notes?select=id&id=in.(2,3,4)
--- migration
alter policy low on notes using (level < 100) with check (level < 100);
alter policy "Public ones" on notes to anon;
alter policy "Own notes" on notes rename to mine;
--- user 1
GET /notes?select=id&order=id
PATCH /notes?id=eq.1&select=id,level {"level":50}
--- user 2
GET /notes?select=id&order=id
--- anon
GET /notes?select=id&order=id
--- migration
drop policy mine on notes;
drop policy if exists mine on notes;
--- user 1
GET /notes?select=id&order=id
--- refused
drop policy mine on notes;
--- refused
create policy low on notes using (true);
--- refused
create policy bad on notes for insert using (true);
--- refused
create policy bad on notes using (id);
--- refused
create policy bad on notes using (nope);
--- migration
alter table notes disable row level security;
--- user 1
GET /notes?select=id&order=id
--- migration
alter table notes enable row level security;
alter table notes force row level security;
alter table notes no force row level security;
--- user 1
GET /notes?select=id&order=id

=== policies with subqueries, joins, helper functions and claims
--- migration
create table teams (id int primary key, name text);
create table members (team int references teams, who uuid, role text, primary key (team, who));
create table tasks (id int primary key, team int references teams, title text);
alter table teams enable row level security;
alter table members enable row level security;
alter table tasks enable row level security;
grant all on teams, members, tasks to authenticated;
create function my_teams() returns setof int language sql stable security definer set search_path = public as $$
  select team from members where who = auth.uid()
$$;
create function is_admin(t int) returns boolean language sql stable security definer as $$
  select exists (select 1 from members m where m.team = t and m.who = auth.uid() and m.role = 'admin')
$$;
create policy see on teams for select to authenticated using (id in (select my_teams()));
create policy see on members for select to authenticated using (team in (select my_teams()));
create policy see on tasks for select to authenticated using (exists (select 1 from members m where m.team = tasks.team and m.who = auth.uid()));
create policy add on tasks for insert to authenticated with check (is_admin(team));
create policy edit on tasks for update to authenticated using (is_admin(team));
create policy rid on tasks for delete to authenticated using ((auth.jwt() ->> 'email') like '%@example.com' and auth.role() = 'authenticated'
  and (current_setting('request.jwt.claims', true)::json ->> 'sub')::uuid = auth.uid());
--- rows
insert into teams values (1, 'one'), (2, 'two');
insert into members values (1, '00000000-0000-0000-0000-000000000001', 'admin'), (1, '00000000-0000-0000-0000-000000000002', 'member'), (2, '00000000-0000-0000-0000-000000000002', 'admin');
insert into tasks values (1, 1, 'a'), (2, 2, 'b');
--- user 1
GET /teams
GET /members?select=role&order=role
GET /tasks?select=id,teams(name)
POST /tasks {"id":3,"team":1}
POST /tasks {"id":4,"team":2}
PATCH /tasks?id=eq.1&select=id,team {"team":2}
PATCH /tasks?id=eq.1&select=id,title {"title":"A"}
--- user 2
GET /tasks?select=id&order=id
PATCH /tasks?select=id {"title":"mine"}
DELETE /tasks?id=eq.1&select=id
--- user 3
GET /teams
--- refused
alter table members rename to people;
drop function my_teams();
--- migration
alter table members rename to people;
--- user 1
GET /tasks?select=id

=== grants on functions
--- migration
create function plus(a int, b int) returns int language sql immutable as $$ select a + b $$;
create table t (id int primary key, n int default plus(1, 2), check (plus(n, 0) < 10));
revoke execute on function plus(int, int) from public;
grant execute on function plus to authenticated;
grant all on t to anon, authenticated;
--- user 1
POST /t {"id":1}
--- anon
POST /t {"id":2}
POST /t {"id":2,"n":4}
--- migration
grant execute on all functions in schema public to anon;
--- anon
POST /t {"id":3}
POST /t {"id":4,"n":10}
--- refused
drop function plus(int, int);
--- refused
create function plus(a int, b int) returns text language sql as $$ select 'x' $$;
--- migration
create or replace function plus(a int, b int) returns int language sql immutable as $$ select a + b + 1 $$;
--- anon
POST /t {"id":5}
