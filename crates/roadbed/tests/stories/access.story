Roles, memberships, grants, default privileges and row level security, as they are made, changed and taken back.

=== grants on tables and columns
--- migration
create table t (id int primary key, open text, secret text default 's', own int);
create table other (id int primary key);
--- anon
GET /t
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.t' in the schema cache"}
--- migration
grant select (id, open), insert (id, open), update (open) on t to anon;
grant select, delete on t to authenticated;
--- rows
insert into t values (1, 'a', 'b', 1), (2, 'c', 'd', 2);
--- anon
GET /t
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for table t"}
GET /t?select=id,open&order=id
= 200 [{"id":1,"open":"a"},{"id":2,"open":"c"}]
GET /t?select=id&secret=eq.b
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for table t"}
GET /t?select=id&order=secret
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for table t"}
POST /t?select=id,open {"id":3,"open":"x"}
= 201 [{"id":3,"open":"x"}]
POST /t?select=id {"id":4,"secret":"x"}
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for table t"}
POST /t {"id":4}
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for table t"}
PATCH /t?id=eq.3&select=open {"open":"y"}
= 200 [{"open":"y"}]
PATCH /t?id=eq.3&select=id {"id":5}
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for table t"}
DELETE /t?id=eq.3&select=id
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for table t"}
--- user 1
GET /t?order=id&select=secret
= 200 [{"secret":"b"},{"secret":"d"},{"secret":"s"}]
DELETE /t?id=eq.3&select=id
= 200 [{"id":3}]
PATCH /t?id=eq.1 {"open":"z"}
= 403 {"code":"42501","details":null,"hint":null,"message":"permission denied for table t"}
--- migration
revoke select (open) on t from anon;
revoke delete on t from authenticated;
grant select on all tables in schema public to anon;
--- anon
GET /t?order=id
= 200 [{"id":1,"open":"a","secret":"b","own":1},{"id":2,"open":"c","secret":"d","own":2}]
GET /other
= 200 []
--- user 1
DELETE /t?id=eq.1
= 403 {"code":"42501","details":null,"hint":null,"message":"permission denied for table t"}
--- migration
revoke all on all tables in schema public from anon, authenticated;
--- anon
GET /t?select=id
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.t' in the schema cache"}
--- migration
grant all privileges on table t to public;
--- user 1
GET /t?order=id&select=id
= 200 [{"id":1},{"id":2}]
--- refused
grant select on nope to anon;
= 42P01 line 1: relation "nope" does not exist
--- refused
grant select (nope) on t to anon;
= 42703 line 1: column "nope" of relation "t" does not exist
--- refused
grant select on t to nobody;
= 42704 line 1: role "nobody" does not exist
--- refused
grant execute on t to anon;
= 0LP01 line 1: invalid privilege type EXECUTE for relation
=sqlite 0LP01 line 1: invalid privilege type EXECUTE for table

=== default privileges reach what comes later
--- migration
create table before (id int primary key);
alter default privileges in schema public grant select on tables to anon;
alter default privileges for role current_user grant insert on tables to anon;
create table after (id serial primary key);
create schema other;
--- anon
GET /before
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.before' in the schema cache"}
GET /after
= 200 []
POST /after {"id":1}
= 201 [{"id":1}]
POST /after {}
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for sequence after_id_seq"}
--- migration
alter default privileges in schema public grant usage on sequences to anon;
create table more (id serial primary key);
alter default privileges in schema public revoke select on tables from anon;
create table less (id serial primary key);
--- anon
POST /more {}
= 201 [{"id":1}]
POST /more?columns=id&select= {"id":9}
= 201 [{}]
GET /less
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for table less"}

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
= 200 []
--- anon
GET /t
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.t' in the schema cache"}
--- user 1
GET /t
= 200 []
POST /t {"id":1}
= 403 {"code":"42501","details":null,"hint":null,"message":"permission denied for table t"}
--- role role_writer
POST /t {"id":1}
= 201 [{"id":1}]
--- migration
alter role authenticated noinherit;
grant role_writer to role_editor;
revoke role_reader from role_editor;
--- user 1
GET /t
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.t' in the schema cache"}
--- role role_editor
GET /t
= 200 [{"id":1}]
POST /t {"id":2}
= 201 [{"id":2}]
--- refused
grant role_reader to nobody;
= 42704 line 1: role "nobody" does not exist
--- refused
grant role_editor to role_writer;
= 0LP01 line 1: role "role_editor" is a member of role "role_writer"
--- refused
create role role_reader;
= 42710 line 1: role "role_reader" already exists
--- refused
drop role role_reader;
= 2BP01 line 1: role "role_reader" cannot be dropped because some objects depend on it: privileges for table t
--- refused
drop role nobody;
= 42704 line 1: role "nobody" does not exist
--- migration
drop role if exists nobody;
revoke all on t from role_reader;
revoke role_reader from anon;
drop role role_reader;
alter role role_writer bypassrls;
alter table t enable row level security;
--- role role_writer
GET /t?order=id
= 200 [{"id":1},{"id":2}]
--- role role_reader
GET /t
= 401 {"code":"22023","details":null,"hint":null,"message":"role \"role_reader\" does not exist"}
--- migration
alter role role_writer nobypassrls;
--- role role_writer
GET /t?order=id
= 200 []

=== policies, permissive and restrictive
--- migration
create table notes (id int primary key, owner uuid default auth.uid(), public bool default false, level int default 1);
grant all on notes to anon, authenticated;
alter table notes enable row level security;
--- rows
insert into notes values (1, '00000000-0000-0000-0000-000000000001', false, 1), (2, '00000000-0000-0000-0000-000000000002', true, 1),
  (3, '00000000-0000-0000-0000-000000000001', true, 9);
--- user 1
GET /notes
= 200 []
POST /notes {"id":4}
= 403 {"code":"42501","details":null,"hint":null,"message":"new row violates row-level security policy for table \"notes\""}
--- migration
create policy "Own notes" on notes for all to authenticated using ((select auth.uid()) = owner) with check (auth.uid() = owner);
create policy "Public ones" on public.notes as permissive for select using (public);
create policy low on notes as restrictive using (level < 5) with check (level < 3);
--- anon
GET /notes?select=id
= 200 [{"id":2}]
--- user 1
GET /notes?select=id&order=id
= 200 [{"id":1},{"id":2}]
POST /notes?select=id,level {"id":4}
= 201 [{"id":4,"level":1}]
POST /notes {"id":5,"level":3}
= 403 {"code":"42501","details":null,"hint":null,"message":"new row violates row-level security policy \"low\" for table \"notes\""}
POST /notes {"id":5,"owner":"00000000-0000-0000-0000-000000000002"}
= 403 {"code":"42501","details":null,"hint":null,"message":"new row violates row-level security policy for table \"notes\""}
PATCH /notes?id=eq.2&select=id {"public":false}
= 200 []
PATCH /notes?id=eq.1&select=id {"level":4}
= 403 {"code":"42501","details":null,"hint":null,"message":"new row violates row-level security policy \"low\" for table \"notes\""}
PATCH /notes?id=eq.1&select=id {"owner":null}
= 403 {"code":"42501","details":null,"hint":null,"message":"new row violates row-level security policy for table \"notes\""}
DELETE /notes?select=id&id=in.(2,3,4)
= 200 [{"id":4}]
--- migration
alter policy low on notes using (level < 100) with check (level < 100);
alter policy "Public ones" on notes to anon;
alter policy "Own notes" on notes rename to mine;
--- user 1
GET /notes?select=id&order=id
= 200 [{"id":1},{"id":3}]
PATCH /notes?id=eq.1&select=id,level {"level":50}
= 200 [{"id":1,"level":50}]
--- user 2
GET /notes?select=id&order=id
= 200 [{"id":2}]
--- anon
GET /notes?select=id&order=id
= 200 [{"id":2},{"id":3}]
--- migration
drop policy mine on notes;
drop policy if exists mine on notes;
--- user 1
GET /notes?select=id&order=id
= 200 []
--- refused
drop policy mine on notes;
= 42704 line 1: policy "mine" for table "notes" does not exist
--- refused
create policy low on notes using (true);
= 42710 line 1: policy "low" for table "notes" already exists
--- refused
create policy bad on notes for insert using (true);
= 42601 line 1: only WITH CHECK expression allowed for INSERT
--- refused
create policy bad on notes using (id);
= 42804 line 1: argument of POLICY must be type boolean, not type integer
--- refused
create policy bad on notes using (nope);
= 42703 line 1: column "nope" does not exist
--- migration
alter table notes disable row level security;
--- user 1
GET /notes?select=id&order=id
= 200 [{"id":1},{"id":2},{"id":3}]
--- migration
alter table notes enable row level security;
alter table notes force row level security;
alter table notes no force row level security;
--- user 1
GET /notes?select=id&order=id
= 200 []

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
= 200 [{"id":1,"name":"one"}]
GET /members?select=role&order=role
= 200 [{"role":"admin"},{"role":"member"}]
GET /tasks?select=id,teams(name)
= 200 [{"id":1,"teams":{"name":"one"}}]
POST /tasks {"id":3,"team":1}
= 201 [{"id":3,"team":1,"title":null}]
POST /tasks {"id":4,"team":2}
= 403 {"code":"42501","details":null,"hint":null,"message":"new row violates row-level security policy for table \"tasks\""}
PATCH /tasks?id=eq.1&select=id,team {"team":2}
= 403 {"code":"42501","details":null,"hint":null,"message":"new row violates row-level security policy for table \"tasks\""}
PATCH /tasks?id=eq.1&select=id,title {"title":"A"}
= 200 [{"id":1,"title":"A"}]
--- user 2
GET /tasks?select=id&order=id
= 200 [{"id":1},{"id":2},{"id":3}]
PATCH /tasks?select=id {"title":"mine"}
= 200 [{"id":2}]
DELETE /tasks?id=eq.1&select=id
= 200 [{"id":1}]
--- user 3
GET /teams
= 200 []
--- refused
drop function my_teams();
= 2BP01 line 1: cannot drop function my_teams() because other objects depend on it: policy see on table teams depends on function my_teams()

=== functions are granted, and stay while they are used
--- migration
create function plus(a int, b int) returns int language sql immutable as $$ select a + b $$;
create table t (id int primary key, n int default plus(1, 2));
revoke execute on function plus(int, int) from public;
grant execute on function plus to authenticated;
grant all on t to anon, authenticated;
--- user 1
POST /t {"id":1}
= 201 [{"id":1,"n":3}]
--- refused
drop function plus(int, int);
= 2BP01 line 1: cannot drop function plus(integer,integer) because other objects depend on it: default value for column n of table t depends on function plus(integer,integer)
--- refused
create function plus(a int, b int) returns text language sql as $$ select 'x' $$;
= 42723 line 1: function "plus" already exists with same argument types
--- migration
grant execute on all functions in schema public to anon;
--- anon
POST /t {"id":5}
= 201 [{"id":5,"n":3}]
