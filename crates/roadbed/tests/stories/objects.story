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
= 201 [{"id":3,"m":"ok"}]
GET /t?order=m&m=gt.sad
= 200 [{"id":3,"m":"ok"},{"id":2,"m":"happy"}]
POST /t {"id":4,"m":"great"}
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input value for enum mood: \"great\""}
--- migration
alter type mood rename value 'sad' to 'blue';
alter type mood rename to feeling;
--- anon
GET /t?m=eq.blue
= 200 [{"id":1,"m":"blue"}]
POST /t {"id":4}
= 201 [{"id":4,"m":"blue"}]
POST /t {"id":1,"m":"happy"}
= 400 {"code":"23514","details":"Failing row contains (1, happy).","hint":null,"message":"new row for relation \"t\" violates check constraint \"t_check\""}
--- refused
drop type feeling;
= 2BP01 line 1: cannot drop type feeling because other objects depend on it: column m of table t depends on type feeling
--- refused
create type feeling as enum ('x');
= 42710 line 1: type "feeling" already exists
--- migration
drop type feeling cascade;
--- anon
GET /t?order=id
= 200 [{"id":1},{"id":2},{"id":3},{"id":4}]

=== domains are changed
--- migration
create domain positive as int check (value > 0);
create table t (id int primary key, n positive);
grant all on t to anon;
--- rows
insert into t values (1, 5);
--- refused
alter domain positive add constraint small check (value < 5);
= 23514 line 1: column "n" of table "t" contains values that violate the new constraint
--- migration
alter domain positive add constraint small check (value < 50);
alter domain positive set default 3;
--- anon
POST /t {"id":2}
= 201 [{"id":2,"n":3}]
POST /t {"id":3,"n":50}
= 400 {"code":"23514","details":null,"hint":null,"message":"value for domain positive violates check constraint \"small\""}
--- migration
alter domain positive drop constraint small;
alter domain positive drop default;
alter domain positive set not null;
alter domain positive rename to natural_;
alter domain natural_ rename constraint positive_check to above_zero;
--- anon
POST /t {"id":3,"n":50}
= 201 [{"id":3,"n":50}]
POST /t {"id":4}
= 400 {"code":"23502","details":null,"hint":null,"message":"domain natural_ does not allow null values"}
POST /t {"id":4,"n":0}
= 400 {"code":"23514","details":null,"hint":null,"message":"value for domain natural_ violates check constraint \"above_zero\""}
--- migration
alter domain natural_ drop not null;
--- anon
POST /t {"id":4}
= 201 [{"id":4,"n":null}]
--- refused
drop domain natural_;
= 2BP01 line 1: cannot drop type natural_ because other objects depend on it: column n of table t depends on type natural_
--- refused
alter domain natural_ drop constraint nope;
= 42704 line 1: constraint "nope" of domain "natural_" does not exist

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
= 2BP01 line 1: cannot drop table p because other objects depend on it: constraint c_p_fkey on table c depends on table p
--- refused
drop table nope;
= 42P01 line 1: table "nope" does not exist
--- refused
drop view lone;
= 42809 line 1: "lone" is not a view
--- migration
drop table lone, c;
drop table if exists nope;
create table c (id int primary key, p int references p, again bool);
grant all on c to anon;
--- anon
GET /lone
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.lone' in the schema cache"}
GET /c
= 200 []
POST /c {"id":1,"p":2}
= 409 {"code":"23503","details":"Key (p)=(2) is not present in table \"p\".","hint":null,"message":"insert or update on table \"c\" violates foreign key constraint \"c_p_fkey\""}
--- migration
drop table p cascade;
--- anon
POST /c {"id":1,"p":2}
= 201 [{"id":1,"p":2,"again":null}]
GET /c?select=p(id)
= 400 {"code":"PGRST200","details":"Searched for a foreign key relationship between 'c' and 'p' in the schema 'public', but no matches were found.","hint":null,"message":"Could not find a relationship between 'c' and 'p' in the schema cache"}
GET /v
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.v' in the schema cache"}

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
delete from c where id in (select id from c where id = 2);
--- anon
GET /p?order=id
= 200 [{"id":1,"name":"a","n":1},{"id":2,"name":"B","n":2},{"id":4,"name":"a2","n":1}]
GET /c?order=id
= 200 [{"id":1,"p":2}]
--- migration
truncate p restart identity cascade;
insert into p (name) values ('new');
--- anon
GET /p
= 200 [{"id":1,"name":"new","n":1}]
GET /c
= 200 []
--- refused
insert into p (name) values (null);
= 23502 line 1: null value in column "name" of relation "p" violates not-null constraint: Failing row contains (2, null, 1).
--- refused
insert into c values (1, 77);
= 23503 line 1: insert or update on table "c" violates foreign key constraint "c_p_fkey": Key (p)=(77) is not present in table "p".
--- refused
update p set nope = 1;
= 42703 line 1: column "nope" of relation "p" does not exist
--- refused
truncate p;
= 0A000 line 1: cannot truncate a table referenced in a foreign key constraint: Table "c" references "p".
--- refused
insert into p values (1, 'x');
= 428C9 line 1: cannot insert a non-DEFAULT value into column "id": Column "id" is an identity column defined as GENERATED ALWAYS.

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
= 42P01 line 1: relation "nope" does not exist
--- refused
comment on column t.nope is 'x';
= 42703 line 1: column "nope" of relation "t" does not exist

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
= 201 [{"n":6,"m":4,"g":"hi x","e":"ABC"}]
--- refused
create function bad() returns int language sql as $$ select nope $$;
= 42703 line 1: column "nope" does not exist
--- refused
create function bad() returns int language sql as $$ select 'x'::text $$;
= 42P13 line 1: return type mismatch in function declared to return integer: Actual return type is text.
--- migration
drop function if exists nope(int);
create function unused(int) returns int language sql as 'select $1';
drop function unused(int);
--- refused
drop function unused(int);
= 42883 line 1: function unused(integer) does not exist
