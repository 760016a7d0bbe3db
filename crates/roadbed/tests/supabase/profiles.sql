-- accepted
create extension if not exists "uuid-ossp" with schema extensions;
create extension if not exists pgcrypto;

create table public.profiles (
  id uuid not null default gen_random_uuid() primary key,
  user_id uuid unique default auth.uid(),
  updated_at timestamp with time zone default timezone('utc'::text, now()) not null,
  username text unique,
  full_name text,
  avatar_url text,
  website text,
  "favouriteColors" text[] default '{}'::text[] not null,
  settings jsonb default '{}'::jsonb not null,
  constraint username_length check (char_length(username) >= 3)
);
alter table profiles enable row level security;
create policy "Public profiles are viewable by everyone." on profiles for select using (true);
create policy "Users can insert their own profile." on profiles for insert to authenticated with check ((select auth.uid()) = user_id);
create policy "Users can update own profile." on profiles for update using ((select auth.uid()) = user_id);
comment on table public.profiles is 'Profile data for each user.';
comment on column public.profiles."favouriteColors" is E'What\'s shown';
grant all on table public.profiles to anon, authenticated, service_role;
