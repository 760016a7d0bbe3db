//! Threads that read. Each has a connection, and what waits together shares one read transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use roadbed_plan::EngineError;
use roadbed_plan::engine::Load;
use tokio::sync::oneshot;

use super::connect::{Connector, SqliteConnection};
use super::error::{busy, internal};
use super::writer::STACK;

/// Reads that one transaction may serve.
const READS_PER_TRANSACTION: usize = 64;
/// After this time a transaction takes no further read, so that it does not hold back checkpoints.
const TRANSACTION_TIME: Duration = Duration::from_millis(5);

/// One read; it answers its caller itself.
pub(super) type Job = Box<dyn FnOnce(&SqliteConnection) + Send>;

/// Counts commits. A read transaction that began before a commit must not serve a caller who may know of it.
pub(super) type Commits = Arc<AtomicU64>;

pub(super) struct Readers {
    queue: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
    /// Threads that work.
    busy: Arc<AtomicUsize>,
}

impl Readers {
    /// # Errors
    /// When a connection or thread cannot be made.
    pub(super) fn start(connector: &Connector, commits: &Commits) -> Result<Self, EngineError> {
        let (queue, jobs) = bounded(connector.options.queue_length.max(1));
        let mut threads = Vec::new();
        let busy = Arc::new(AtomicUsize::new(0));
        for number in 0..connector.options.readers.max(1) {
            let connection = connector.open()?;
            connection.sql.pragma_update(None, "query_only", true).map_err(internal)?;
            let (jobs, commits, busy) = (jobs.clone(), Arc::clone(commits), Arc::clone(&busy));
            let thread = std::thread::Builder::new()
                .name(format!("sqlite-read-{number}"))
                .stack_size(STACK)
                .spawn(move || serve(&connection, &jobs, (&commits, &busy)))
                .map_err(|error| EngineError::Internal { reason: error.to_string() })?;
            threads.push(thread);
        }
        Ok(Self { queue, threads, busy })
    }

    pub(super) fn load(&self) -> Load {
        let (in_use, size) = (self.busy.load(Ordering::Relaxed), self.threads.len());
        Load { in_use, size, waiting: self.queue.len(), writes_waiting: None }
    }

    /// # Errors
    /// When the queue is full or the threads have ended.
    pub(super) fn submit(&self, job: Job) -> Result<(), EngineError> {
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => busy(),
            TrySendError::Disconnected(_) => closed(),
        })
    }

    /// Lets the threads finish what waits, and waits for them.
    pub(super) fn stop(self) {
        drop(self.queue);
        for thread in self.threads {
            // A thread that panicked has nothing left to finish.
            let _ = thread.join();
        }
    }
}

/// A job that runs `read` and sends its result to the returned receiver.
pub(super) fn job<T: Send + 'static>(
    read: impl FnOnce(&SqliteConnection) -> Result<T, EngineError> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, EngineError>>) {
    let (reply, answer) = oneshot::channel();
    let job = move |connection: &SqliteConnection| {
        if reply.is_closed() {
            // The caller's time was over before its turn came.
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(|| read(connection)))
            .unwrap_or_else(|_| Err(EngineError::Internal { reason: "a read panicked".into() }));
        // The caller may have gone.
        let _ = reply.send(result);
    };
    (Box::new(job), answer)
}

pub(super) fn closed() -> EngineError {
    EngineError::Unavailable { reason: "the database is closed".into(), retry_after: super::error::RETRY_AFTER }
}

fn serve(connection: &SqliteConnection, jobs: &Receiver<Job>, (commits, busy): (&Commits, &AtomicUsize)) {
    while let Ok(job) = jobs.recv() {
        busy.fetch_add(1, Ordering::Relaxed);
        serve_together(connection, job, jobs, commits);
        busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `first` and what waits behind it, in one transaction while nothing is committed meanwhile.
fn serve_together(connection: &SqliteConnection, first: Job, jobs: &Receiver<Job>, commits: &Commits) {
    // Before the transaction begins: a commit in between is then noticed and not missed.
    let mut snapshot = commits.load(Ordering::SeqCst);
    let began = Instant::now();
    begin(connection);
    run(connection, first);
    for _ in 1..READS_PER_TRANSACTION {
        if began.elapsed() > TRANSACTION_TIME {
            break;
        }
        let Ok(job) = jobs.try_recv() else { break };
        let latest = commits.load(Ordering::SeqCst);
        if latest != snapshot {
            end(connection);
            snapshot = latest;
            begin(connection);
        }
        run(connection, job);
    }
    end(connection);
}

fn run(connection: &SqliteConnection, job: Job) {
    job(connection);
    // A job that panicked has not tidied up.
    connection.finish();
}

pub(super) fn begin(connection: &SqliteConnection) {
    // A failure shows again, and is told to the caller, when the job's own statement runs.
    if let Err(error) = connection.sql.prepare_cached("begin").and_then(|mut begin| begin.execute(())) {
        tracing::warn!(%error, "cannot begin to read");
    }
}

pub(super) fn end(connection: &SqliteConnection) {
    if connection.sql.is_autocommit() {
        return;
    }
    if let Err(error) = connection.sql.prepare_cached("rollback").and_then(|mut end| end.execute(())) {
        tracing::warn!(%error, "cannot end reading");
    }
}
