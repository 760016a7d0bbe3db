insert into lists (owner_id, name, is_public) values
  ('00000000-0000-4000-8000-000000000001', 'Garden party', true),
  ('00000000-0000-4000-8000-000000000001', 'Secret surprise', false);

insert into todos (list_id, title, is_done) values
  (1, 'Hang the lanterns', true),
  (1, 'Borrow chairs from next door', false),
  (1, 'Bake two lemon cakes', false),
  (2, 'Practise the song', false);
