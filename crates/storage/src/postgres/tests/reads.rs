use std::time::Duration;

use roadbed_plan::EngineError;
use roadbed_plan::database::RunError;
use roadbed_plan::query::{Count, Embed, Operand, Operator, Query, RowsWanted, SelectItem};

use super::server::{body, equals, field, read, selection, session, with_database, with_database_options};
use crate::postgres::PostgresOptions;

#[test]
fn each_type_is_written_as_postgresql_writes_it() {
    let sql = "
        create type mood as enum ('sad', 'ok');
        create domain score as numeric(6,3);
        create table everything (id int primary key, b bool, i2 smallint, i8 bigint, f4 real, f8 double precision,
          n numeric, n2 numeric(10,2), s score, t text, v varchar(9), c char(4), u uuid, d date, tm time, ts timestamp,
          tz timestamptz, iv interval, j json, jb jsonb, by bytea, m mood, ai int[], at text[], atz timestamptz[],
          an numeric[], am mood[], r int4range, p point, nm name, o oid);
        insert into everything values
          (1, true, -7, 9007199254740993, 0.1, 1e21, 'NaN', 1.5, 12.5, 'q\"u\\o\nte\u{1}é', 'v', 'c',
           'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '2024-02-29', '04:05:06.7', '2024-01-02 03:04:05.000006',
           '2024-01-02 03:04:05+02', '1 year -2 mons 3 days -04:05:06.7', '{\"a\" :1}', '{\"b\":1, \"a\":[1.50]}', '\\x00ff', 'ok',
           '{{1,2},{3,null}}', '{\"a b\",null}', '{\"2024-01-02 03:04:05+00\"}', '{1.50,-0.003}', '{sad}', '[1,5)', '(1,2)', 'n', 42),
          (2, false, 0, 0, 'Infinity', 0.30000000000000004, -0.00012, 0, 0, '', '', '', null, '0044-03-15 BC', '24:00',
           'infinity', '-infinity', '0', 'null', 'null', '', 'sad', '{}', null, null, '{123456789.0001,10000,0.5}', null, 'empty', null, null, null),
          (3, null, null, null, 1e-7, -0, 100000000, null, null, null, null, null, null, 'infinity', '00:00',
           '1999-12-31 23:59:59.5', '0001-01-01 00:00:00+00 BC', '-1 day +02:03:04', null, null, null, null, null, null, null, null, null, null, null, null, null);
        grant select on everything to anon;";
    with_database("each_type_is_written", sql, async |asker| {
        asker.owner.batch_execute("set timezone = 'UTC'").await.unwrap();
        let wanted = "select '[' || string_agg(row_to_json(e)::text, ',' order by id) || ']' from everything e";
        let messages = asker.owner.simple_query(wanted).await.unwrap();
        let wanted = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        assert_eq!(asker.read("anon", "everything", "").await, wanted.unwrap());
    });
}

const BOOKS: &str = "
    create table authors (id int primary key, name text);
    create table books (id int primary key, title text, author int references authors);
    insert into authors values (1, 'Ada'), (2, 'Bob'), (3, 'Cy');
    insert into books values (1, 'One', 1), (2, 'Two', 1), (3, 'Three', 2), (4, 'Four', null);
    grant select on all tables in schema public to anon;";

#[test]
fn rows_are_filtered_counted_and_embedded() {
    with_database("rows_are_filtered", BOOKS, async |asker| {
        let anon = session("anon", "");
        let Query::Read(mut wanted) = read("books", "id,title") else { unreachable!() };
        wanted.selection.filter = vec![equals("author", "1")];
        wanted.selection.limit = Some(1);
        wanted.count = Some(Count::Exact);
        let outcome = asker.database.run(&anon, Query::Read(wanted.clone())).await.unwrap();
        assert_eq!(&outcome.body[..], br#"[{"id":1,"title":"One"}]"#);
        assert_eq!((outcome.rows, outcome.total), (1, Some(2)));
        wanted.count = Some(Count::Planned);
        assert!(asker.database.run(&anon, Query::Read(wanted.clone())).await.unwrap().total.is_some());

        wanted.selection.filter = vec![roadbed_plan::query::Filter::Test {
            field: field("title"),
            operator: Operator::In,
            operand: Operand::List(vec!["One".into(), "a\"b\\".into(), "Three".into()]),
        }];
        wanted.selection.limit = None;
        wanted.selection.items.push(SelectItem::Embed(Embed {
            target: "authors".into(),
            alias: None,
            hint: None,
            inner: false,
            spread: false,
            selection: selection("name"),
        }));
        assert_eq!(
            body(asker.database.run(&anon, Query::Read(wanted.clone())).await),
            r#"[{"id":1,"title":"One","authors":{"name":"Ada"}},{"id":3,"title":"Three","authors":{"name":"Bob"}}]"#
        );
        wanted.rows = RowsWanted::ExactlyOne;
        let refused = asker.database.run(&anon, Query::Read(wanted)).await;
        assert!(matches!(refused, Err(RunError::Engine(EngineError::RowCount { found: 2 }))));
    });
}

#[test]
fn a_literal_is_read_by_the_column_s_own_type() {
    with_database("a_literal_is_read", BOOKS, async |asker| {
        let ask = async |text: &str| {
            let Query::Read(mut wanted) = read("books", "id") else { unreachable!() };
            wanted.selection.filter = vec![equals("id", text)];
            body(asker.database.run(&session("anon", ""), Query::Read(wanted)).await)
        };
        assert_eq!(ask(" 2 ").await, r#"[{"id":2}]"#);
        assert_eq!(
            ask("x'; drop table books").await,
            "22P02: invalid input syntax for type integer: \"x'; drop table books\""
        );
        assert_eq!(ask("99999999999").await, "22003: value \"99999999999\" is out of range for type integer");
        assert!(ask("1\0").await.starts_with("22021: "));
    });
}

#[test]
fn a_changed_table_is_read_with_statements_made_anew() {
    with_database("a_changed_table", BOOKS, async |asker| {
        assert_eq!(asker.read("anon", "books", "id").await, r#"[{"id":1},{"id":2},{"id":3},{"id":4}]"#);
        asker.owner.batch_execute("alter table books alter id type text").await.unwrap();
        assert_eq!(asker.read("anon", "books", "id").await, r#"[{"id":"1"},{"id":"2"},{"id":"3"},{"id":"4"}]"#);
    });
}

#[test]
fn too_many_requests_are_told_to_come_back() {
    let options =
        PostgresOptions { pool_size: 1, acquire_timeout: Duration::from_millis(100), ..PostgresOptions::default() };
    let sql = "create view slow as select pg_sleep(0.5)::text as slept; grant select on slow to anon;";
    with_database_options("too_many_requests", options, sql, async |asker| {
        let (one, other) = tokio::join!(asker.read("anon", "slow", ""), asker.read("anon", "slow", ""));
        let (one, other) = if one.starts_with('[') { (one, other) } else { (other, one) };
        assert_eq!(one, r#"[{"slept":""}]"#);
        assert!(other.contains("Busy"), "{other}");
    });
}
