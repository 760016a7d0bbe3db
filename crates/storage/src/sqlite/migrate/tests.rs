//! Migrations as users write them, on databases in memory.

use roadbed_plan::Clock;
use roadbed_plan::engine::{Migration, MigrationError};
use rusqlite::Connection;
use rusqlite::types::Value as Cell;

use super::super::connect::{Connector, SqliteConnection, SqliteLocation, SqliteOptions};

/// A database with the migrations it was given so far.
struct Lab {
    connection: SqliteConnection,
    migrations: Vec<Migration>,
}

fn open(location: SqliteLocation) -> SqliteConnection {
    Connector {
        location,
        options: SqliteOptions::default(),
        clock: Clock::manual(1_700_000_000),
        slow: std::sync::Arc::default(),
    }
    .open()
    .unwrap()
}

fn migration(name: &str, sql: &str) -> Migration {
    Migration { name: name.into(), path: format!("migrations/{name}.sql"), sql: sql.into() }
}

impl Lab {
    fn new(sql: &str) -> Self {
        let mut lab = Self::empty();
        lab.migrate(sql);
        lab
    }

    fn empty() -> Self {
        Self { connection: open(SqliteLocation::Memory), migrations: Vec::new() }
    }

    fn try_migrate(&mut self, sql: &str) -> Result<(), MigrationError> {
        let name = format!("{:04}", self.migrations.len());
        self.migrations.push(migration(&name, sql));
        let result = super::apply(&self.connection, &self.migrations);
        if result.is_err() {
            self.migrations.pop();
        }
        result.map(|names| assert_eq!(names, [name]))
    }

    fn migrate(&mut self, sql: &str) {
        if let Err(error) = self.try_migrate(sql) {
            panic!("{error} in {sql}");
        }
        let check: String = self.connection.sql.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        assert_eq!(self.query("SELECT count(*) FROM pragma_foreign_key_check"), "0");
    }

    fn seed(&mut self, sql: &str) -> Result<(), MigrationError> {
        super::seed(&self.connection, &migration("seed", sql))
    }

    /// Rows with `;` and values with `,` between.
    fn query(&self, sql: &str) -> String {
        let mut statement = self.connection.sql.prepare(sql).unwrap();
        let width = statement.column_count();
        let cell = |cell: Cell| match cell {
            Cell::Null => "null".to_owned(),
            Cell::Integer(number) => number.to_string(),
            Cell::Real(number) => number.to_string(),
            Cell::Text(text) => text,
            Cell::Blob(bytes) => format!("{bytes:?}"),
        };
        let row = |row: &rusqlite::Row<'_>| {
            let cells: Result<Vec<_>, _> = (0..width).map(|index| row.get(index).map(cell)).collect();
            cells.map(|cells| cells.join(","))
        };
        let rows: Result<Vec<_>, _> = statement.query_map((), row).unwrap().collect();
        rows.unwrap().join(";")
    }

    /// The SQLSTATE and message with which a further migration is refused; it must leave nothing behind.
    fn refused(&mut self, sql: &str) -> String {
        let before = self.query("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2");
        let answer = match self.try_migrate(sql) {
            Ok(()) => panic!("not refused: {sql}"),
            Err(MigrationError::Sql(error)) => {
                format!("{} {}", error.sqlstate.as_deref().unwrap_or("-----"), error.message)
            }
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(before, self.query("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2"));
        answer
    }
}

#[test]
fn each_file_is_applied_once_and_its_text_is_kept() {
    let mut lab = Lab::new("create table a (id int)");
    lab.migrate("create table b (id int)");
    let again = super::apply(&lab.connection, &lab.migrations).unwrap();
    assert!(again.is_empty());
    let applied = super::applied(&lab.connection.sql).unwrap();
    assert_eq!(applied.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["0000", "0001"]);
    assert_eq!(applied[0].applied_at, 1_700_000_000_000_000);
    assert_eq!(applied[0].checksum, lab.migrations[0].checksum());
    let schema = super::schema(&lab.connection.sql).unwrap();
    assert!(schema.find("public", "a").is_some() && schema.find("public", "b").is_some());
}

#[test]
fn files_that_do_not_continue_what_was_applied_are_refused() {
    let mut lab = Lab::new("create table a (id int)");
    lab.migrate("create table b (id int)");
    let Lab { connection, migrations } = &lab;
    let apply = |files: &[Migration]| super::apply(connection, files).unwrap_err();
    let gone = apply(&migrations[..1]);
    assert!(matches!(gone, MigrationError::Gone { name } if name == "0001"));
    let mut changed = migrations.clone();
    changed[0].sql.push(' ');
    assert!(matches!(apply(&changed), MigrationError::Changed { name, .. } if name == "0000"));
    let mut early = migrations.clone();
    early.push(migration("0000a", "select 1"));
    let early = apply(&early);
    assert!(matches!(early, MigrationError::OutOfOrder { name, latest } if name == "0000a" && latest == "0001"));
}

#[test]
fn a_failing_file_leaves_nothing_behind_and_names_its_statement() {
    let mut lab = Lab::new("create table a (id int primary key)");
    let sql = "insert into a values (1);\ncreate table b (id int);\ninsert into a values (1);";
    let Err(MigrationError::Sql(error)) = lab.try_migrate(sql) else { panic!("applied") };
    assert_eq!(error.position(), (3, 1));
    assert_eq!(
        error.message,
        "duplicate key value violates unique constraint \"a_pkey\": Key (id)=(1) already exists."
    );
    assert_eq!(lab.query("SELECT count(*) FROM a"), "0");
    assert_eq!(lab.query("SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), "0");
}

#[test]
fn rows_get_defaults_and_sequence_values() {
    let lab = Lab::new(
        "create table t (id serial primary key, k int generated by default as identity (start 10 increment 5),
             a text default 'x' || 'y', n numeric(5, 2) default 1.5, b bool not null default true,
             at timestamptz default now(), d int generated always as (id * 2) stored);
         insert into t (a) values ('1'), ('2');
         insert into t (id, a) values (7, null);
         insert into t default values;
         insert into t (id, a) select id + 100, upper(a) from t where a = 'xy';",
    );
    assert_eq!(
        lab.query("SELECT id, k, a, n, b, d FROM t ORDER BY k"),
        "1,10,1,1.50,1,2;2,15,2,1.50,1,4;7,20,null,1.50,1,14;3,25,xy,1.50,1,6;103,30,XY,1.50,1,206"
    );
    assert_eq!(lab.query("SELECT DISTINCT at FROM t"), (1_700_000_000_000_000_i64 - 946_684_800_000_000).to_string());
}

#[test]
fn an_explicit_value_does_not_move_the_sequence() {
    let mut lab = Lab::new("create table t (id serial primary key, a text); insert into t (id, a) values (1, 'x')");
    assert_eq!(
        lab.refused("insert into t (a) values ('y')"),
        "23505 duplicate key value violates unique constraint \"t_pkey\": Key (id)=(1) already exists."
    );
    lab.migrate("select setval('t_id_seq', (select max(id) from t)); insert into t (a) values ('z')");
    lab.migrate(
        "select setval(pg_get_serial_sequence('t', 'id'), max(id) + 10, false) from t; insert into t (a) values ('w')",
    );
    lab.migrate("select pg_catalog.setval('public.t_id_seq', 20, true); insert into t (a) values ('v')");
    assert_eq!(lab.query("SELECT group_concat(id, ' ') FROM t"), "1 2 12 21");
}

#[test]
fn identity_always_takes_values_only_when_overridden() {
    let mut lab = Lab::new("create table t (id int generated always as identity primary key)");
    assert_eq!(lab.refused("insert into t values (5)"), "428C9 cannot insert a non-DEFAULT value into column \"id\"");
    lab.migrate("insert into t overriding system value values (5)");
    assert_eq!(lab.query("SELECT id FROM t"), "5");
}

#[test]
fn columns_come_go_and_change_with_their_rows() {
    let mut lab = Lab::new(
        "create table authors (id int primary key, name text not null);
         create table posts (id int primary key, author_id int references authors on delete cascade, title text);
         create index posts_title on posts (title);
         create view titles as select p.id, p.title, a.name from posts p join authors a on a.id = p.author_id;
         insert into authors values (1, 'Ann'), (2, 'Bob');
         insert into posts values (1, 1, 'x'), (2, 2, 'y');",
    );
    lab.migrate("alter table posts add column note text");
    lab.migrate("alter table posts alter column note set default 'later'");
    assert_eq!(lab.query("SELECT id, note FROM posts"), "1,null;2,null");
    lab.migrate(
        "alter table posts add column stars int not null default 5; alter table posts alter stars drop default",
    );
    lab.migrate("insert into posts (id, stars) values (3, 1)");
    assert_eq!(lab.query("SELECT id, stars, note FROM posts"), "1,5,null;2,5,null;3,1,later");
    lab.migrate("alter table authors rename to writers; alter table writers rename column name to full_name");
    assert_eq!(lab.query("SELECT * FROM titles ORDER BY id"), "1,x,Ann;2,y,Bob");
    lab.migrate("alter table posts alter column stars type text using 'n' || stars");
    assert_eq!(lab.query("SELECT stars FROM posts"), "n5;n5;n1");
    lab.migrate("alter table posts drop column note");
    assert_eq!(lab.query("SELECT * FROM posts WHERE id = 1"), "1,1,x,n5");
    lab.migrate("alter table posts add column serial_number serial");
    assert_eq!(lab.query("SELECT id, serial_number FROM posts"), "1,1;2,2;3,3");
    lab.migrate("delete from writers where id = 1");
    assert_eq!(lab.query("SELECT id FROM posts ORDER BY id"), "2;3");
    assert_eq!(lab.query("SELECT name FROM sqlite_schema WHERE tbl_name = 'posts' AND type = 'index'"), "posts_title");
}

#[test]
fn new_constraints_are_tested_on_the_rows() {
    let mut lab = Lab::new(
        "create table p (id int primary key, code text);
         create table c (p int, n int, e text);
         insert into p values (1, 'a'), (2, 'a');
         insert into c values (1, null, 'x'), (9, 5, 'x');",
    );
    let cases = [
        ("alter table c alter n set not null", "23502 column \"n\" of relation \"c\" contains null values"),
        ("alter table c add column z int not null", "23502 column \"z\" of relation \"c\" contains null values"),
        ("alter table c add primary key (n)", "23502 column \"n\" of relation \"c\" contains null values"),
        (
            "alter table c add constraint small check (n < 3)",
            "23514 check constraint \"small\" of relation \"c\" is violated by some row",
        ),
        (
            "alter table c add foreign key (p) references p",
            "23503 insert or update on table \"c\" violates foreign key constraint \"c_p_fkey\": \
             Key (p)=(9) is not present in table \"p\".",
        ),
        (
            "create unique index on p (code)",
            "23505 could not create unique index \"p_code_idx\": Key (code)=(a) is duplicated.",
        ),
        ("alter table c add unique (e)", "23505 could not create unique index \"c_e_key\": Key (e)=(x) is duplicated."),
    ];
    for (sql, answer) in cases {
        assert_eq!(lab.refused(sql), answer);
    }
    lab.migrate("update c set p = 1, n = 1 where n is null; update c set n = 1, p = 2 where n = 5");
    assert_eq!(
        lab.refused("alter table c add primary key (n)"),
        "23505 could not create unique index \"c_pkey\": Key (n)=(1) is duplicated."
    );
    lab.migrate("alter table c add foreign key (p) references p; alter table c add primary key (p)");
    assert_eq!(lab.query("SELECT p FROM c ORDER BY p"), "1;2");
}

#[test]
fn rows_that_do_not_fit_are_refused_in_the_words_of_postgresql() {
    let mut lab = Lab::new(
        "create domain positive as int check (value > 0);
         create type mood as enum ('sad', 'happy');
         create table p (id int primary key);
         create table t (a int not null, b positive, m mood, c int constraint even check (c % 2 = 0), v varchar(3),
             p int references p, q int references p deferrable initially deferred,
             unique nulls not distinct (a, c));",
    );
    let cases = [
        (
            "insert into t (b) values (1)",
            "23502 null value in column \"a\" of relation \"t\" violates not-null constraint",
        ),
        (
            "insert into t (a, b) values (1, 0)",
            "23514 value for domain positive violates check constraint \"positive_check\"",
        ),
        ("insert into t (a, c) values (1, 3)", "23514 new row for relation \"t\" violates check constraint \"even\""),
        ("insert into t (a, m) values (1, 'odd')", "22P02 invalid input value for enum mood: \"odd\""),
        ("insert into t (a, v) values (1, 'long')", "22001 value too long for type character varying(3)"),
        (
            "insert into t (a, p) values (1, 8)",
            "23503 insert or update on table \"t\" violates foreign key constraint \"t_p_fkey\": \
             Key (p)=(8) is not present in table \"p\".",
        ),
        (
            "insert into t (a, q) values (1, 8)",
            "23503 insert or update on table \"t\" violates foreign key constraint \"t_q_fkey\": \
             Key (q)=(8) is not present in table \"p\".",
        ),
        ("insert into t (a) values (1), (1)", "23505 duplicate key value violates unique constraint \"t_a_c_key\""),
        (
            "insert into p values (null)",
            "23502 null value in column \"id\" of relation \"p\" violates not-null constraint",
        ),
    ];
    for (sql, answer) in cases {
        assert_eq!(lab.refused(sql), answer);
    }
    lab.migrate("insert into t (a, q) values (1, 8); insert into p values (8)");
}

#[test]
fn texts_are_fitted_to_their_columns_when_rows_are_computed() {
    let mut lab = Lab::new("create table t (v varchar(3), c char(3)); insert into t select 'ab' || '    ', 'x' || 'y'");
    assert_eq!(lab.query("SELECT v || '|', c || '|' FROM t"), "ab |,xy |");
    let long = "22001 value too long for type character varying(3)";
    assert_eq!(lab.refused("insert into t (v) select 'ab' || 'cd'"), long);
    assert_eq!(lab.refused("update t set v = v || 'd'"), long);
    lab.migrate("update t set v = 'a' || 'b', c = '' || 'z'");
    assert_eq!(lab.query("SELECT v || '|', c || '|' FROM t"), "ab|,z  |");
    assert_eq!(
        lab.refused("alter table t alter v type varchar(1)"),
        "22001 value too long for type character varying(1)"
    );
}

#[test]
fn broken_references_name_the_key_that_is_still_in_use() {
    let mut lab = Lab::new(
        "create table p (id int primary key); create table c (p int references p);
         insert into p values (1), (2); insert into c values (2);",
    );
    let still = "23503 update or delete on table \"p\" violates foreign key constraint \"c_p_fkey\" on table \"c\": \
                 Key (id)=(2) is still referenced from table \"c\".";
    assert_eq!(lab.refused("delete from p"), still);
    assert_eq!(lab.refused("update p set id = id + 5"), still);
    assert_eq!(
        lab.refused("update c set p = 9"),
        "23503 insert or update on table \"c\" violates foreign key constraint \"c_p_fkey\": \
         Key (p)=(9) is not present in table \"p\"."
    );
    lab.migrate("delete from p where id = 1");
}

#[test]
fn rows_of_one_statement_may_refer_to_later_ones() {
    let mut lab = Lab::new(
        "create table e (id int primary key, boss int references e);
         insert into e values (1, 2), (2, 3), (3, null);",
    );
    assert_eq!(lab.query("SELECT count(*) FROM e"), "3");
    assert!(lab.refused("insert into e values (4, 5), (5, 9)").contains("Key (boss)=(9) is not present"));
}

#[test]
fn conflicts_are_merged_or_ignored() {
    let lab = Lab::new(
        "create table t (id int primary key, n int, note text default 'new');
         insert into t values (1, 1, 'old');
         insert into t (id, n) values (1, 5), (2, 6) on conflict do nothing;
         insert into t (id, n) values (1, 7), (3, 8) on conflict (id) do update set n = t.n + excluded.n where t.n < 9;",
    );
    assert_eq!(lab.query("SELECT * FROM t"), "1,8,old;2,6,new;3,8,new");
}

#[test]
fn copied_rows_are_read_with_the_types_of_their_columns() {
    let mut lab = Lab::new("create table t (id serial primary key, a text, d date, n numeric(6, 2))");
    lab.migrate("copy t (a, d, n) from stdin;\nx\\ty\t2000-01-03\t1.5\n\\N\t\\N\t\\N\n\\.\nselect 1;");
    lab.migrate("copy t (n, a) from stdin with (format csv, header);\nn,a\n2,\"q,\"\"r\"\"\"\n\\.\n");
    assert_eq!(lab.query("SELECT * FROM t"), "1,x\ty,2,1.50;2,null,null,null;3,q,\"r\",null,2.00");
    let Err(MigrationError::Sql(error)) = lab.try_migrate("copy t (n) from stdin;\n1\nz\n\\.\n") else {
        panic!("copied");
    };
    assert_eq!((error.position(), error.length), ((3, 1), 1));
    assert_eq!(error.message, "invalid input syntax for type numeric: \"z\"");
}

#[test]
fn what_sqlite_cannot_hold_is_refused_with_its_place() {
    let mut lab = Lab::new("create table t (id int)");
    assert_eq!(
        lab.refused("create table u (name text, \"Name\" text)"),
        "----- SQLite cannot do this: duplicate column name: Name"
    );
}

#[test]
fn seeds_write_rows_and_nothing_else() {
    let mut lab = Lab::new("create table t (id serial primary key, a text)");
    lab.seed("insert into t (a) values ('x'), ('y');").unwrap();
    lab.seed("insert into t (a) values ('z');").unwrap();
    assert_eq!(lab.query("SELECT * FROM t"), "1,x;2,y;3,z");
    assert!(lab.seed("insert into t (a) values ('w'); insert into t values (1)").is_err());
    assert!(matches!(lab.seed("create table u (id int)"), Err(MigrationError::Sql(_))));
    assert_eq!(lab.query("SELECT count(*) FROM t"), "3");
}

#[test]
fn tables_of_other_schemas_are_kept_apart() {
    let lab = Lab::new(
        "create schema app; create table app.users (id int primary key, email text unique);
         create table users (id int primary key references app.users);
         insert into app.users values (1, 'a'); insert into users values (1);",
    );
    assert_eq!(
        lab.query("SELECT name FROM sqlite_schema WHERE name LIKE '%users%' ORDER BY 1"),
        "app.users,app.users_email_key,users".replace(',', ";")
    );
}

#[test]
fn dropped_tables_take_no_other_rows_with_them() {
    let mut lab = Lab::new(
        "create table p (id int primary key); create table c (id int primary key, p int references p on delete cascade);
         insert into p values (1); insert into c values (1, 1);",
    );
    lab.migrate("drop table p cascade");
    assert_eq!(lab.query("SELECT * FROM c"), "1,1");
    lab.migrate(
        "create table p (id int primary key); alter table c drop column p; drop table c; create table c (id int)",
    );
    assert_eq!(lab.query("SELECT count(*) FROM c"), "0");
}

#[test]
fn two_processes_on_one_file_apply_each_migration_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    let names: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
    let files: Vec<Migration> = names
        .iter()
        .map(|name| migration(name, &format!("create table t{name} (id serial); insert into t{name} default values")))
        .collect();
    let apply = || super::apply(&open(SqliteLocation::File(path.clone())), &files).unwrap();
    let mut applied: Vec<String> = std::thread::scope(|scope| {
        let threads = [scope.spawn(apply), scope.spawn(apply)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    applied.sort();
    assert_eq!(applied, names);
    let connection = Connection::open(&path).unwrap();
    let rows = |name| connection.query_row(&format!("SELECT sum(id) FROM t{name}"), (), |row| row.get::<_, i64>(0));
    assert!(names.iter().all(|name| rows(name) == Ok(1)));
}

#[test]
fn views_follow_what_they_read() {
    let mut lab = Lab::new(
        "create type mood as enum ('sad', 'ok');
         create table t (id int primary key, m mood default 'sad');
         insert into t (id) values (1);
         create view v as select id, m from t where m = 'sad';
         create view w as select id from v;",
    );
    lab.migrate("alter type mood rename value 'sad' to 'blue'; insert into t (id) values (2)");
    assert_eq!(lab.query("SELECT * FROM v"), "1,blue;2,blue");
    lab.migrate("alter table t rename column id to number; alter view v rename to x");
    assert_eq!(lab.query("SELECT id FROM w"), "1;2");
    lab.migrate("create or replace view x as select number as id, m from t where number > 1");
    assert_eq!(lab.query("SELECT id FROM w"), "2");
    lab.migrate("drop view x cascade");
    assert_eq!(lab.query("SELECT count(*) FROM sqlite_schema WHERE type = 'view'"), "0");
}

#[test]
fn names_can_be_swapped() {
    let mut lab = Lab::new(
        "create table a (x int primary key); create table b (y int unique references a, z int);
         create index i on b (z); insert into a values (1); insert into b values (1, 2);",
    );
    lab.migrate("alter table a rename to t; alter table b rename to a; alter table t rename to b");
    lab.migrate("alter table a rename y to t; alter table a rename z to y; alter table a rename t to z");
    assert_eq!(lab.query("SELECT z, y FROM a"), "1,2");
    lab.migrate("create schema s; alter table b set schema s; alter index i rename to j");
    assert_eq!(lab.query("SELECT * FROM \"s.b\""), "1");
    lab.migrate("insert into s.b values (2); insert into a values (2, 3)");
    assert!(lab.refused("insert into a (z) values (7)").contains("is not present in table \"b\""));
}

impl Lab {
    /// The rows that an index of words finds for what it is asked.
    fn words(&self, index: &str, asked: &str) -> String {
        let table = format!("\"roadbed.search.public.{index}\"");
        self.query(&format!("SELECT rowid FROM {table} WHERE {table} MATCH '{asked}'"))
    }

    fn search_tables(&self) -> String {
        self.query("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%' ORDER BY 1")
    }
}

#[test]
fn an_index_of_words_is_filled_and_follows_every_write() {
    let mut lab = Lab::new(
        "create table authors (id int primary key, name text);
         create table posts (id int primary key, author int references authors on delete cascade on update set null,
           body text, words tsvector generated always as (to_tsvector('english', body)) stored);
         insert into authors values (1, 'Ada'), (2, 'Bob');
         insert into posts values (1, 1, 'fat cats'), (2, 2, 'dogs running'), (3, 1, null);",
    );
    lab.migrate(
        "create index w on posts using gin (words); create index on posts using gin (to_tsvector('simple', body))",
    );
    assert_eq!(lab.search_tables(), "roadbed.search.public.posts_to_tsvector_idx;roadbed.search.public.w");
    assert_eq!([lab.words("w", "cat"), lab.words("w", "run"), lab.words("w", "cats")], ["1", "2", ""]);
    assert_eq!(lab.words("posts_to_tsvector_idx", "cats OR running"), "1;2");
    lab.seed("insert into posts values (4, 2, 'more cats'); update posts set body = 'a cat runs' where id = 3;")
        .unwrap();
    assert_eq!([lab.words("w", "cat"), lab.words("w", "run")], ["1;3;4", "2;3"]);
    lab.seed("update posts set id = id + 100 where id = 4; update posts set body = null where id = 3;").unwrap();
    assert_eq!([lab.words("w", "cat"), lab.words("w", "run")], ["1;104", "2"]);
    lab.seed("delete from authors where name = 'Bob'; insert into authors values (2, 'Cleo');").unwrap();
    assert_eq!([lab.words("w", "cat"), lab.words("w", "run")], ["1", ""]);
    lab.seed("insert into posts values (1, 2, 'birds') on conflict (id) do update set body = excluded.body;").unwrap();
    assert_eq!([lab.words("w", "cat"), lab.words("w", "bird")], ["", "1"]);
    let many: Vec<String> = (0..1000).map(|n| format!("w{n}")).collect();
    assert_eq!(lab.words("w", &format!("({} OR bird)", many.join(" OR "))), "1");
    lab.seed("delete from posts").unwrap();
    assert_eq!(lab.words("w", "bird"), "");
}

#[test]
fn an_index_of_words_follows_renaming_rebuilding_and_dropping() {
    let mut lab = Lab::new(
        "create table posts (id uuid primary key default gen_random_uuid(), body text);
         create index w on posts using gin (to_tsvector('english', body));
         insert into posts (body) values ('cats'), ('dogs');",
    );
    for change in [
        "alter table posts rename to articles",
        "alter table articles rename column body to contents",
        "alter table articles add column x int; update articles set x = 1",
        "alter table articles alter column x type text",
        "alter table articles drop column x",
        "alter table articles add column n int not null default 7",
        "alter table articles alter column contents type varchar(100)",
        "create table other (w text); alter table articles rename to posts; alter table posts rename column contents to body",
    ] {
        lab.migrate(change);
        assert_eq!(lab.words("w", "cat"), "1", "{change}");
    }
    lab.seed("update posts set body = 'cats and dogs' where body = 'dogs'").unwrap();
    assert_eq!(lab.words("w", "cat AND dog"), "2");
    lab.connection.sql.execute_batch("DELETE FROM posts WHERE rowid = 1; VACUUM").unwrap();
    assert_eq!(lab.words("w", "cat AND dog"), lab.query("SELECT rowid FROM posts"));
    lab.migrate("alter index w rename to v");
    assert_eq!((lab.words("v", "dog"), lab.search_tables()), ("2".into(), "roadbed.search.public.v".into()));
    lab.migrate("drop index v");
    assert_eq!(lab.search_tables(), "");
    lab.migrate("create index w on posts using gin (to_tsvector('english', body)); alter table posts drop column body");
    assert_eq!(lab.search_tables(), "");
    lab.migrate(
        "alter table posts add column body text; create index w on posts using gin (to_tsvector('simple', body))",
    );
    lab.migrate("drop table posts");
    assert_eq!(lab.query("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'roadbed.search%'"), "0");
}
