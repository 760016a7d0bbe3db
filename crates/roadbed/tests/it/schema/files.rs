//! The rules of the folder of migrations, alike on each engine.

use std::path::Path;
use std::process::Command;

use roadbed_plan::engine::{Migration, MigrationError};

use crate::harness::{Ask, On, Setup, World, each_engine};

fn file(name: &str, sql: &str) -> Migration {
    Migration { name: name.into(), path: format!("migrations/{name}.sql"), sql: sql.into() }
}

const A: &str = "create table a (id int primary key); grant select on a to anon;";
const B: &str = "create table b (id int primary key); grant select on b to anon;";

async fn fails(world: &World, files: &[Migration]) -> String {
    world.migrate(files).await.expect_err("it is refused").to_string()
}

#[test]
fn files_are_applied_once_and_in_the_order_of_their_names() {
    each_engine("files are applied once and in the order of their names", async |on| {
        let world = World::new(on, &Setup::default()).await;
        let child = "create table c (id int primary key references a);";
        let files = [file("0002", child), file("0001", A)];
        assert_eq!(world.migrate(&files).await.unwrap(), ["0001", "0002"]);
        assert!(world.migrate(&files).await.unwrap().is_empty());
        let more = [files[0].clone(), file("0010", B), files[1].clone()];
        assert_eq!(world.migrate(&more).await.unwrap(), ["0010"]);
        let applied = world.server.database.engine().applied().await.unwrap();
        assert_eq!(applied.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["0001", "0002", "0010"]);
        assert_eq!(applied[0].checksum, files[1].checksum());
        assert!(applied.iter().all(|file| file.applied_at > 1_600_000_000_000_000));
        world.end().await;
    });
}

#[test]
fn changed_missing_and_late_files_are_refused() {
    each_engine("changed, missing and late files are refused", async |on| {
        let world = World::new(on, &Setup::default()).await;
        world.migrate(&[file("0001", A), file("0005", B)]).await.unwrap();
        let changed = [file("0001", "select 1;"), file("0005", B)];
        assert_eq!(fails(&world, &changed).await, "migration `0001` was changed after it was applied");
        let gone = [file("0001", A), file("0006", "select 1;")];
        assert_eq!(fails(&world, &gone).await, "migration `0005` was applied, but its file is gone");
        let late = [file("0001", A), file("0003", "select 1;"), file("0005", B), file("0007", "select 1;")];
        assert_eq!(fails(&world, &late).await, "migration `0003` sorts before `0005`, which was applied");
        assert_eq!(world.server.database.engine().applied().await.unwrap().len(), 2);
        world.end().await;
    });
}

#[test]
fn a_file_that_fails_leaves_nothing_behind_and_those_before_it_stay() {
    each_engine("a file that fails leaves nothing behind", async |on| {
        let world = World::new(on, &Setup::default()).await;
        let half =
            "create table half (id int primary key);\ngrant select on half to anon;\ninsert into half values (1), (1);";
        let Err(MigrationError::Sql(error)) = world.migrate(&[file("1", A), file("2", half), file("3", B)]).await
        else {
            panic!("a key is there twice");
        };
        assert_eq!((error.path.as_str(), error.position().0), ("migrations/2.sql", 3));
        assert_eq!(world.ask(&Ask::get("/a")).await.status, 200);
        for table in ["/half", "/b"] {
            assert_eq!(world.ask(&Ask::get(table)).await.status, 404, "{table}");
        }
        let mended = [file("1", A), file("2", &half.replace("(1), (1)", "(1), (2)")), file("3", B)];
        assert_eq!(world.migrate(&mended).await.unwrap(), ["2", "3"]);
        assert_eq!(world.ask(&Ask::get("/half")).await.text(), r#"[{"id":1},{"id":2}]"#);
        world.end().await;
    });
}

#[test]
fn two_that_migrate_at_once_apply_each_file_once() {
    each_engine("two that migrate at once apply each file once", async |on| {
        let world = World::new(on, &Setup::default()).await;
        let files: Vec<Migration> =
            (0..8).map(|n| file(&format!("{n:02}"), &format!("create table t{n} (id int primary key);"))).collect();
        let (one, other) = tokio::join!(world.migrate(&files), world.migrate(&files));
        let mut names = one.unwrap();
        names.extend(other.unwrap());
        names.sort();
        assert_eq!(names, files.iter().map(|file| file.name.clone()).collect::<Vec<_>>());
        world.end().await;
    });
}

/// A database as `pg_dump` writes it.
const DUMPED: &str = "
create schema shop;
create type shop.kind as enum ('a', 'b');
create domain shop.code as text check (value ~ '^[a-z]+$');
create table shop.items (
  id bigint generated always as identity primary key,
  kind shop.kind not null default 'a',
  code shop.code unique,
  price numeric(10,2) default 1.50 check (price >= 0),
  tags text[] default '{}',
  made timestamptz not null default now(),
  data jsonb,
  gross numeric generated always as (price * 2) stored
);
create table public.lines (id serial primary key, item bigint references shop.items on delete cascade, note varchar(20), bytes bytea);
create index lines_note on public.lines (lower(note)) where note is not null;
create view public.dear as select id, code from shop.items where price > 1;
comment on table public.lines is 'what''s in it';
create function public.twice(n integer) returns integer language sql immutable as 'select n * 2';
alter table public.lines enable row level security;
create policy seen on public.lines for select to anon using (item > 0 and (select auth.uid()) is null);
grant usage on schema shop to anon;
grant select on all tables in schema shop, public to anon;
insert into shop.items (kind, code, price, tags, made, data) values
  ('b', 'x', 2, '{q,\"r s\"}', '2024-01-01Z', '{\"k\": \"a\\\\b\"}'), ('a', 'y', 0.5, null, '2024-01-02Z', null);
insert into public.lines (item, note, bytes) values (1, E'tab\\there', '\\xdead'), (2, null, null);";

/// The dump of a database of PostgreSQL, with these options; `None` where the program is not there.
fn dump(url: &str, options: &[&str]) -> Option<String> {
    let output = Command::new("pg_dump")
        .args(options)
        .args(["--exclude-schema=auth", "--exclude-schema=roadbed", url])
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn dumps_of_pg_dump_load_on_sqlite() {
    each_engine("dumps of pg_dump load on sqlite", async |on| {
        if on != On::Postgres || !Path::new("/usr/bin/pg_dump").exists() {
            return;
        }
        let settings = "[rest]\nschemas = [\"public\", \"shop\"]";
        let original = World::new(on, &Setup { settings: settings.into(), ..Setup::new(DUMPED) }).await;
        let url = original.database_url().expect("PostgreSQL has one");
        for options in [&["--no-owner"][..], &["--no-owner", "--inserts"], &["--no-owner", "--column-inserts"]] {
            let whole = dump(&url, options).expect("it is installed");
            let copy = World::new(On::Sqlite, &Setup { settings: settings.into(), ..Setup::new(whole) }).await;
            compare(&original, &copy).await;
            let mut two = vec!["--schema-only"];
            two.extend(options);
            let schema = dump(&url, &two).expect("it is installed");
            two[0] = "--data-only";
            let rows = dump(&url, &two).expect("it is installed");
            copy.end().await;
            let copy =
                World::new(On::Sqlite, &Setup { settings: settings.into(), ..Setup::new(schema) }.rows(rows)).await;
            compare(&original, &copy).await;
            copy.end().await;
        }
        original.end().await;
    });
}

async fn compare(original: &World, copy: &World) {
    let asks = [
        Ask::get("/lines?order=id"),
        Ask::get("/dear"),
        Ask::get("/items?order=kind,id").header("Accept-Profile", "shop"),
    ];
    for ask in asks {
        let (wanted, found) = (original.ask(&ask).await, copy.ask(&ask).await);
        assert_eq!((found.status, found.text()), (wanted.status, wanted.text()), "{}", ask.path);
        assert_eq!(found.status, 200);
    }
}
