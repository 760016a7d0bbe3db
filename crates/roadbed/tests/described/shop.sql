-- Something of everything that a description has to tell.
comment on schema public is 'The shop
Goods, orders and what happens to them.';

create type state as enum ('new', 'paid', 'sent');
create domain email as text check (value like '%@%');

create table customers (
  id bigint generated always as identity primary key,
  name varchar(80) not null,
  mail email,
  born date,
  secret text,
  tags text[] not null default '{}',
  settings jsonb not null default '{"letters": true}',
  created_at timestamptz not null default now()
);
comment on table customers is 'Who buys

One row for each person, whether or not there was an order.';
comment on column customers.name is 'As on the letter.';

create table orders (
  id uuid primary key default gen_random_uuid(),
  customer_id bigint not null references customers,
  state state not null default 'new',
  amount numeric(10,2) not null default 0,
  weight real,
  ratio double precision default 0.5,
  pieces smallint default 1,
  paid_at timestamp,
  open_from time,
  takes interval,
  picture bytea,
  is_gift boolean not null default false,
  code char(4),
  amount_with_tax numeric generated always as (amount * 1.19) stored,
  history state[]
);
create table "odd name" (id int primary key, "select" text, "a.b c" text);
create table hidden (id int primary key);
-- Grouped, because a plain view can be written to on PostgreSQL only.
create view open_orders as
  select customer_id, count(*) as orders, sum(amount) as amount from orders where state <> 'sent' group by customer_id;

create function add(a int, b int default 1) returns int language sql immutable as 'select a + b';
comment on function add(int, int) is 'Adds
Two numbers.';
create function orders_of(customer bigint) returns setof orders language sql stable
  as 'select * from orders where customer_id = customer';
create function totals() returns table (customer bigint, total numeric) language sql stable
  as 'select customer_id, sum(amount) from orders group by 1';
create function not_for_anon() returns text language sql stable as $$ select 'x' $$;
revoke execute on function not_for_anon() from public;
grant execute on function not_for_anon() to authenticated;

grant select on orders, open_orders, "odd name" to anon, authenticated;
grant select (id, name, tags, settings, created_at) on customers to anon;
grant select, insert, update, delete on customers, orders, "odd name" to authenticated;
grant insert (customer_id, state) on orders to anon;
