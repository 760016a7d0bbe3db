Views: with the owner's rights or the caller's, changed and dropped.

=== a view shows what its owner may see
--- migration
create table people (id int primary key, name text, salary numeric, boss int references people);
alter table people enable row level security;
create view names as select id, name from people;
create view rich (who, much) as select name, salary * 12 from people where salary > 10;
create view summary as select boss, count(*) as n, sum(salary) as total, array_agg(name order by name) as names from people group by boss having count(*) > 0;
create view joined as select a.name, b.name as boss_name from people a left join people b on b.id = a.boss;
create view both_ as select id from people union all select -id from people;
create view recent as with x as (select * from people order by id desc limit 2) select id from x;
grant select on names, rich, summary, joined, both_, recent to anon;
--- rows
insert into people values (1, 'Ada', 10.50, null), (2, 'Bo', 9, 1), (3, 'Cy', 20, 1);
--- anon
GET /names?order=id
= 200 [{"id":1,"name":"Ada"},{"id":2,"name":"Bo"},{"id":3,"name":"Cy"}]
GET /rich?order=who
= 200 [{"who":"Ada","much":126.00},{"who":"Cy","much":240}]
GET /rich?much=gt.200
= 200 [{"who":"Cy","much":240}]
GET /summary?order=n
= 200 [{"boss":null,"n":1,"total":10.50,"names":["Ada"]},{"boss":1,"n":2,"total":29,"names":["Bo","Cy"]}]
= 200 [{"id":3,"place":1},{"id":2,"place":2},{"id":1,"place":3}]
GET /joined?order=name
= 200 [{"name":"Ada","boss_name":null},{"name":"Bo","boss_name":"Ada"},{"name":"Cy","boss_name":"Ada"}]
GET /both_?order=id
= 200 [{"id":-3},{"id":-2},{"id":-1},{"id":1},{"id":2},{"id":3}]
GET /recent?order=id
= 200 [{"id":2},{"id":3}]
GET /people
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.people' in the schema cache"}
--- migration
grant select on people to anon;
create policy few on people for select using (id < 3);
--- anon
GET /names?select=id&order=id
= 200 [{"id":1},{"id":2},{"id":3}]
GET /people?select=id&order=id
= 200 [{"id":1},{"id":2}]

=== views that compute cannot be written
--- migration
create table t (id int primary key, v text default 'dv', hidden bool default false);
create view many as select v, count(*) from t group by v;
grant all on many to anon;
--- anon
SQLite says where to write instead.
POST /many {"v":"x"}
= 405 {"code":"55000","details":"Views containing GROUP BY are not automatically updatable.","hint":"To enable inserting into the view, provide an INSTEAD OF INSERT trigger or an unconditional ON INSERT DO INSTEAD rule.","message":"cannot insert into view \"many\""}
=sqlite 405 {"code":"55000","details":null,"hint":"Write to the tables that the view reads.","message":"cannot insert into view \"many\""}

=== views on views, replaced, renamed and dropped
--- migration
create table t (id int primary key, v text);
create view a as select id, v from t;
create view b as select id, v || '!' as loud from a;
comment on view a is 'first';
comment on column a.v is 'what is said';
grant select on a, b to anon;
--- rows
insert into t values (1, 'hey');
--- anon
GET /b
= 200 [{"id":1,"loud":"hey!"}]
--- refused
drop view a;
= 2BP01 line 1: cannot drop view a because other objects depend on it: view b depends on view a
--- refused
create or replace view a as select id from t;
= 42P16 line 1: cannot drop columns from view
--- refused
create or replace view a as select id, v::int from t;
= 42P16 line 1: cannot change data type of view column "v" from text to integer
--- migration
create or replace view a as select id, upper(v) as v, 7 as seven from t;
--- anon
GET /b
= 200 [{"id":1,"loud":"HEY!"}]
GET /a
= 200 [{"id":1,"v":"HEY","seven":7}]
--- refused
drop table t;
= 2BP01 line 1: cannot drop table t because other objects depend on it: view a depends on table t
--- refused
create view a as select 1 as x;
= 42P07 line 1: relation "a" already exists
--- migration
alter view a rename to a2;
drop view if exists a;
--- anon
GET /b
= 200 [{"id":1,"loud":"HEY!"}]
GET /a
= 404 {"code":"PGRST205","details":null,"hint":"Perhaps you meant the table 'public.a2'","message":"Could not find the table 'public.a' in the schema cache"}
GET /a2
= 200 [{"id":1,"v":"HEY","seven":7}]
--- migration
drop table t cascade;
--- anon
GET /b
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.b' in the schema cache"}
--- refused
drop view b;
= 42P01 line 1: view "b" does not exist

=== views with stars and odd names
--- migration
create table t (id int primary key, v text);
--- migration
create view stars as select * from t;
create view quoted as select id as "Odd Name", v as "select" from t;
grant select on stars, quoted to anon;
grant insert on t to anon;
--- rows
insert into t values (1, 'x');
--- anon
GET /stars
= 200 [{"id":1,"v":"x"}]
GET /quoted?"Odd Name"=eq.1
= 200 [{"Odd Name":1,"select":"x"}]
GET /quoted?select=select
= 200 [{"select":"x"}]
