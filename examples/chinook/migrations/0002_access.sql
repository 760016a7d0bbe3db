-- Everybody may look around in the shop; customers, employees and invoices stay private.
grant select on artist, album, track, genre, media_type, playlist, playlist_track to anon, authenticated;

-- How often each track was sold: numbers without the customers behind them.
create view best_sellers as
  select track.track_id, track.name as track, album.title as album, artist.name as artist,
    sum(invoice_line.quantity) as sold, sum(invoice_line.unit_price * invoice_line.quantity) as revenue
  from invoice_line
  join track on track.track_id = invoice_line.track_id
  join album on album.album_id = track.album_id
  join artist on artist.artist_id = album.artist_id
  group by track.track_id, track.name, album.title, artist.name;

grant select on best_sellers to anon, authenticated;
