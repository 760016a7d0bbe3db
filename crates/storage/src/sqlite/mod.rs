//! The embedded engine: one SQLite file, read by some threads and written by one.

mod answers;
mod call;
mod compare;
mod connect;
mod copy;
mod define;
mod diagnose;
mod error;
mod foreign_keys;
pub(crate) mod functions;
mod load;
mod migrate;
mod procedure;
mod read;
mod readers;
mod search;
mod sequences;
mod short;
mod slow;
#[cfg(test)]
mod tests;
mod transact;
mod triggers;
mod validate;
mod write;
mod writer;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use roadbed_plan::engine::{AppliedMigration, Load, Migration, MigrationError};
use roadbed_plan::health::{Health, Needs};
use roadbed_plan::plan::{Node, Work};
use roadbed_plan::query::{Count, RowsWanted};
use roadbed_plan::terms::Ending;
use roadbed_plan::transaction::{Finished, Transaction};
use roadbed_plan::value::Zone;
use roadbed_plan::{Capabilities, Clock, Engine, EngineError, Outcome, Plan, Schema, Session, Stage, Terms};
use tokio::sync::{RwLock, oneshot};

pub use connect::{SqliteLocation, SqliteOptions, Synchronous};

use answers::Running;
use connect::{Connector, Request, SqliteConnection};
use read::ReadWork;
use readers::{Readers, closed};
use short::ShortReads;
use writer::{PendingWrite, Task, Writer};

use crate::slow::SlowQueries;
use crate::sql::{Dialect, render_count, render_node};

/// An SQLite database with the threads that serve it.
#[derive(Debug)]
pub struct SqliteEngine {
    /// Empty once it is closed.
    threads: RwLock<Option<Threads>>,
    running: Running,
}

struct Threads {
    /// A memory database has one connection, so its writer reads as well.
    readers: Option<(ShortReads, Readers)>,
    writer: Writer,
}

impl SqliteEngine {
    /// Opens the database, and makes it where there is none.
    ///
    /// # Errors
    /// When the file cannot be opened or is not a database.
    pub fn open(location: SqliteLocation, options: SqliteOptions, clock: Clock) -> Result<Self, EngineError> {
        let slow = Arc::new(SlowQueries::new(options.slow_query));
        let connector = Connector { location, options, clock, slow };
        let commits = Arc::new(AtomicU64::new(0));
        let writer = Writer::start(&connector, &commits)?;
        let readers = match &connector.location {
            SqliteLocation::File(_) => Some((ShortReads::start(&connector)?, Readers::start(&connector, &commits)?)),
            SqliteLocation::Memory => None,
        };
        Ok(Self { threads: RwLock::new(Some(Threads { readers, writer })), running: Running::default() })
    }

    /// Runs `read` on a reader's thread.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&SqliteConnection) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (job, answer) = readers::job(read);
        match &*self.threads.read().await {
            Some(Threads { readers: Some((_, readers)), .. }) => readers.submit(job)?,
            Some(Threads { readers: None, writer }) => writer.submit(Task::Read(job))?,
            None => return Err(closed()),
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Answers on this thread if that is known to be short, on a reader's otherwise.
    async fn answer(&self, asked: Asked) -> Result<Outcome, EngineError> {
        let times = match &*self.threads.read().await {
            Some(Threads { readers: Some((short, _)), .. }) => {
                let answer = short.try_read(&asked.work.node.sql, |connection| asked.answer(connection));
                if let Some(answer) = answer {
                    return answer;
                }
                Some(Arc::clone(&short.times))
            }
            Some(Threads { readers: None, .. }) | None => None,
        };
        let submitted = Instant::now();
        self.read(move |connection| {
            asked.session.observed.spend(Stage::Wait, submitted);
            let began = Instant::now();
            let answer = asked.answer(connection);
            if let Some(times) = times {
                times.learn(&asked.work.node.sql, began.elapsed());
            }
            answer
        })
        .await
    }

    async fn write(&self, plan: &Plan) -> Result<Outcome, EngineError> {
        let plan = plan.clone();
        let (reply, answer) = oneshot::channel();
        let submitted = Instant::now();
        let write = Box::new(move |connection: &SqliteConnection| {
            plan.session.observed.spend(Stage::Wait, submitted);
            check_version(connection, plan.schema.version)?;
            let request = Request { zone: plan.terms.zone.as_ref(), ..connection.start(&plan.session) };
            let outcome = match &plan.work {
                Work::Call(call) => call::call(request, &plan, call)?,
                work => write::write(request, &plan.schema, work, (plan.rows_wanted, &plan.terms.form))?,
            };
            if plan.terms.ending == Ending::Rollback {
                writer::execute(connection, "rollback to request").map_err(error::internal)?;
                connection.sequences.borrow_mut().forget();
            }
            Ok(outcome)
        });
        self.submit(Task::Write(PendingWrite { write, reply })).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Runs `work` on the writer's thread with nothing else beside it.
    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, MigrationError> + Send + 'static,
    ) -> Result<T, MigrationError> {
        let (reply, answer) = oneshot::channel();
        let work = move |connection: &mut SqliteConnection| {
            // The caller may have gone.
            let _ = reply.send(work(connection));
        };
        self.submit(Task::Alone(Box::new(work))).await?;
        let lost = || EngineError::Internal { reason: "a migration panicked".into() };
        answer.await.unwrap_or_else(|_| Err(lost().into()))
    }

    async fn submit(&self, task: Task) -> Result<(), EngineError> {
        match &*self.threads.read().await {
            Some(threads) => threads.writer.submit(task),
            None => Err(closed()),
        }
    }
}

#[async_trait]
impl Engine for SqliteEngine {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { enforces_access: false, reads_literals: false, explains_all: false }
    }

    async fn execute(&self, plan: &Plan) -> Result<Outcome, EngineError> {
        match &plan.work {
            Work::Read { node, count } => {
                let work = read_work(&plan.schema, &plan.terms, node, (*count, plan.rows_wanted));
                self.answer(Asked::of(plan, work)).await
            }
            Work::Call(call) if call::writes(call) => self.write(plan).await,
            Work::Call(call) if call.steps.is_none() => {
                self.answer(Asked::of(plan, call::work(plan, call, &call.node))).await
            }
            Work::Call(_) => {
                let plan = plan.clone();
                let submitted = Instant::now();
                self.read(move |connection| {
                    plan.session.observed.spend(Stage::Wait, submitted);
                    check_version(connection, plan.schema.version)?;
                    let Work::Call(call) = &plan.work else { return Err(closed()) };
                    let request = Request { zone: plan.terms.zone.as_ref(), ..connection.start(&plan.session) };
                    let outcome = call::call(request, &plan, call);
                    connection.finish();
                    outcome
                })
                .await
            }
            Work::Insert(_) | Work::Update(_) | Work::Delete(_) => self.write(plan).await,
        }
    }

    async fn transact(&self, transaction: &Transaction) -> Result<Finished, EngineError> {
        // The writer does one thing after the other; whoever comes while the first is still running is told so, as by
        // other engines.
        let _running = transaction.terms.claim.as_ref().map(|claim| self.running.enter(claim)).transpose()?;
        let transaction = transaction.clone();
        let (reply, answer) = oneshot::channel();
        // What a write gives to its group is an outcome; the answer goes by the side. It may be written anew when the
        // group has to run again.
        let finished = Arc::new(Mutex::new(None));
        let filled = Arc::clone(&finished);
        let submitted = Instant::now();
        let write = Box::new(move |connection: &SqliteConnection| {
            transaction.terms.observed.spend(Stage::Wait, submitted);
            let done = transact::transact(connection, &transaction)?;
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            Ok(Outcome::default())
        });
        self.submit(Task::Write(PendingWrite { write, reply })).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))?;
        let finished = finished.lock().unwrap_or_else(PoisonError::into_inner).take();
        finished.ok_or_else(|| EngineError::Internal { reason: "a sequence left no answer".into() })
    }

    async fn schema(&self) -> Result<Schema, MigrationError> {
        self.read(|connection| Ok(migrate::schema(&connection.sql))).await?
    }

    async fn applied(&self) -> Result<Vec<AppliedMigration>, MigrationError> {
        self.read(|connection| Ok(migrate::applied(&connection.sql))).await?
    }

    async fn migrate(&self, migrations: &[Migration]) -> Result<Vec<String>, MigrationError> {
        let migrations = migrations.to_vec();
        self.alone(move |connection| {
            let names = migrate::apply(connection, &migrations);
            connection.sequences.get_mut().forget();
            names
        })
        .await
    }

    async fn seed(&self, script: &Migration) -> Result<(), MigrationError> {
        let script = script.clone();
        self.alone(move |connection| {
            let done = migrate::seed(connection, &script);
            connection.sequences.get_mut().forget();
            done
        })
        .await
    }

    fn load(&self) -> Load {
        // Whoever closes the engine holds the lock; there is nothing to tell then.
        let Ok(threads) = self.threads.try_read() else { return Load::default() };
        let Some(Threads { readers, writer }) = &*threads else { return Load::default() };
        let readers = readers.as_ref().map_or_else(Load::default, |(_, readers)| readers.load());
        Load { writes_waiting: Some(writer.waiting()), ..readers }
    }

    async fn ping(&self) -> Result<(), EngineError> {
        self.read(|connection| {
            connection.sql.query_row("select 1 from sqlite_schema limit 1", (), |_| Ok(())).or_else(|error| match error
            {
                rusqlite::Error::QueryReturnedNoRows => Ok(()),
                error => Err(error::engine_error(error)),
            })
        })
        .await
    }

    async fn health(&self, _: &Needs) -> Result<Health, EngineError> {
        self.ping().await?;
        Ok(Health { version: format!("SQLite {}", rusqlite::version()), ..Health::default() })
    }

    async fn close(&self) {
        let Some(threads) = self.threads.write().await.take() else { return };
        let stop = tokio::task::spawn_blocking(move || {
            if let Some((_, readers)) = threads.readers {
                readers.stop();
            }
            threads.writer.stop();
        });
        // A panic of that task has been logged by its thread.
        let _ = stop.await;
    }
}

/// The statements of a read. An estimate is not cheaper than counting here, so every count is exact.
fn read_work(
    schema: &Schema,
    terms: &Terms,
    node: &Node,
    (count, rows_wanted): (Option<Count>, RowsWanted),
) -> ReadWork {
    ReadWork {
        form: terms.form.clone(),
        explained: terms.explain.is_some(),
        node: render_node(schema, node, Dialect::Sqlite),
        count: count.map(|_| render_count(schema, node, Dialect::Sqlite)),
        rows_wanted,
        bare: false,
    }
}

/// A read with all that it needs on another thread.
struct Asked {
    version: u64,
    session: Session,
    zone: Option<Zone>,
    work: ReadWork,
}

impl Asked {
    fn of(plan: &Plan, work: ReadWork) -> Self {
        let (session, zone) = (plan.session.clone(), plan.terms.zone.clone());
        Self { version: plan.schema.version, session, zone, work }
    }

    fn answer(&self, connection: &SqliteConnection) -> Result<Outcome, EngineError> {
        check_version(connection, self.version)?;
        let outcome = read::read(Request { zone: self.zone.as_ref(), ..connection.start(&self.session) }, &self.work);
        connection.finish();
        outcome
    }
}

/// Grants and policies are in the plan, so a plan of an older schema must not run, not even once.
fn check_version(connection: &SqliteConnection, version: u64) -> Result<(), EngineError> {
    if migrate::version(&connection.sql)? == version { Ok(()) } else { Err(EngineError::SchemaChanged) }
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Threads")
    }
}
