//! A bounded pool of connections that survives the server's absence.
//!
//! A connection goes back only when its last transaction is known to have ended; one that was left in the middle
//! is closed, and what still runs on it is cancelled.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roadbed_plan::engine::Load;
use roadbed_plan::{Clock, EngineError, Observed, Stage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::{Config, NoTls};

use super::connect::Connection;
use super::error::{self, RETRY_AFTER};

/// Longest wait for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

pub(super) struct Pool {
    config: Config,
    /// Statements that each session starts with.
    session: String,
    size: u32,
    acquire_timeout: Duration,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Connection>>,
    outage: Mutex<Option<Outage>>,
    /// Grows when the schema is read again: statements prepared before are then prepared anew.
    generation: AtomicU64,
    clock: Clock,
}

/// The server could not be reached; until some time nobody tries again.
struct Outage {
    failures: u32,
    until: i64,
    reason: String,
}

impl Pool {
    pub(super) fn new(config: Config, session: String, size: u32, acquire_timeout: Duration, clock: Clock) -> Self {
        let size = size.max(1);
        Self {
            config,
            session,
            size,
            acquire_timeout,
            permits: Arc::new(Semaphore::new(size as usize)),
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
            outage: Mutex::default(),
            generation: AtomicU64::new(0),
            clock,
        }
    }

    /// A connection for one caller alone.
    ///
    /// # Errors
    /// When none becomes free in time, or the server cannot be reached.
    pub(super) async fn acquire(self: &Arc<Self>) -> Result<Lease, EngineError> {
        let permit = self.permit().await?;
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.open().await?,
        };
        connection.prepared.follow(self.generation.load(Ordering::Acquire));
        Ok(Lease { held: Some((connection, permit)), pool: Arc::clone(self) })
    }

    /// A connection that is open and that nobody uses or waits for.
    pub(super) fn acquire_idle(self: &Arc<Self>) -> Option<Lease> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let connection = self.take_idle()?;
        Some(Lease { held: Some((connection, permit)), pool: Arc::clone(self) })
    }

    /// As [`Self::acquire`], the time that it takes being noted.
    pub(super) async fn acquire_for(self: &Arc<Self>, observed: &Observed) -> Result<Lease, EngineError> {
        let began = Instant::now();
        let lease = self.acquire().await;
        observed.spend(Stage::Wait, began);
        lease
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::of(&self.waiting);
        match timeout(self.acquire_timeout, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_closed)) => Err(error::unavailable("the pool is closed".into())),
            Err(_elapsed) => Err(EngineError::Busy { retry_after: RETRY_AFTER }),
        }
    }

    pub(super) fn load(&self) -> Load {
        let size = self.size as usize;
        Load {
            in_use: size.saturating_sub(self.permits.available_permits()),
            size,
            waiting: self.waiting.load(Ordering::Relaxed),
            writes_waiting: None,
        }
    }

    /// Lets every connection prepare its statements anew.
    pub(super) fn forget_prepared(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Closes idle connections now and the others when they are given back; waits for those.
    pub(super) async fn close(&self) {
        // All permits: nobody holds a connection any more. It fails only when the pool was closed before.
        if let Ok(all) = self.permits.acquire_many(self.size).await {
            self.permits.close();
            drop(all);
        }
        lock(&self.idle).clear();
    }

    /// The most recently used of the idle connections that are still alive.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = lock(&self.idle);
        while let Some(connection) = idle.pop() {
            if !connection.client.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    async fn open(&self) -> Result<Connection, EngineError> {
        self.refuse_during_outage()?;
        let opening = Box::pin(Connection::open(&self.config, &self.session));
        let failure = match timeout(CONNECT_TIMEOUT, opening).await {
            Ok(Ok(connection)) => {
                if lock(&self.outage).take().is_some() {
                    tracing::info!("PostgreSQL answers again");
                }
                return Ok(connection);
            }
            Ok(Err(failure)) => error::reason(&failure),
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        Err(self.note_failure(failure))
    }

    fn refuse_during_outage(&self) -> Result<(), EngineError> {
        let outage = lock(&self.outage);
        let Some(outage) = outage.as_ref().filter(|outage| outage.until > self.clock.unix_micros()) else {
            return Ok(());
        };
        Err(error::unavailable(outage.reason.clone()))
    }

    fn note_failure(&self, reason: String) -> EngineError {
        let mut outage = lock(&self.outage);
        let failures = outage.as_ref().map_or(0, |outage| outage.failures) + 1;
        if failures == 1 {
            tracing::warn!(reason, "PostgreSQL cannot be reached");
        }
        let backoff = LONGEST_BACKOFF.min(FIRST_BACKOFF * 2u32.saturating_pow(failures.min(10) - 1));
        let until = self.clock.unix_micros() + i64::try_from(backoff.as_micros()).unwrap_or(i64::MAX / 2);
        *outage = Some(Outage { failures, until, reason: reason.clone() });
        error::unavailable(reason)
    }
}

/// One who waits, counted until this is dropped.
struct Waiting<'c>(&'c AtomicUsize);

impl<'c> Waiting<'c> {
    fn of(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection in one caller's hands. Dropped without [`Lease::give_back`], it is closed.
pub(super) struct Lease {
    held: Option<(Connection, OwnedSemaphorePermit)>,
    pool: Arc<Pool>,
}

impl Lease {
    pub(super) fn connection(&mut self) -> &mut Connection {
        let (connection, _permit) = self.held.as_mut().expect("only `give_back` takes it, and ends the lease");
        connection
    }

    /// Returns the connection; its last transaction has ended.
    pub(super) fn give_back(mut self) {
        if let Some((connection, _permit)) = self.held.take()
            && !connection.client.is_closed()
        {
            lock(&self.pool.idle).push(connection);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((connection, permit)) = self.held.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && !connection.client.is_closed()
        {
            runtime.spawn(abandon(connection, permit));
        }
    }
}

/// Ends what still runs on a connection that nobody waits for, and closes it. Its place in the pool stays taken until
/// then, so that the server never has more to do than it was promised.
async fn abandon(connection: Connection, permit: OwnedSemaphorePermit) {
    let ended = timeout(CONNECT_TIMEOUT, async {
        connection.client.cancel_token().cancel_query(NoTls).await?;
        connection.client.batch_execute("rollback").await
    });
    if let Ok(Err(error)) = ended.await {
        tracing::debug!(%error, "an abandoned statement could not be cancelled");
    }
    // It is not used again: the request to cancel may still be on its way, and would hit another caller's statement.
    drop(connection);
    drop(permit);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
