-- Everybody may look around in the shop; customers, employees and invoices stay private.
grant select on artist, album, track, genre, media_type, playlist, playlist_track to anon, authenticated;

-- How often each track was sold: numbers without the customers behind them.
create view track_sales as
  select track_id, sum(quantity) as sold, sum(unit_price * quantity) as revenue
  from invoice_line
  group by track_id;

grant select on track_sales to anon, authenticated;

-- The tracks that were sold most, with the album that each is on.
create view best_sellers as
  select track.track_id, track.name, track.album_id, track_sales.sold, track_sales.revenue
  from track
  join track_sales on track_sales.track_id = track.track_id;

grant select on best_sellers to anon, authenticated;
