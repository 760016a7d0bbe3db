Views: with the owner's rights or the caller's, changed and dropped.

=== a view shows what its owner may see
--- migration
create table people (id int primary key, name text, salary numeric, boss int references people);
alter table people enable row level security;
create view names as select id, name from people;
create view mine with (security_invoker = on) as select id, name from people;
create view rich (who, much) as select name, salary * 12 from people where salary > 10;
create view summary as select boss, count(*) as n, sum(salary) as total, array_agg(name order by name) as names from people group by boss having count(*) > 0;
create view numbered as select id, row_number() over (order by name desc) as place from people;
create view joined as select a.name, b.name as boss_name from people a left join people b on b.id = a.boss;
create view both_ as select id from people union all select -id from people;
create view recent as with x as (select * from people order by id desc limit 2) select id from x;
grant select on names, mine, rich, summary, numbered, joined, both_, recent to anon;
--- rows
insert into people values (1, 'Ada', 10.50, null), (2, 'Bo', 9, 1), (3, 'Cy', 20, 1);
--- anon
GET /names?order=id
GET /mine
GET /rich?order=who
GET /rich?much=gt.200
GET /summary?order=n
GET /numbered?order=place
GET /joined?order=name
GET /both_?order=id
GET /recent?order=id
GET /people
--- migration
grant select on people to anon;
create policy few on people for select using (id < 3);
--- anon
GET /mine?order=id
GET /names?select=id&order=id
GET /people?select=id&order=id

=== simple views can be written
--- migration
create table t (id int primary key, v text default 'dv', hidden bool default false);
create view open as select id, v from t where not hidden;
create view checked as select id, v from t where id < 10 with check option;
create view many as select v, count(*) from t group by v;
grant all on open, checked, many to anon;
--- anon
POST /open {"id":1}
PATCH /open?id=eq.1 {"v":"x"}
POST /checked {"id":20}
POST /checked {"id":2,"v":"two"}
DELETE /open?id=eq.1
POST /many {"v":"x"}
GET /open

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
--- refused
drop view a;
--- refused
create or replace view a as select id from t;
--- refused
create or replace view a as select id, v::int from t;
--- migration
create or replace view a as select id, upper(v) as v, 7 as seven from t;
--- anon
GET /b
GET /a
--- refused
drop table t;
--- refused
create view a as select 1 as x;
--- migration
alter view a rename to a2;
drop view if exists a;
--- anon
GET /b
GET /a
GET /a2
--- migration
drop table t cascade;
--- anon
GET /b
--- refused
drop view b;

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
GET /quoted?"Odd Name"=eq.1
GET /quoted?select=select
