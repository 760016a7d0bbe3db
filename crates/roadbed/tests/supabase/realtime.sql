create table public.messages (id bigint generated always as identity primary key, body text);
alter publication supabase_realtime add table public.messages;
