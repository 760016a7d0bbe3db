//! The one thread that writes. Requests that wait together are committed together, each in a savepoint of its
//! own; nobody is answered before the commit is on disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use roadbed_plan::{EngineError, Outcome};
use tokio::sync::oneshot;

use super::connect::{Connector, SqliteConnection, SqliteLocation};
use super::error::{busy, engine_error, internal};
use super::readers::{Commits, Job, closed};

/// Requests that one commit may carry.
const WRITES_PER_COMMIT: usize = 512;
/// After this time a commit takes no further request.
const GROUP_TIME: Duration = Duration::from_millis(10);
/// The write-ahead log's size at which the checkpointer moves it into the database.
const CHECKPOINT_BYTES: u64 = 4 << 20;
/// Triggers and functions call each other on a thread of requests, as deep as their limit allows.
pub(super) const STACK: usize = 64 << 20;
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(200);

/// What one request writes. It may have to run again when another request of its group took the whole
/// transaction down.
pub(super) type Write = Box<dyn Fn(&SqliteConnection) -> Result<Outcome, EngineError> + Send>;

/// Work that needs the connection for itself, outside of any transaction.
pub(super) type Alone = Box<dyn FnOnce(&mut SqliteConnection) + Send>;

pub(super) struct PendingWrite {
    pub(super) write: Write,
    pub(super) reply: oneshot::Sender<Result<Outcome, EngineError>>,
}

pub(super) enum Task {
    Write(PendingWrite),
    /// Where there are no readers.
    Read(Job),
    Alone(Alone),
}

pub(super) struct Writer {
    queue: Sender<Task>,
    thread: JoinHandle<()>,
    checkpointer: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Writer {
    /// # Errors
    /// When a connection or thread cannot be made.
    pub(super) fn start(connector: &Connector, commits: &Commits) -> Result<Self, EngineError> {
        let connection = connector.open()?;
        let checkpointer = match &connector.location {
            SqliteLocation::File(path) => Some(start_checkpointer(connector, path.clone())?),
            SqliteLocation::Memory => None,
        };
        let (queue, tasks) = bounded(connector.options.queue_length.max(1));
        let commits = Arc::clone(commits);
        let thread = std::thread::Builder::new()
            .name("sqlite-write".into())
            .stack_size(STACK)
            .spawn(move || serve(connection, &tasks, &commits))
            .map_err(|error| EngineError::Internal { reason: error.to_string() })?;
        Ok(Self { queue, thread, checkpointer })
    }

    /// # Errors
    /// When the queue is full or the thread has ended.
    pub(super) fn submit(&self, task: Task) -> Result<(), EngineError> {
        self.queue.try_send(task).map_err(|error| match error {
            TrySendError::Full(_) => busy(),
            TrySendError::Disconnected(_) => closed(),
        })
    }

    /// Tasks that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Lets the thread finish what waits, and waits for it.
    pub(super) fn stop(self) {
        drop(self.queue);
        // A thread that panicked has nothing left to finish.
        let _ = self.thread.join();
        if let Some((stop, thread)) = self.checkpointer {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn serve(mut connection: SqliteConnection, tasks: &Receiver<Task>, commits: &Commits) {
    while let Ok(mut task) = tasks.recv() {
        loop {
            let next = match task {
                Task::Write(first) => {
                    let (group, next) = gather(first, tasks);
                    run_group(&connection, group, commits);
                    next
                }
                Task::Read(job) => {
                    job(&connection);
                    connection.finish();
                    None
                }
                Task::Alone(alone) => {
                    // Whoever waits for it hears of a panic by the loss of its channel.
                    let _ = catch_unwind(AssertUnwindSafe(|| alone(&mut connection)));
                    roll_back(&connection);
                    commits.fetch_add(1, Ordering::SeqCst);
                    None
                }
            };
            match next {
                Some(next) => task = next,
                None => break,
            }
        }
    }
}

/// The writes that wait behind `first`, up to the first task of another kind.
fn gather(first: PendingWrite, tasks: &Receiver<Task>) -> (Vec<PendingWrite>, Option<Task>) {
    let mut group = vec![first];
    while group.len() < WRITES_PER_COMMIT {
        match tasks.try_recv() {
            Ok(Task::Write(write)) => group.push(write),
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}

/// Runs all of `group`, in as many transactions as time allows and accidents require.
fn run_group(connection: &SqliteConnection, mut group: Vec<PendingWrite>, commits: &Commits) {
    while !group.is_empty() {
        group = run_transaction(connection, group, commits);
    }
}

/// Runs writes in one transaction and answers them. Gives back those that did not run or must run again.
fn run_transaction(connection: &SqliteConnection, group: Vec<PendingWrite>, commits: &Commits) -> Vec<PendingWrite> {
    if let Err(error) = execute(connection, "begin immediate") {
        let error = engine_error(error);
        answer_all(group, &error);
        return Vec::new();
    }
    let began = Instant::now();
    let mut done: Vec<(PendingWrite, Result<Outcome, EngineError>)> = Vec::with_capacity(group.len());
    let mut waiting = group.into_iter();
    while let Some(pending) = waiting.next() {
        if pending.reply.is_closed() {
            // Its time was over before its turn came.
            continue;
        }
        let result = run_write(connection, &pending.write);
        if connection.sql.is_autocommit() {
            // SQLite undid the whole transaction: the time limit or the disk stopped a statement. The others
            // have done nothing wrong and run again.
            let _ = pending.reply.send(result.and_then(|_| Err(lost())));
            return done.into_iter().map(|(pending, _)| pending).chain(waiting).collect();
        }
        done.push((pending, result));
        if began.elapsed() > GROUP_TIME {
            break;
        }
    }
    let committed = execute(connection, "commit").map_err(internal);
    if committed.is_err() {
        roll_back(connection);
    }
    commits.fetch_add(1, Ordering::SeqCst);
    for (pending, result) in done {
        let answer = match &committed {
            Ok(()) => result,
            Err(error) => Err(error.clone()),
        };
        // The caller may have gone.
        let _ = pending.reply.send(answer);
    }
    waiting.collect()
}

/// One request inside its own savepoint: a failure leaves nothing behind.
fn run_write(connection: &SqliteConnection, write: &Write) -> Result<Outcome, EngineError> {
    execute(connection, "savepoint request").map_err(internal)?;
    let result = catch_unwind(AssertUnwindSafe(|| write(connection)))
        .unwrap_or_else(|_| Err(EngineError::Internal { reason: "a write panicked".into() }));
    connection.finish();
    if connection.sql.is_autocommit() {
        return result;
    }
    if result.is_err() {
        execute(connection, "rollback to request").map_err(internal)?;
    }
    execute(connection, "release request").map_err(internal)?;
    result
}

fn answer_all(group: Vec<PendingWrite>, error: &EngineError) {
    for pending in group {
        let _ = pending.reply.send(Err(error.clone()));
    }
}

fn lost() -> EngineError {
    EngineError::Internal { reason: "the transaction ended too early".into() }
}

pub(super) fn execute(connection: &SqliteConnection, sql: &str) -> rusqlite::Result<()> {
    connection.sql.prepare_cached(sql)?.execute(()).map(|_| ())
}

fn roll_back(connection: &SqliteConnection) {
    if !connection.sql.is_autocommit()
        && let Err(error) = execute(connection, "rollback")
    {
        tracing::error!(%error, "cannot roll back");
    }
}

/// Moves the write-ahead log into the database beside the writer, whose callers need not wait for it.
fn start_checkpointer(connector: &Connector, path: PathBuf) -> Result<(Sender<()>, JoinHandle<()>), EngineError> {
    let connection = connector.open()?;
    let (stop, stopped) = bounded::<()>(1);
    let mut log = path.into_os_string();
    log.push("-wal");
    let work = move || {
        while stopped.recv_timeout(CHECKPOINT_PAUSE) == Err(RecvTimeoutError::Timeout) {
            let size = std::fs::metadata(&log).map_or(0, |file| file.len());
            if size < CHECKPOINT_BYTES {
                continue;
            }
            if let Err(error) = connection.sql.query_row("pragma wal_checkpoint(passive)", (), |_| Ok(())) {
                tracing::warn!(%error, "cannot checkpoint");
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("sqlite-checkpoint".into())
        .spawn(work)
        .map_err(|error| EngineError::Internal { reason: error.to_string() })?;
    Ok((stop, thread))
}
