//! A database of its own for each test.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use roadbed_plan::engine::Migration;
use roadbed_plan::{Clock, Engine};
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
    // Settings are read in one place of the program; a test has no program.
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
