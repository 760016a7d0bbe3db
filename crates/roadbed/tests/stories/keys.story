Primary, unique and foreign keys, checks and indexes, as REST meets them.

=== composite and unique keys
--- migration
create table t (a int, b text, c int unique, d int, e int, primary key (b, a), constraint de unique (d, e));
create table n (id int primary key, x int, y int, unique nulls not distinct (x, y));
grant all on t, n to anon;
--- anon
POST /t {"a":1,"b":"x","c":1,"d":1,"e":null}
= 201 [{"a":1,"b":"x","c":1,"d":1,"e":null}]
POST /t {"a":1,"b":"x"}
= 409 {"code":"23505","details":"Key (b, a)=(x, 1) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"t_pkey\""}
POST /t {"a":2,"b":"x","c":1}
= 409 {"code":"23505","details":"Key (c)=(1) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"t_c_key\""}
POST /t {"a":2,"b":"x","d":1}
= 201 [{"a":2,"b":"x","c":null,"d":1,"e":null}]
POST /t {"a":3,"b":"x","d":2,"e":2}
= 201 [{"a":3,"b":"x","c":null,"d":2,"e":2}]
POST /t {"a":4,"b":"x","d":2,"e":2}
= 409 {"code":"23505","details":"Key (d, e)=(2, 2) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"de\""}
POST /t {"a":5}
= 400 {"code":"23502","details":"Failing row contains (5, null, null, null, null).","hint":null,"message":"null value in column \"b\" of relation \"t\" violates not-null constraint"}
PATCH /t?a=eq.3 {"c":1}
= 409 {"code":"23505","details":"Key (c)=(1) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"t_c_key\""}
POST /n {"id":1,"x":1}
= 201 [{"id":1,"x":1,"y":null}]
POST /n {"id":2,"x":1}
= 409 {"code":"23505","details":"Key (x, y)=(1, null) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"n_x_y_key\""}
POST /n {"id":2,"x":2}
= 201 [{"id":2,"x":2,"y":null}]
PATCH /n?id=eq.2 {"x":1}
= 409 {"code":"23505","details":"Key (x, y)=(1, null) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"n_x_y_key\""}
GET /t?order=a
= 200 [{"a":1,"b":"x","c":1,"d":1,"e":null},{"a":2,"b":"x","c":null,"d":1,"e":null},{"a":3,"b":"x","c":null,"d":2,"e":2}]

=== each action when what is referred to goes or changes
--- migration
create table p (id int primary key, name text unique);
create table cascading (id int primary key, p int references p on delete cascade on update cascade);
create table nulling (id int primary key, p int references p on delete set null on update set null);
create table defaulting (id int primary key, p int default 1 references p on delete set default on update set default);
create table restricting (id int primary key, p int references p on delete restrict on update restrict);
create table standing (id int primary key, p text references p (name) on update no action);
grant all on p, cascading, nulling, defaulting, restricting, standing to anon;
--- rows
insert into p values (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four'), (5, 'five');
insert into cascading values (1, 2), (2, 3);
insert into nulling values (1, 2), (2, 3);
insert into defaulting values (1, 2), (2, 3);
insert into restricting values (1, 4);
insert into standing values (1, 'five');
--- anon
DELETE /p?id=eq.2
= 200 [{"id":2,"name":"two"}]
PATCH /p?id=eq.3 {"id":33}
= 200 [{"id":33,"name":"three"}]
DELETE /p?id=eq.4
= 409 {"code":"23503","details":"Key (id)=(4) is still referenced from table \"restricting\".","hint":null,"message":"update or delete on table \"p\" violates foreign key constraint \"restricting_p_fkey\" on table \"restricting\""}
PATCH /p?id=eq.4 {"id":44}
= 409 {"code":"23503","details":"Key (id)=(4) is still referenced from table \"restricting\".","hint":null,"message":"update or delete on table \"p\" violates foreign key constraint \"restricting_p_fkey\" on table \"restricting\""}
DELETE /p?id=eq.5
= 409 {"code":"23503","details":"Key (name)=(five) is still referenced from table \"standing\".","hint":null,"message":"update or delete on table \"p\" violates foreign key constraint \"standing_p_fkey\" on table \"standing\""}
PATCH /p?id=eq.5 {"name":"cinq"}
= 409 {"code":"23503","details":"Key (name)=(five) is still referenced from table \"standing\".","hint":null,"message":"update or delete on table \"p\" violates foreign key constraint \"standing_p_fkey\" on table \"standing\""}
PATCH /p?id=eq.5 {"id":55}
= 200 [{"id":55,"name":"five"}]
POST /cascading {"id":9,"p":99}
= 409 {"code":"23503","details":"Key (p)=(99) is not present in table \"p\".","hint":null,"message":"insert or update on table \"cascading\" violates foreign key constraint \"cascading_p_fkey\""}
POST /standing {"id":9,"p":"none"}
= 409 {"code":"23503","details":"Key (p)=(none) is not present in table \"p\".","hint":null,"message":"insert or update on table \"standing\" violates foreign key constraint \"standing_p_fkey\""}
GET /cascading
= 200 [{"id":2,"p":33}]
GET /nulling?order=id
= 200 [{"id":1,"p":null},{"id":2,"p":null}]
GET /defaulting?order=id
= 200 [{"id":1,"p":1},{"id":2,"p":1}]
GET /p?order=id
= 200 [{"id":1,"name":"one"},{"id":4,"name":"four"},{"id":33,"name":"three"},{"id":55,"name":"five"}]

=== composite references, match full, and one to itself
--- migration
create table p (a int, b int, primary key (a, b));
create table simple (id int primary key, a int, b int, foreign key (a, b) references p);
create table tree (id int primary key, parent int references tree on delete cascade, note text);
grant all on p, simple, tree to anon;
--- rows
insert into p values (1, 1);
--- anon
POST /simple {"id":1,"a":1,"b":1}
= 201 [{"id":1,"a":1,"b":1}]
POST /simple {"id":2,"a":1,"b":2}
= 409 {"code":"23503","details":"Key (a, b)=(1, 2) is not present in table \"p\".","hint":null,"message":"insert or update on table \"simple\" violates foreign key constraint \"simple_a_b_fkey\""}
POST /simple {"id":3,"a":7,"b":null}
= 201 [{"id":3,"a":7,"b":null}]
POST /tree [{"id":1,"parent":2},{"id":2,"parent":1},{"id":3,"parent":3}]
= 201 [{"id":1,"parent":2,"note":null},{"id":2,"parent":1,"note":null},{"id":3,"parent":3,"note":null}]
POST /tree {"id":4,"parent":9}
= 409 {"code":"23503","details":"Key (parent)=(9) is not present in table \"tree\".","hint":null,"message":"insert or update on table \"tree\" violates foreign key constraint \"tree_parent_fkey\""}
DELETE /tree?id=eq.1
= 200 [{"id":1,"parent":2,"note":null}]
GET /tree
= 200 [{"id":3,"parent":3,"note":null}]

=== deferred references are tested at the end
--- migration
create table a (id int primary key, b int not null);
create table b (id int primary key, a int not null references a deferrable initially deferred);
alter table a add constraint a_b foreign key (b) references b deferrable initially immediate;
alter table a alter constraint a_b deferrable initially deferred;
grant all on a, b to anon;
--- rows
insert into a values (1, 1);
insert into b values (1, 1);
--- refused rows
insert into a values (2, 2);
= 23503 line 1: insert or update on table "a" violates foreign key constraint "a_b": Key (b)=(2) is not present in table "b".
--- anon
POST /b {"id":2,"a":9}
= 409 {"code":"23503","details":"Key (a)=(9) is not present in table \"a\".","hint":null,"message":"insert or update on table \"b\" violates foreign key constraint \"b_a_fkey\""}
PATCH /b?id=eq.1 {"a":9}
= 409 {"code":"23503","details":"Key (a)=(9) is not present in table \"a\".","hint":null,"message":"insert or update on table \"b\" violates foreign key constraint \"b_a_fkey\""}
DELETE /a?id=eq.1
= 409 {"code":"23503","details":"Key (id)=(1) is still referenced from table \"b\".","hint":null,"message":"update or delete on table \"a\" violates foreign key constraint \"b_a_fkey\" on table \"b\""}

=== checks
--- migration
create table t (
  id int primary key check (id > 0),
  name text constraint long_enough check (char_length(name) >= 3),
  low int, high int,
  kind text check (kind in ('a', 'b')),
  mail text check (mail ~* '^[a-z]+@[a-z]+\.[a-z]{2,}$'),
  price numeric check (price between 0 and 100.50),
  check (low < high),
  constraint never_both check (not (name is null and kind is null))
);
grant all on t to anon;
--- anon
POST /t {"id":1,"name":"abc","low":1,"high":2,"kind":"a","mail":"Ab@cd.EF","price":100.5}
= 201 [{"id":1,"name":"abc","low":1,"high":2,"kind":"a","mail":"Ab@cd.EF","price":100.5}]
POST /t {"id":0,"name":"abc"}
= 400 {"code":"23514","details":"Failing row contains (0, abc, null, null, null, null, null).","hint":null,"message":"new row for relation \"t\" violates check constraint \"t_id_check\""}
POST /t {"id":2,"name":"ab"}
= 400 {"code":"23514","details":"Failing row contains (2, ab, null, null, null, null, null).","hint":null,"message":"new row for relation \"t\" violates check constraint \"long_enough\""}
POST /t {"id":2,"name":"abc","low":2,"high":2}
= 400 {"code":"23514","details":"Failing row contains (2, abc, 2, 2, null, null, null).","hint":null,"message":"new row for relation \"t\" violates check constraint \"t_check\""}
POST /t {"id":2,"kind":"c"}
= 400 {"code":"23514","details":"Failing row contains (2, null, null, null, c, null, null).","hint":null,"message":"new row for relation \"t\" violates check constraint \"t_kind_check\""}
POST /t {"id":2,"kind":"a","mail":"x"}
= 400 {"code":"23514","details":"Failing row contains (2, null, null, null, a, x, null).","hint":null,"message":"new row for relation \"t\" violates check constraint \"t_mail_check\""}
POST /t {"id":2,"kind":"a","price":100.51}
= 400 {"code":"23514","details":"Failing row contains (2, null, null, null, a, null, 100.51).","hint":null,"message":"new row for relation \"t\" violates check constraint \"t_price_check\""}
POST /t {"id":2}
= 400 {"code":"23514","details":"Failing row contains (2, null, null, null, null, null, null).","hint":null,"message":"new row for relation \"t\" violates check constraint \"never_both\""}
PATCH /t?id=eq.1 {"high":0}
= 400 {"code":"23514","details":"Failing row contains (1, abc, 1, 0, a, Ab@cd.EF, 100.5).","hint":null,"message":"new row for relation \"t\" violates check constraint \"t_check\""}
POST /t {"id":2,"kind":"b","low":null,"high":0}
= 201 [{"id":2,"name":null,"low":null,"high":0,"kind":"b","mail":null,"price":null}]

=== indexes, partial, over expressions, and unique
--- migration
create table t (id int primary key, email text, team int, active bool default true, deleted_at timestamptz, tags text[], data jsonb);
create index on t (team);
create index named on t using btree (team desc nulls last, email);
create index if not exists named on t (id);
create unique index one_email on t (lower(email));
create unique index one_active on t (team) where active;
create unique index not_deleted on t (email, team) where deleted_at is null;
create index on t ((data->>'name'));
create index covering on t (team) include (email);
create index hashed on t using hash (email);
grant all on t to anon;
--- anon
POST /t {"id":1,"email":"A@x","team":1}
= 201 [{"id":1,"email":"A@x","team":1,"active":true,"deleted_at":null,"tags":null,"data":null}]
POST /t {"id":2,"email":"a@X","team":2}
= 409 {"code":"23505","details":"Key (lower(email))=(a@x) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"one_email\""}
POST /t {"id":2,"email":"b@x","team":1}
= 409 {"code":"23505","details":"Key (team)=(1) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"one_active\""}
POST /t {"id":2,"email":"b@x","team":1,"active":false}
= 201 [{"id":2,"email":"b@x","team":1,"active":false,"deleted_at":null,"tags":null,"data":null}]
PATCH /t?id=eq.2 {"active":true}
= 409 {"code":"23505","details":"Key (team)=(1) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"one_active\""}
PATCH /t?id=eq.2 {"email":"a@x"}
= 409 {"code":"23505","details":"Key (lower(email))=(a@x) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"one_email\""}
GET /t?order=id&select=id,email
= 200 [{"id":1,"email":"A@x"},{"id":2,"email":"b@x"}]
--- migration
drop index one_email;
alter index one_active rename to only_active;
create index concurrently_not on t (email text_pattern_ops);
--- anon
POST /t {"id":3,"email":"a@X","team":9}
= 201 [{"id":3,"email":"a@X","team":9,"active":true,"deleted_at":null,"tags":null,"data":null}]
POST /t {"id":4,"email":"z","team":1}
= 409 {"code":"23505","details":"Key (team)=(1) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"only_active\""}
--- refused
create unique index again on t (active);
= 23505 line 1: could not create unique index "again": Key (active)=(t) is duplicated.
--- refused
create index named on t (id);
= 42P07 line 1: relation "named" already exists
--- refused
create index on t ((now()));
= 42P17 line 1: functions in index expression must be marked IMMUTABLE
--- refused
create index on t (nope);
= 42703 line 1: column "nope" does not exist

=== gin, gist and brin indexes
--- migration
create table t (id int primary key, tags text[], data jsonb, at timestamptz);
create index t_tags on t using gin (tags);
create index t_data on t using gin (data jsonb_path_ops);
create index on t using brin (at);
grant all on t to anon;
--- rows
insert into t values (1, '{a,b}', '{"k": [1]}', '2024-01-01Z');
--- anon
GET /t?tags=cs.{a}&data=cs.{"k":[1]}
= 200 [{"id":1,"tags":["a","b"],"data":{"k": [1]},"at":"2024-01-01T00:00:00+00:00"}]
--- migration
drop index t_tags;
comment on index t_data is 'finds what contains';
alter index t_data rename to t_data_2;
--- refused
create index t_data_2 on t (id);
= 42P07 line 1: relation "t_data_2" already exists
--- refused
create index on t using gin (id);
= 42704 line 1: data type integer has no default operator class for access method "gin"

=== like, inherited constraints and tables from queries
--- migration
create table t (id int primary key, n int not null default 3 check (n > 0), s text unique, g int generated always as (n * 2) stored);
create table bare (like t);
create table full_ (like t including all, extra int);
create table copied as select id, n + 1 as m from t;
grant all on bare, full_, copied to anon;
--- anon
POST /bare {"id":1,"n":-1}
= 201 [{"id":1,"n":-1,"s":null,"g":null}]
POST /bare {"id":1}
= 400 {"code":"23502","details":"Failing row contains (1, null, null, null).","hint":null,"message":"null value in column \"n\" of relation \"bare\" violates not-null constraint"}
POST /full_ {"id":1}
= 201 [{"id":1,"n":3,"s":null,"g":6,"extra":null}]
POST /full_ {"id":2,"n":0}
= 400 {"code":"23514","details":"Failing row contains (2, 0, null, 0, null).","hint":null,"message":"new row for relation \"full_\" violates check constraint \"t_n_check\""}
GET /copied
= 200 []
