Types, domains, functions, comments, and what is dropped, with and without what depends on it.

=== enums grow and are dropped
--- migration
create type mood as enum ('sad', 'happy');
create table t (id int primary key, m mood not null default 'sad', check (m <> 'happy' or id > 1));
grant all on t to anon;
--- rows
insert into t values (1, 'sad'), (2, 'happy');
--- migration
alter type mood add value 'ok' before 'happy';
--- anon
POST /t {"id":3,"m":"ok"}
GET /t?order=m&m=gt.sad
POST /t {"id":4,"m":"great"}
--- migration
alter type mood rename value 'sad' to 'blue';
alter type mood rename to feeling;
--- anon
GET /t?m=eq.blue
POST /t {"id":4}
POST /t {"id":1,"m":"happy"}
--- refused
drop type feeling;
--- refused
create type feeling as enum ('x');
--- refused
create type bad as enum ('x', 'x');
--- migration
drop type feeling cascade;
--- anon
GET /t?order=id

=== domains are changed
--- migration
create domain positive as int check (value > 0);
create table t (id int primary key, n positive, ns positive[]);
grant all on t to anon;
--- rows
insert into t values (1, 5);
--- refused
alter domain positive add constraint small check (value < 5);
--- migration
alter domain positive add constraint small check (value < 50);
alter domain positive set default 3;
--- anon
POST /t {"id":2}
POST /t {"id":3,"n":50}
--- migration
alter domain positive drop constraint small;
alter domain positive drop default;
alter domain positive set not null;
alter domain positive rename to natural_;
alter domain natural_ rename constraint positive_check to above_zero;
--- anon
POST /t {"id":3,"n":50}
POST /t {"id":4}
POST /t {"id":4,"n":0}
--- migration
alter domain natural_ drop not null;
--- anon
POST /t {"id":4}
--- refused
drop domain natural_;
--- refused
alter domain natural_ drop constraint nope;

=== tables are dropped
--- migration
create table p (id int primary key);
create table c (id int primary key, p int references p);
create view v as select id from p;
create table lone (id int primary key);
grant all on p, c, v, lone to anon;
--- rows
insert into p values (1); insert into c values (1, 1); insert into lone values (1);
--- refused
drop table p;
--- refused
drop table nope;
--- refused
drop view lone;
--- migration
drop table lone, c;
drop table if exists nope;
create table c (id int primary key, p int references p, again bool);
grant all on c to anon;
--- anon
GET /lone
GET /c
POST /c {"id":1,"p":2}
--- migration
drop table p cascade;
--- anon
POST /c {"id":1,"p":2}
GET /c?select=p(id)
GET /v

=== rows are changed by statements of a migration
--- migration
create table p (id int generated always as identity primary key, name text not null, n int default 1);
create table c (id int primary key, p int references p on delete cascade);
grant select on p, c to anon;
insert into p (name) values ('a'), ('b'), ('c');
insert into c select id, id from p;
update p set name = upper(p.name), n = (select count(*) from c where c.p <= p.id) where p.id > 1;
delete from p using c where c.p = p.id and c.id = 3;
insert into p (name) select name || '2' from p where id = 1 returning id;
insert into c values (1, 2) on conflict (id) do update set p = excluded.p;
insert into c values (1, 1) on conflict do nothing;
with gone as (select id from c where id = 2) delete from c where id in (select id from gone);
--- anon
GET /p?order=id
GET /c?order=id
--- migration
truncate p restart identity cascade;
insert into p (name) values ('new');
--- anon
GET /p
GET /c
--- refused
insert into p (name) values (null);
--- refused
insert into c values (1, 77);
--- refused
update p set nope = 1;
--- refused
truncate p;
--- refused
insert into p values (1, 'x');

=== comments
--- migration
create table t (id int primary key, v text);
create type k as enum ('a');
create index i on t (v);
create function f() returns int language sql as 'select 1';
comment on table t is 'rows of it''s own';
comment on column t.v is 'what';
comment on type k is 'kinds';
comment on index i is 'quick';
comment on schema public is 'all';
comment on function f() is 'one';
comment on constraint t_pkey on t is 'key';
comment on table t is null;
--- refused
comment on table nope is 'x';
--- refused
comment on column t.nope is 'x';

=== functions in the language SQL
--- migration
create function total(a numeric, b numeric default 1) returns numeric language sql immutable strict as $$ select a * b; $$;
create function greet(who text) returns text language sql immutable return 'hi ' || who;
create function early(who text) returns text language plpgsql immutable as $$ begin return upper(who); end; $$;
create function now_utc() returns timestamptz language plpgsql stable as $$
begin
  -- what the time is
  return now();
end
$$;
create table t (id int primary key, n numeric default total(2, 3), m numeric default total(4), g text default greet('x'), e text default early('abc'), at timestamptz default now_utc());
grant all on t to anon;
--- anon
POST /t?select=n,m,g,e {"id":1}
--- refused
create function bad() returns int language sql as $$ select nope $$;
--- refused
create function bad() returns int language sql as $$ select 'x'::text $$;
--- migration
drop function if exists nope(int);
create function unused(int) returns int language sql as 'select $1';
drop function unused(int);
--- refused
drop function unused(int);
