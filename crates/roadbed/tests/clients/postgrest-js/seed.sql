insert into authors values
  (1, 'Ursula K. Le Guin', '1929-10-21'),
  (2, 'Stanisław Lem', '1921-09-12'),
  (3, 'Octavia E. Butler', '1947-06-22'),
  (4, 'Nobody, "the quiet"', null),
  (5, 'Jemisin, N. K.', '1972-09-19');
insert into books (id, author_id, title, price, format, tags, facts, published) values
  (1, 1, 'The Dispossessed', 11.50, 'paperback', '{utopia,classic}', '{"pages": 387, "awards": ["Hugo", "Nebula"]}', '1974-05-01T00:00:00Z'),
  (2, 1, 'A Wizard of Earthsea', 9.00, 'hardcover', '{fantasy,classic}', '{"pages": 205, "series": {"name": "Earthsea", "volume": 1}}', '1968-11-01T00:00:00Z'),
  (3, 2, 'Solaris', 12.99, 'paperback', '{classic}', '{"pages": 204, "filmed": true}', '1961-01-01T00:00:00Z'),
  (4, 2, 'The Cyberiad', 10.25, 'audio', '{robots,humour}', '{"pages": null}', null),
  (5, 3, 'Kindred', 13.40, 'paperback', '{}', '{"pages": 264, "awards": []}', '1979-06-01T00:00:00Z');
insert into shelves values (1, 'window'), (2, 'cellar'), (3, 'empty');
insert into shelved values (1, 1), (3, 1), (3, 2), (5, 2);
insert into archive.catalogues values (1999, 'Spring'), (2000, 'Autumn');
