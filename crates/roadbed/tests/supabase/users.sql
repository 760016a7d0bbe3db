create table public.accounts (
  id uuid references auth.users on delete cascade not null primary key,
  name text
);
