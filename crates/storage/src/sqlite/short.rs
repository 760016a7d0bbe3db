//! Reads that are known to be short run on the caller's own thread: handing one to another thread and back costs more
//! than the read. What is short is learnt, shape by shape; one that was taken for short and is not is cut off and
//! asked again on a reader's thread.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roadbed_plan::{EngineError, Outcome};

use super::connect::{Connector, SqliteConnection, SqliteOptions};
use super::error::{internal, is_timeout};
use super::readers::{begin, end};

/// A read that takes no longer is short.
const SHORT: Duration = Duration::from_micros(250);
/// What a read may take on the caller's thread before it is cut off.
const LONGEST: Duration = Duration::from_millis(1);
/// How many short reads more than long ones a shape needs.
const ENOUGH: u8 = 4;
const MOST: u8 = 16;
/// What one long read counts against short ones.
const LONG: u8 = 8;
/// Shapes that are told apart; those that fall together are short together or not at all.
const SHAPES: usize = 4096;

/// What is known of the times of reads, by shape.
pub(super) struct Times([AtomicU8; SHAPES]);

/// Connections for short reads.
pub(super) struct ShortReads {
    idle: Mutex<Vec<SqliteConnection>>,
    pub(super) times: Arc<Times>,
}

impl Times {
    fn of(&self, sql: &str) -> &AtomicU8 {
        let mut hasher = DefaultHasher::new();
        sql.hash(&mut hasher);
        &self.0[usize::try_from(hasher.finish() % SHAPES as u64).unwrap_or(0)]
    }

    pub(super) fn learn(&self, sql: &str, time: Duration) {
        let known = self.of(sql);
        let before = known.load(Ordering::Relaxed);
        let after = if time <= SHORT { before.saturating_add(1).min(MOST) } else { before.saturating_sub(LONG) };
        if after != before {
            // Of two that learn at once one may be lost, and comes again.
            known.store(after, Ordering::Relaxed);
        }
    }

    fn forget(&self, sql: &str) {
        self.of(sql).store(0, Ordering::Relaxed);
    }

    fn is_short(&self, sql: &str) -> bool {
        self.of(sql).load(Ordering::Relaxed) >= ENOUGH
    }
}

impl ShortReads {
    /// # Errors
    /// When a connection cannot be made.
    pub(super) fn start(connector: &Connector) -> Result<Self, EngineError> {
        let given = connector.options.statement_timeout;
        let statement_timeout = if given.is_zero() { LONGEST } else { given.min(LONGEST) };
        let options = SqliteOptions { statement_timeout, ..connector.options.clone() };
        let connector = Connector { options, ..connector.clone() };
        let open = |_| {
            let connection = connector.open()?;
            connection.sql.pragma_update(None, "query_only", true).map_err(internal)?;
            Ok(connection)
        };
        // As many as can run at once.
        let threads = std::thread::available_parallelism().map_or(4, |cores| cores.get());
        let idle = (0..threads).map(open).collect::<Result<_, EngineError>>()?;
        let times = Arc::new(Times([const { AtomicU8::new(0) }; SHAPES]));
        Ok(Self { idle: Mutex::new(idle), times })
    }

    /// What `read`, whose statement is `sql`, gives; nothing where a thread has to be asked.
    pub(super) fn try_read(
        &self,
        sql: &str,
        read: impl FnOnce(&SqliteConnection) -> Result<Outcome, EngineError>,
    ) -> Option<Result<Outcome, EngineError>> {
        if !self.times.is_short(sql) {
            return None;
        }
        let connection = self.idle().pop()?;
        let began = Instant::now();
        begin(&connection);
        let result = catch_unwind(AssertUnwindSafe(|| read(&connection)))
            .unwrap_or_else(|_| Err(EngineError::Internal { reason: "a read panicked".into() }));
        connection.finish();
        end(&connection);
        self.idle().push(connection);
        if matches!(&result, Err(error) if is_timeout(error)) {
            self.times.forget(sql);
            return None;
        }
        self.times.learn(sql, began.elapsed());
        Some(result)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        // Nothing is done under the lock that could leave it half-done.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
