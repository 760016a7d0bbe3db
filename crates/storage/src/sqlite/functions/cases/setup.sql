create type mood as enum ('sad', 'ok', 'happy');
create domain rating as int check (value between 1 and 5);
create table things (
    id int primary key,
    name text,
    price numeric(8, 2),
    weight float8,
    feeling mood,
    tags text[],
    counts int[],
    extra jsonb,
    day date,
    at timestamptz,
    took interval,
    code char(4),
    data bytea,
    ready bool,
    owner uuid
);
insert into things values
    (1, 'Apple', 1.50, 0.25, 'ok', '{a,b}', '{1,2}', '{"a": 1, "b": [1, 2]}', '2024-01-31', '2024-01-31 10:00:00+00', '1 day', 'ab', '\x00ff', true, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
    (2, 'banana', 10, 2.5, 'happy', '{b,c}', '{10}', '{"a": 10}', '2023-02-28', '2023-02-28 23:59:59.5+00', '24 hours', 'abc', '\x61', false, 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
    (3, 'Äpfel', 1.5, 100, 'sad', '{}', '{}', '{"a": "x"}', '2000-02-29', '1999-12-31 00:00:00+00', '1 mon', 'b', '', null, null),
    (4, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
    (5, 'apple pie', 2, -1, 'ok', '{c,NULL}', '{2,NULL}', '[1, "a", null]', '2024-12-31', '2024-06-15 12:34:56.789+00', '30 days', '', '\x6162', true, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');
