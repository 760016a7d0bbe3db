Schemas, and who may use them.

=== several schemas are exposed, and chosen by profile
--- settings
[rest]
schemas = ["public", "shop", "Mixed Case"]
--- migration
create schema shop;
create schema if not exists shop;
create schema "Mixed Case";
create table films (id int primary key);
create table shop.films (id int primary key, price numeric(6,2));
create table "Mixed Case"."My Table" ("Id" int primary key, "Full Name" text);
grant usage on schema shop, "Mixed Case" to anon;
grant all on films, shop.films, "Mixed Case"."My Table" to anon;
--- anon
GET /films
= 200 []
--- anon in shop
POST /films {"id":1,"price":9.9}
= 201 [{"id":1,"price":9.90}]
GET /films
= 200 [{"id":1,"price":9.90}]
--- anon in Mixed Case
POST /My Table {"Id":1,"Full Name":"Å b"}
= 400 {"code":"PGRST102","details":null,"hint":null,"message":"Empty or invalid json"}
GET /My Table?select="Id","Full Name"&"Full Name"=eq.Å b
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'Mixed Case.My' in the schema cache"}
GET /My Table?select=Id&order="Full Name"
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'Mixed Case.My' in the schema cache"}
--- anon in hidden
GET /films
= 406 {"code":"PGRST106","details":null,"hint":"Only the following schemas are exposed: public, shop, Mixed Case","message":"Invalid schema: hidden"}
--- refused
create schema shop;
= 42P06 line 1: schema "shop" already exists

=== a schema without usage is closed
--- settings
[rest]
schemas = ["public", "shop"]
--- migration
create schema shop;
create table shop.films (id int primary key);
grant all on shop.films to anon;
--- anon in shop
GET /films
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for schema shop"}
POST /films {"id":1}
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for schema shop"}
--- migration
grant usage on schema shop to anon;
--- anon in shop
GET /films
= 200 []
--- migration
revoke usage on schema shop from anon;
--- anon in shop
GET /films
= 401 {"code":"42501","details":null,"hint":null,"message":"permission denied for schema shop"}

=== a schema is renamed and dropped
--- settings
[rest]
schemas = ["public", "shop", "store"]
--- migration
create schema shop;
create table shop.a (id int primary key);
create table b (id int primary key, a int references shop.a);
create view v as select id from shop.a;
grant usage on schema shop to anon;
grant all on shop.a, b, v to anon;
--- rows
insert into shop.a values (1); insert into b values (1, 1);
--- migration
alter schema shop rename to store;
--- anon in store
GET /a
= 200 [{"id":1}]
POST /a {"id":2}
= 201 [{"id":2}]
--- anon
GET /v?order=id
= 200 [{"id":1},{"id":2}]
POST /b {"id":2,"a":9}
= 409 {"code":"23503","details":"Key (a)=(9) is not present in table \"a\".","hint":null,"message":"insert or update on table \"b\" violates foreign key constraint \"b_a_fkey\""}
POST /b {"id":2,"a":2}
= 201 [{"id":2,"a":2}]
--- refused
drop schema store;
= 2BP01 line 1: cannot drop schema store because other objects depend on it: table store.a depends on schema store
--- migration
drop schema store cascade;
--- anon
GET /v
= 404 {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table 'public.v' in the schema cache"}
POST /b {"id":3,"a":99}
= 201 [{"id":3,"a":99}]
GET /b?order=id
= 200 [{"id":1,"a":1},{"id":2,"a":2},{"id":3,"a":99}]

=== a table moves to another schema
--- settings
[rest]
schemas = ["public", "archive"]
--- migration
create schema archive;
create table films (id int generated always as identity primary key, title text unique);
create view titles as select title from films;
alter table films enable row level security;
create policy readable on films for select using (title <> 'secret');
grant select, insert on films, titles to anon;
create policy addable on films for insert with check (true);
grant usage on schema archive to anon;
--- rows
insert into films (title) values ('a'), ('secret');
--- migration
alter table films set schema archive;
--- anon
GET /films
= 404 {"code":"PGRST205","details":null,"hint":"Perhaps you meant the table 'public.titles'","message":"Could not find the table 'public.films' in the schema cache"}
GET /titles?order=title
= 200 [{"title":"a"},{"title":"secret"}]
--- anon in archive
GET /films
= 200 [{"id":1,"title":"a"}]
POST /films?select=title {"title":"b"}
= 201 [{"title":"b"}]
POST /films {"title":"a"}
= 409 {"code":"23505","details":null,"hint":null,"message":"duplicate key value violates unique constraint \"films_title_key\""}
--- refused
alter table archive.films set schema nowhere;
= 3F000 line 1: schema "nowhere" does not exist
