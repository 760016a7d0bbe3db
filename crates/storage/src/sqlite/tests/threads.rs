//! The engine's threads: what they promise to callers who share them.

use std::path::Path;
use std::time::Duration;

use crossbeam_channel::bounded;
use roadbed_plan::Engine;
use roadbed_plan::Type;
use roadbed_plan::query::RowsWanted;
use roadbed_plan::terms::RowForm;
use roadbed_plan::{Clock, EngineError, Outcome, Session};
use tokio::sync::oneshot;

use super::super::connect::{SqliteConnection, SqliteLocation, SqliteOptions};
use super::super::error::engine_error;
use super::super::read::ReadWork;
use super::super::writer::{PendingWrite, Task, Write};
use super::super::{Asked, SqliteEngine};
use crate::sql::{Param, RenderedNode, RenderedOutput};

type Answer = oneshot::Receiver<Result<Outcome, EngineError>>;

fn options() -> SqliteOptions {
    SqliteOptions { statement_timeout: Duration::from_millis(200), ..SqliteOptions::default() }
}

fn open(path: &Path, options: SqliteOptions) -> SqliteEngine {
    SqliteEngine::open(SqliteLocation::File(path.join("data.db")), options, Clock::System).unwrap()
}

fn session() -> Session {
    Session::new("anon", serde_json::Map::new())
}

fn statement(sql: &'static str) -> Write {
    Box::new(move |connection: &SqliteConnection| {
        let session = session();
        let request = connection.start(&session);
        let rows = request.connection.sql.execute(sql, ()).map_err(engine_error)?;
        Ok(Outcome { rows: rows as u64, ..Outcome::default() })
    })
}

async fn submit(engine: &SqliteEngine, write: Write) -> Answer {
    let (reply, answer) = oneshot::channel();
    engine.submit(Task::Write(PendingWrite { write, reply })).await.unwrap();
    answer
}

async fn run(engine: &SqliteEngine, sql: &'static str) -> Result<Outcome, EngineError> {
    submit(engine, statement(sql)).await.await.unwrap()
}

async fn count(engine: &SqliteEngine) -> i64 {
    engine
        .read(|connection| {
            connection.sql.query_row("select count(*) from t", (), |row| row.get(0)).map_err(engine_error)
        })
        .await
        .unwrap()
}

/// Keeps the writer busy until the sender is dropped, so that what is submitted meanwhile forms one group.
async fn hold_writer(engine: &SqliteEngine) -> crossbeam_channel::Sender<()> {
    let (release, held) = bounded::<()>(0);
    engine
        .submit(Task::Alone(Box::new(move |_| {
            // The sender is dropped when the writer may go on.
            let _ = held.recv();
        })))
        .await
        .unwrap();
    release
}

const ENDLESS: &str =
    "insert into t with recursive n(i) as (select 1 union all select i + 1 from n) select null from n";

#[tokio::test]
async fn a_read_sees_every_write_that_was_answered_before() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), SqliteOptions { readers: 3, ..options() });
    run(&engine, "create table t (id integer primary key)").await.unwrap();
    for written in 1..=200 {
        run(&engine, "insert into t default values").await.unwrap();
        let (a, b) = tokio::join!(count(&engine), count(&engine));
        assert_eq!((a, b), (written, written));
    }
    engine.close().await;
    assert!(matches!(engine.ping().await, Err(EngineError::Unavailable { .. })));
    let engine = open(folder.path(), options());
    assert_eq!(count(&engine).await, 200);
}

#[tokio::test]
async fn a_failed_write_leaves_the_others_of_its_group_alone() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), options());
    run(&engine, "create table t (id integer primary key)").await.unwrap();
    let release = hold_writer(&engine).await;
    let first = submit(&engine, statement("insert into t values (1)")).await;
    let twice = submit(&engine, statement("insert into t values (1)")).await;
    let endless = submit(&engine, statement(ENDLESS)).await;
    let panics = submit(&engine, Box::new(|_| panic!("on purpose"))).await;
    let last = submit(&engine, statement("insert into t values (2)")).await;
    drop(release);
    assert_eq!(first.await.unwrap().unwrap().rows, 1);
    assert!(twice.await.unwrap().is_err());
    match endless.await.unwrap() {
        Err(EngineError::Database(error)) => assert_eq!(error.sqlstate, "57014"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(panics.await.unwrap(), Err(EngineError::Internal { .. })));
    assert_eq!(last.await.unwrap().unwrap().rows, 1);
    assert_eq!(count(&engine).await, 2);
}

#[tokio::test]
async fn a_slow_read_is_cancelled_and_quick_ones_pass_it() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), SqliteOptions { readers: 2, ..options() });
    run(&engine, "create table t (id integer primary key)").await.unwrap();
    let slow = engine.read(|connection| {
        let session = session();
        let request = connection.start(&session);
        let sql = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
        let found: Result<i64, _> = request.connection.sql.query_row(sql, (), |row| row.get(0)).map_err(engine_error);
        connection.finish();
        found
    });
    let quick = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        count(&engine).await
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!(quick, 0);
    match slow {
        Err(EngineError::Database(error)) => {
            assert_eq!(error.message, "canceling statement due to statement timeout");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_panic_costs_one_caller_and_a_full_queue_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), SqliteOptions { readers: 1, queue_length: 2, ..options() });
    run(&engine, "create table t (id integer primary key)").await.unwrap();
    let panicked = engine.read::<()>(|_| panic!("on purpose")).await;
    assert!(matches!(panicked, Err(EngineError::Internal { .. })));
    assert_eq!(count(&engine).await, 0);
    let release = hold_writer(&engine).await;
    let mut refused = 0;
    for _ in 0..4 {
        let (reply, _answer) = oneshot::channel();
        let write = statement("insert into t default values");
        if let Err(error) = engine.submit(Task::Write(PendingWrite { write, reply })).await {
            assert!(matches!(error, EngineError::Busy { .. }));
            refused += 1;
        }
    }
    drop(release);
    assert!((2..=3).contains(&refused), "{refused}");
}

/// Counts to `limit`, by one statement for all limits.
fn counting(limit: i64) -> Asked {
    let sql = "with recursive n(i) as (select 1 union all select i + 1 from n limit ?1) select count(*) from n";
    let node = RenderedNode {
        sql: sql.into(),
        params: vec![Param::Limit(limit)],
        outputs: vec![RenderedOutput::Value { name: "count".into(), ty: Type::Int8, index: 0 }],
        hidden: 0,
    };
    let rows_wanted = RowsWanted::Any;
    let work = ReadWork { form: RowForm::Json, explained: false, node, count: None, rows_wanted, bare: false };
    Asked { version: 0, session: session(), zone: None, work }
}

async fn is_short(engine: &SqliteEngine) -> bool {
    let threads = engine.threads.read().await;
    let (short, _) = threads.as_ref().and_then(|threads| threads.readers.as_ref()).expect("it is open, on a file");
    short.try_read(&counting(1).work.node.sql, |_| Ok(Outcome::default())).is_some()
}

#[tokio::test]
async fn a_read_that_was_short_and_is_not_any_more_is_answered_by_a_thread() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), SqliteOptions::default());
    let count = async |limit: i64| String::from_utf8(engine.answer(counting(limit)).await.unwrap().body.to_vec());
    assert!(!is_short(&engine).await, "nothing is known of it");
    while !is_short(&engine).await {
        assert_eq!(count(2).await.unwrap(), "[{\"count\":2}]");
    }
    assert_eq!(count(3).await.unwrap(), "[{\"count\":3}]");
    assert_eq!(count(200_000).await.unwrap(), "[{\"count\":200000}]");
    assert!(!is_short(&engine).await, "it has been long");
}

#[tokio::test]
async fn a_memory_database_reads_what_it_wrote() {
    let engine = SqliteEngine::open(SqliteLocation::Memory, options(), Clock::System).unwrap();
    run(&engine, "create table t (id integer primary key)").await.unwrap();
    run(&engine, "insert into t default values").await.unwrap();
    assert_eq!(count(&engine).await, 1);
    engine.ping().await.unwrap();
}
