//! A database of its own for each test.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use roadbed_plan::database::RunError;
use roadbed_plan::engine::Migration;
use roadbed_plan::planner::Limits;
use roadbed_plan::query::{Field, Filter, Operand, Operator, Query, Read, RowsWanted, SelectItem, Selection, Target};
use roadbed_plan::{Clock, Database, Engine, EngineError, Outcome, Session};
use tokio_postgres::{Client, Config};

use crate::postgres::connect::open_client;
use crate::postgres::{PostgresEngine, PostgresOptions};

/// A fresh database with what is needed to ask it.
pub(super) struct Server {
    pub(super) engine: PostgresEngine,
    /// A connection of the owner's, to look at what happened.
    pub(super) owner: Client,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Runs `test` against a new database, which is dropped when the test passes.
pub(super) fn with_server<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Server) -> F) {
    with_options(name, PostgresOptions::default(), test);
}

pub(super) fn with_options<F: Future<Output = ()>>(
    name: &str,
    options: PostgresOptions,
    test: impl FnOnce(Server) -> F,
) {
    #[expect(clippy::disallowed_methods, reason = "settings are read in the program's `config`; a test has no program")]
    let Ok(url) = std::env::var("ROADBED_TEST_POSTGRES") else {
        println!("{name} NOT RUN: ROADBED_TEST_POSTGRES is not set");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let config: Config = url.parse().unwrap();
        let admin = open_client(&config).await.unwrap();
        let database = format!("engine_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        admin.batch_execute(&format!("create database {database}")).await.unwrap();
        let mut own = config.clone();
        own.dbname(&database);
        let engine = PostgresEngine::with_config(own.clone(), options, Clock::System);
        let owner = open_client(&own).await.unwrap();
        test(Server { engine, owner }).await;
        admin.batch_execute(&format!("drop database {database} with (force)")).await.unwrap();
    });
}

pub(super) fn migration(name: &str, sql: &str) -> Migration {
    Migration { name: name.into(), path: format!("migrations/{name}.sql"), sql: sql.into() }
}

impl Server {
    /// Applies `sql` as the first migration.
    pub(super) async fn migrate(&self, sql: &str) {
        self.engine.migrate(&[migration("0001_first", sql)]).await.unwrap();
    }

    /// The first field of the first row, as text.
    pub(super) async fn ask(&self, sql: &str) -> String {
        let messages = self.owner.simple_query(sql).await.unwrap();
        let row = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        row.and_then(|row| row.get(0)).unwrap_or("").to_owned()
    }
}

/// A database with its planner, as requests meet it.
pub(super) struct Asker {
    pub(super) database: Database,
    pub(super) owner: Client,
}

/// Migrates a new database and lets `test` ask it.
pub(super) fn with_database<F: Future<Output = ()>>(name: &str, sql: &str, test: impl FnOnce(Arc<Asker>) -> F) {
    with_database_options(name, PostgresOptions::default(), sql, test);
}

pub(super) fn with_database_options<F: Future<Output = ()>>(
    name: &str,
    options: PostgresOptions,
    sql: &str,
    test: impl FnOnce(Arc<Asker>) -> F,
) {
    with_options(name, options, async |server| {
        server.migrate(sql).await;
        let Server { engine, owner } = server;
        let database = Database::open(Arc::new(engine), Limits::default()).await.unwrap();
        test(Arc::new(Asker { database, owner })).await;
    });
}

impl Asker {
    /// The answer's body as `role` gets it, or the SQLSTATE and message.
    pub(super) async fn read(&self, role: &str, table: &str, columns: &str) -> String {
        body(self.database.run(&session(role, ""), read(table, columns)).await)
    }
}

pub(super) fn body(result: Result<Outcome, RunError>) -> String {
    match result {
        Ok(outcome) => String::from_utf8(outcome.body.to_vec()).unwrap(),
        Err(RunError::Engine(EngineError::Database(error))) => format!("{}: {}", error.sqlstate, error.message),
        Err(other) => format!("{other:?}"),
    }
}

/// A session of `role`; `sub` is its user, if any.
pub(super) fn session(role: &str, sub: &str) -> Session {
    let mut claims = serde_json::Map::new();
    if !sub.is_empty() {
        claims.insert("sub".into(), sub.into());
    }
    Session::new(role, claims)
}

/// `select=columns`, all of them when it is empty.
pub(super) fn read(table: &str, columns: &str) -> Query {
    Query::Read(Read { target: target(table), selection: selection(columns), count: None, rows: RowsWanted::Any })
}

pub(super) fn target(table: &str) -> Target {
    Target { schema: "public".into(), name: table.into() }
}

pub(super) fn field(column: &str) -> Field {
    Field { column: column.into(), path: Vec::new() }
}

pub(super) fn selection(columns: &str) -> Selection {
    let item = |column| SelectItem::Field { field: field(column), alias: None, cast: None };
    let items = if columns.is_empty() { vec![SelectItem::All] } else { columns.split(',').map(item).collect() };
    Selection { items, ..Selection::default() }
}

/// `column=eq.text`
pub(super) fn equals(column: &str, text: &str) -> Filter {
    Filter::Test { field: field(column), operator: Operator::Equal, operand: Operand::Text(text.into()) }
}
