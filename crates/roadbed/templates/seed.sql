insert into notes (author_id, title, body, is_public) values
  ('00000000-0000-4000-8000-000000000001', 'Welcome', 'Everybody can read this note.', true),
  ('00000000-0000-4000-8000-000000000001', 'A draft', 'Only its author can read this one.', false);
