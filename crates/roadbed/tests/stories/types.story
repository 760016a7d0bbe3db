Each type: made, written through REST and by SQL, read back, filtered and ordered.

=== integers keep their whole range
--- migration
create table t (id int primary key, small smallint, whole integer, big bigint);
grant all on t to anon;
--- anon
POST /t {"id":1,"small":32767,"whole":2147483647,"big":9223372036854775807}
= 201 [{"id":1,"small":32767,"whole":2147483647,"big":9223372036854775807}]
POST /t {"id":2,"small":-32768,"whole":-2147483648,"big":"-9223372036854775808"}
= 201 [{"id":2,"small":-32768,"whole":-2147483648,"big":-9223372036854775808}]
POST /t {"id":3,"small":32768}
= 400 {"code":"22003","details":null,"hint":null,"message":"value \"32768\" is out of range for type smallint"}
POST /t {"id":3,"whole":1.5}
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input syntax for type integer: \"1.5\""}
POST /t {"id":3,"big":9223372036854775808}
= 400 {"code":"22003","details":null,"hint":null,"message":"value \"9223372036854775808\" is out of range for type bigint"}
POST /t {"id":3,"whole":"x"}
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input syntax for type integer: \"x\""}
GET /t?big=gt.9223372036854775806
= 200 [{"id":1,"small":32767,"whole":2147483647,"big":9223372036854775807}]
GET /t?order=small&select=small
= 200 [{"small":-32768},{"small":32767}]
GET /t?whole=eq.99999999999
= 400 {"code":"22003","details":null,"hint":null,"message":"value \"99999999999\" is out of range for type integer"}

=== numeric is exact
--- migration
create table t (id int primary key, free numeric, money numeric(10,2), far numeric(3,-2));
create unique index on t (free);
grant all on t to anon;
--- rows
insert into t values (1, 0.1, 0.105, 12345), (2, 123456789012345678901234567890.123456789, 99999999.99, 149), (3, 1.10, -0.005, 150);
--- anon
GET /t?order=free
= 200 [{"id":1,"free":0.1,"money":0.11,"far":12300},{"id":3,"free":1.10,"money":-0.01,"far":200},{"id":2,"free":123456789012345678901234567890.123456789,"money":99999999.99,"far":100}]
GET /t?free=eq.1.1
= 200 [{"id":3,"free":1.10,"money":-0.01,"far":200}]
GET /t?free=eq.123456789012345678901234567890.123456789&select=id
= 200 [{"id":2}]
GET /t?free=lt.0.10000000000000000000001&select=id
= 200 [{"id":1}]
POST /t {"id":4,"free":1.100}
= 409 {"code":"23505","details":"Key (free)=(1.100) already exists.","hint":null,"message":"duplicate key value violates unique constraint \"t_free_idx\""}
POST /t {"id":4,"money":100000000}
= 400 {"code":"22003","details":"A field with precision 10, scale 2 must round to an absolute value less than 10^8.","hint":null,"message":"numeric field overflow"}
POST /t {"id":4,"free":"NaN"}
= 201 [{"id":4,"free":"NaN","money":null,"far":null}]
POST /t {"id":5,"free":"Infinity"}
= 201 [{"id":5,"free":"Infinity","money":null,"far":null}]
POST /t {"id":6,"free":1e50}
= 201 [{"id":6,"free":100000000000000000000000000000000000000000000000000,"money":null,"far":null}]
GET /t?order=free.desc&select=free
= 200 [{"free":"NaN"},{"free":"Infinity"},{"free":100000000000000000000000000000000000000000000000000},{"free":123456789012345678901234567890.123456789},{"free":1.10},{"free":0.1}]
POST /t {"id":7,"money":"abc"}
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input syntax for type numeric: \"abc\""}

=== floats
--- migration
create table t (id int primary key, half real, full_ double precision);
grant all on t to anon;
--- rows
insert into t values (1, 0.1, 0.1), (2, 'NaN', 'NaN'), (3, 'Infinity', '-Infinity'), (4, 1e30, 1e300), (5, null, null);
--- anon
GET /t?order=id
= 200 [{"id":1,"half":0.1,"full_":0.1},{"id":2,"half":"NaN","full_":"NaN"},{"id":3,"half":"Infinity","full_":"-Infinity"},{"id":4,"half":1e+30,"full_":1e+300},{"id":5,"half":null,"full_":null}]
GET /t?order=full_&select=id
= 200 [{"id":3},{"id":1},{"id":4},{"id":2},{"id":5}]
GET /t?order=full_.desc&select=id
= 200 [{"id":5},{"id":2},{"id":4},{"id":1},{"id":3}]
GET /t?full_=eq.NaN&select=id
= 200 [{"id":2}]
GET /t?full_=eq.0.1&select=id
= 200 [{"id":1}]
GET /t?half=gt.1&select=id&order=id
= 200 [{"id":2},{"id":3},{"id":4}]
POST /t {"id":6,"half":1e39}
= 400 {"code":"22003","details":null,"hint":null,"message":"\"1e39\" is out of range for type real"}
POST /t {"id":6,"half":16777217,"full_":123456789012345680000}
= 201 [{"id":6,"half":1.6777216e+07,"full_":1.2345678901234568e+20}]
POST /t {"id":7,"full_":"nan"}
= 201 [{"id":7,"half":null,"full_":"NaN"}]
PATCH /t?id=eq.1 {"full_":"NaN","half":"-Infinity"}
= 200 [{"id":1,"half":"-Infinity","full_":"NaN"}]
GET /t?full_=gt.1e308&select=id&order=id
= 200 [{"id":1},{"id":2},{"id":7}]

=== text, varchar and char
--- migration
create table t (id int primary key, free text, short varchar(3), fixed char(4), name varchar);
grant all on t to anon;
--- anon
POST /t {"id":1,"free":"Zoë \"q\" \\ \n 😀","short":"äöü","fixed":"ab","name":""}
= 201 [{"id":1,"free":"Zoë \"q\" \\ \n 😀","short":"äöü","fixed":"ab  ","name":""}]
POST /t {"id":2,"short":"abcd"}
= 400 {"code":"22001","details":null,"hint":null,"message":"value too long for type character varying(3)"}
POST /t {"id":2,"short":"abc   ","fixed":"abcdef"}
= 400 {"code":"22001","details":null,"hint":null,"message":"value too long for type character(4)"}
POST /t {"id":3,"short":"ab   "}
= 201 [{"id":3,"free":null,"short":"ab ","fixed":null,"name":null}]
GET /t?order=id&select=short,fixed
= 200 [{"short":"äöü","fixed":"ab  "},{"short":"ab ","fixed":null}]
GET /t?fixed=eq.ab&select=id
= 200 [{"id":1}]
GET /t?free=like.*Zo*&select=id
= 200 [{"id":1}]
POST /t {"id":4,"free":"a"}
= 201 [{"id":4,"free":"a","short":null,"fixed":null,"name":null}]
POST /t {"id":5,"free":"B"}
= 201 [{"id":5,"free":"B","short":null,"fixed":null,"name":null}]
GET /t?order=free&select=free&free=not.is.null
= 200 [{"free":"B"},{"free":"Zoë \"q\" \\ \n 😀"},{"free":"a"}]
POST /t {"id":6,"free":"a\u0000b"}
= 400 {"code":"22P05","details":"\\u0000 cannot be converted to text.","hint":null,"message":"unsupported Unicode escape sequence"}

=== booleans
--- migration
create table t (id int primary key, yes bool not null default false);
grant all on t to anon;
--- anon
POST /t [{"id":1,"yes":true},{"id":2,"yes":"off"},{"id":3,"yes":"t"}]
= 201 [{"id":1,"yes":true},{"id":2,"yes":false},{"id":3,"yes":true}]
POST /t {"id":4,"yes":"maybe"}
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input syntax for type boolean: \"maybe\""}
GET /t?yes=is.true&select=id&order=id
= 200 [{"id":1},{"id":3}]
GET /t?yes=eq.no&select=id
= 200 [{"id":2}]
GET /t?order=yes.desc,id&select=id
= 200 [{"id":1},{"id":3},{"id":2}]

=== uuid
--- migration
create table t (id uuid primary key default gen_random_uuid(), n int);
grant all on t to anon;
--- anon
POST /t {"id":"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11","n":1}
= 201 [{"id":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","n":1}]
POST /t {"id":"{a0eebc999c0b4ef8bb6d6bb9bd380a12}","n":2}
= 201 [{"id":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12","n":2}]
POST /t {"id":"a0eebc99","n":3}
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input syntax for type uuid: \"a0eebc99\""}
POST /t?select=n {"n":4}
= 201 [{"n":4}]
GET /t?id=eq.A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11
= 200 [{"id":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","n":1}]
GET /t?id=in.(a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12)&select=n
= 200 [{"n":2}]
GET /t?n=lt.4&order=id.desc&select=n
= 200 [{"n":2},{"n":1}]
GET /t?id=eq.x
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input syntax for type uuid: \"x\""}

=== dates and times
--- migration
create table t (id int primary key, d date, h time, s timestamp, z timestamptz, i interval);
grant all on t to anon;
--- rows
insert into t values
  (1, '2024-02-29', '23:59:59.999999', '2024-02-29 12:00', '2024-02-29 12:00+02', '1 year 2 mons 3 days 04:05:06.7'),
  (2, '0044-03-15 BC', '24:00', 'infinity', '-infinity', '-1 day'),
  (3, 'Jan 8, 1999', '04:05 PM', '1999-01-08 04:05:06', '1999-01-08 04:05:06 PST', 'P1Y2M');
--- anon
GET /t?order=id
= 200 [{"id":1,"d":"2024-02-29","h":"23:59:59.999999","s":"2024-02-29T12:00:00","z":"2024-02-29T10:00:00+00:00","i":"1 year 2 mons 3 days 04:05:06.7"},{"id":2,"d":"0044-03-15 BC","h":"24:00:00","s":"infinity","z":"-infinity","i":"-1 days"},{"id":3,"d":"1999-01-08","h":"16:05:00","s":"1999-01-08T04:05:06","z":"1999-01-08T12:05:06+00:00","i":"1 year 2 mons"}]
GET /t?d=gte.1999-01-08&order=d&select=id,d
= 200 [{"id":3,"d":"1999-01-08"},{"id":1,"d":"2024-02-29"}]
GET /t?z=eq.2024-02-29T10:00:00Z&select=id
= 200 [{"id":1}]
GET /t?z=lt.now&order=z&select=id
= 200 [{"id":2},{"id":3},{"id":1}]
GET /t?order=i.desc&select=id
= 200 [{"id":1},{"id":3},{"id":2}]
GET /t?i=eq.14 months&select=id
= 200 []
GET /t?h=gt.16:00&order=h&select=h
= 200 [{"h":"16:05:00"},{"h":"23:59:59.999999"},{"h":"24:00:00"}]
POST /t {"id":4,"d":"2024-02-30"}
= 400 {"code":"22008","details":null,"hint":null,"message":"date/time field value out of range: \"2024-02-30\""}
POST /t {"id":4,"z":"2024-01-01T00:00:00.1234567+05:30","s":"2024-06-01T10:00:00Z","h":"10:00:00.5"}
= 201 [{"id":4,"d":null,"h":"10:00:00.5","s":"2024-06-01T10:00:00","z":"2023-12-31T18:30:00.123457+00:00","i":null}]
POST /t {"id":5,"i":"90 minutes","d":"infinity"}
= 201 [{"id":5,"d":"infinity","h":null,"s":null,"z":null,"i":"01:30:00"}]
GET /t?id=gte.4&order=id
= 200 [{"id":4,"d":null,"h":"10:00:00.5","s":"2024-06-01T10:00:00","z":"2023-12-31T18:30:00.123457+00:00","i":null},{"id":5,"d":"infinity","h":null,"s":null,"z":null,"i":"01:30:00"}]
POST /t {"id":6,"h":"25:00"}
= 400 {"code":"22008","details":null,"hint":null,"message":"date/time field value out of range: \"25:00\""}
POST /t {"id":6,"i":"many"}
= 400 {"code":"22007","details":null,"hint":null,"message":"invalid input syntax for type interval: \"many\""}

=== json and jsonb
--- migration
create table t (id int primary key, j json, b jsonb not null default '{}'::jsonb);
grant all on t to anon;
--- rows
insert into t values (1, '{"b": 1,  "a": [1, 2.50, null], "b": 2}', '{"b": 1,  "a": [1, 2.50, null], "b": 2}');
--- anon
GET /t
= 200 [{"id":1,"j":{"b": 1,  "a": [1, 2.50, null], "b": 2},"b":{"a": [1, 2.50, null], "b": 2}}]
POST /t {"id":2,"j":{"x":{"y":[1,{"z":"deep"}]}},"b":[1,"two",null,true]}
= 201 [{"id":2,"j":{"x":{"y":[1,{"z":"deep"}]}},"b":[1, "two", null, true]}]
POST /t {"id":3,"j":"text","b":5}
= 201 [{"id":3,"j":"text","b":5}]
POST /t {"id":4}
= 201 [{"id":4,"j":null,"b":{}}]
GET /t?select=j->x->y->1->>z&id=eq.2
= 200 [{"z":"deep"}]
GET /t?select=id,b->0&id=eq.2
= 200 [{"id":2,"b":1}]
GET /t?b->>b=eq.2&select=id
= 200 [{"id":1}]
GET /t?b=cs.{"b":2}&select=id
= 200 [{"id":1}]
GET /t?b=eq.5&select=id
= 200 [{"id":3}]
GET /t?order=b&select=b
= 200 [{"b":5},{"b":[1, "two", null, true]},{"b":{}},{"b":{"a": [1, 2.50, null], "b": 2}}]
GET /t?j->x->y->>0=eq.1&select=id
= 200 [{"id":2}]

=== bytea
--- migration
create table t (id int primary key, bytes bytea);
grant all on t to anon;
--- rows
insert into t values (1, '\xDEADBEEF'), (2, 'abc\\\000'), (3, '');
--- anon
GET /t?order=bytes
= 200 [{"id":3,"bytes":"\\x"},{"id":2,"bytes":"\\x6162635c00"},{"id":1,"bytes":"\\xdeadbeef"}]
GET /t?bytes=eq.\xdeadbeef&select=id
= 200 [{"id":1}]
POST /t {"id":4,"bytes":"\\x0"}
= 400 {"code":"22023","details":null,"hint":null,"message":"invalid hexadecimal data: odd number of digits"}
POST /t {"id":4,"bytes":"\\x00ff"}
= 201 [{"id":4,"bytes":"\\x00ff"}]

=== enums sort by their place
--- migration
create type mood as enum ('sad', 'ok', 'happy');
create table t (id int primary key, m mood default 'ok', ms mood[]);
grant all on t to anon;
--- anon
POST /t [{"id":1,"m":"happy"},{"id":2,"m":"sad"},{"id":3,"m":"ok"}]
= 201 [{"id":1,"m":"happy","ms":null},{"id":2,"m":"sad","ms":null},{"id":3,"m":"ok","ms":null}]
POST /t {"id":4,"ms":["sad","happy"]}
= 201 [{"id":4,"m":"ok","ms":["sad","happy"]}]
POST /t {"id":5,"m":"bored"}
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input value for enum mood: \"bored\""}
POST /t {"id":5,"ms":["bored"]}
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input value for enum mood: \"bored\""}
GET /t?order=m,id&select=id
= 200 [{"id":2},{"id":3},{"id":4},{"id":1}]
GET /t?m=gt.sad&order=id&select=id
= 200 [{"id":1},{"id":3},{"id":4}]
GET /t?m=eq.bored
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input value for enum mood: \"bored\""}
GET /t?m=in.(sad,happy)&order=id&select=id
= 200 [{"id":1},{"id":2}]

=== domains
--- migration
create domain email as text check (value like '%@%');
create domain small as int not null default 5 constraint small_enough check (value < 10) check (value > 0);
create table t (id int primary key, e email, s small);
grant all on t to anon;
--- anon
POST /t {"id":1,"e":"a@b"}
= 201 [{"id":1,"e":"a@b","s":5}]
POST /t {"id":2,"e":"nope"}
= 400 {"code":"23514","details":null,"hint":null,"message":"value for domain email violates check constraint \"email_check\""}
POST /t {"id":2,"s":10}
= 400 {"code":"23514","details":null,"hint":null,"message":"value for domain small violates check constraint \"small_enough\""}
POST /t {"id":2,"s":0}
= 400 {"code":"23514","details":null,"hint":null,"message":"value for domain small violates check constraint \"small_check\""}
POST /t {"id":2,"s":null}
= 400 {"code":"23502","details":null,"hint":null,"message":"domain small does not allow null values"}
PATCH /t?id=eq.1 {"e":"x"}
= 400 {"code":"23514","details":null,"hint":null,"message":"value for domain email violates check constraint \"email_check\""}
GET /t?e=eq.a@b
= 200 [{"id":1,"e":"a@b","s":5}]
GET /t?s=gt.4&order=e
= 200 [{"id":1,"e":"a@b","s":5}]

=== arrays
--- migration
create table t (id int primary key, tags text[] not null default '{}', ns int[], grid int[][], ts timestamptz[], num numeric[]);
grant all on t to anon;
--- rows
insert into t values (1, array['a','b c','"q"',null], '{3,1,2}', '{{1,2},{3,4}}', array['2024-01-01Z'::timestamptz], '{1.10,NaN}');
--- anon
GET /t
= 200 [{"id":1,"tags":["a","b c","\"q\"",null],"ns":[3,1,2],"grid":[[1,2],[3,4]],"ts":["2024-01-01T00:00:00+00:00"],"num":[1.10,"NaN"]}]
POST /t {"id":2,"tags":["x","NULL",null,""],"ns":[]}
= 201 [{"id":2,"tags":["x","NULL",null,""],"ns":[],"grid":null,"ts":null,"num":null}]
POST /t {"id":3,"tags":"{y,\"z w\"}","ns":[1,"2"]}
= 201 [{"id":3,"tags":["y","z w"],"ns":[1,2],"grid":null,"ts":null,"num":null}]
POST /t {"id":4,"ns":["x"]}
= 400 {"code":"22P02","details":null,"hint":null,"message":"invalid input syntax for type integer: \"x\""}
POST /t {"id":4,"grid":[[1,2],[3]]}
= 400 {"code":"22P02","details":"Multidimensional arrays must have sub-arrays with matching dimensions.","hint":null,"message":"malformed JSON array"}
GET /t?tags=cs.{x}&select=id
= 200 [{"id":2}]
GET /t?tags=cd.{y,"z%20w",q}&select=id&order=id
= 200 [{"id":3}]
GET /t?ns=ov.{2,9}&select=id&order=id
= 200 [{"id":1},{"id":3}]
GET /t?select=id,tags->0&order=id
= 200 [{"id":1,"tags":"a"},{"id":2,"tags":"x"},{"id":3,"tags":"y"}]
GET /t?ns=eq.{3,1,2}&select=id
= 200 [{"id":1}]
GET /t?order=ns,id&select=id
= 200 [{"id":2},{"id":3},{"id":1}]
