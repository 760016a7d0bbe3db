//! Connections: how each is opened, and what a request sets on one before it runs.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use roadbed_plan::value::Zone;
use roadbed_plan::{Clock, EngineError, Session};
use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::error::internal;
use super::functions::{self, ConnectionSession};
use super::sequences::Sequences;
use super::slow::Ran;
use super::triggers::Procedures;
use crate::slow::SlowQueries;

/// How long a connection waits for the locks of other programs.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The most columns of a result, as in PostgreSQL.
const MAX_COLUMNS: i32 = 1664;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqliteLocation {
    File(PathBuf),
    /// Gone when the engine is closed.
    Memory,
}

/// Whether a commit waits until the disk has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// An acknowledged write survives a loss of power.
    #[default]
    Full,
    /// It survives the end of the process; a loss of power may cost the last ones.
    Normal,
}

/// Limits and sizes of the engine.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Threads that read.
    pub readers: usize,
    pub synchronous: Synchronous,
    /// How long one request may work before it is cancelled; zero: for ever.
    pub statement_timeout: Duration,
    /// Requests that may wait for the readers, and as many for the writer, before further ones are refused.
    pub queue_length: usize,
    /// Prepared statements that each connection keeps.
    pub statements: usize,
    /// Memory for pages, for each connection, in KiB.
    pub cache_kib: u32,
    /// Requests that take so long are told to the log; zero: none.
    pub slow_query: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: std::thread::available_parallelism().map_or(4, |cores| cores.get().clamp(2, 8)),
            synchronous: Synchronous::Full,
            statement_timeout: Duration::from_secs(8),
            queue_length: 4096,
            statements: 256,
            cache_kib: 16 * 1024,
            slow_query: Duration::ZERO,
        }
    }
}

/// How the engine's threads open their connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) location: SqliteLocation,
    pub(super) options: SqliteOptions,
    pub(super) clock: Clock,
    pub(super) slow: Arc<SlowQueries>,
}

/// One connection with what its functions read.
pub(super) struct SqliteConnection {
    pub(super) sql: Connection,
    /// Read by the functions that stand in defaults, views and triggers.
    pub(super) session: ConnectionSession,
    pub(super) clock: Clock,
    /// What this connection knows of the sequences that it takes values from.
    pub(super) sequences: RefCell<Sequences>,
    /// The bodies of triggers that this connection has planned.
    pub(super) procedures: Procedures,
    /// What it has run for the request that runs.
    pub(super) ran: Ran,
    deadline: Deadline,
    statement_timeout: Duration,
}

/// A connection that works for one caller.
#[derive(Clone, Copy)]
pub(super) struct Request<'c> {
    pub(super) connection: &'c SqliteConnection,
    pub(super) session: &'c Session,
    /// `now()`, canonical.
    pub(super) now: i64,
    /// In which times are shown; UTC without one.
    pub(super) zone: Option<&'c Zone>,
}

impl Connector {
    /// # Errors
    /// When the file cannot be opened or is not a database.
    pub(super) fn open(&self) -> Result<SqliteConnection, EngineError> {
        let mut sql = match &self.location {
            SqliteLocation::File(path) => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                    | OpenFlags::SQLITE_OPEN_CREATE
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX
                    | OpenFlags::SQLITE_OPEN_EXRESCODE;
                Connection::open_with_flags(path, flags)
            }
            SqliteLocation::Memory => Connection::open_in_memory(),
        }
        .map_err(|error| EngineError::Internal { reason: format!("cannot open {}: {error}", self.location) })?;
        while_locked(|| self.configure(&sql)).map_err(internal)?;
        let session = ConnectionSession::default();
        functions::register(&sql, &session, &self.clock).map_err(internal)?;
        let deadline = Deadline::default();
        let seen = deadline.clone();
        // Steps are short, but one may also compare a long text.
        sql.progress_handler(512, Some(move || seen.is_over())).map_err(internal)?;
        let clock = self.clock.clone();
        let statement_timeout = self.options.statement_timeout;
        Ok(SqliteConnection {
            sql,
            session,
            clock,
            sequences: RefCell::default(),
            procedures: Procedures::default(),
            ran: Ran::new(Arc::clone(&self.slow)),
            deadline,
            statement_timeout,
        })
    }

    fn configure(&self, sql: &Connection) -> rusqlite::Result<()> {
        sql.busy_timeout(BUSY_TIMEOUT)?;
        // Without this guarantee each new bound value may prepare the statement again (the bundled SQLite has STAT4).
        sql.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // A misspelt column must be an error and not a string.
        sql.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        sql.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        sql.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        sql.set_limit(Limit::SQLITE_LIMIT_COLUMN, MAX_COLUMNS)?;
        sql.set_prepared_statement_cache_capacity(self.options.statements);
        if matches!(self.location, SqliteLocation::File(_)) {
            sql.pragma_update(None, "journal_mode", "wal")?;
        }
        let synchronous = match self.options.synchronous {
            Synchronous::Full => "full",
            Synchronous::Normal => "normal",
        };
        sql.pragma_update(None, "synchronous", synchronous)?;
        sql.pragma_update(None, "cache_size", -i64::from(self.options.cache_kib))?;
        sql.pragma_update(None, "temp_store", "memory")?;
        // The checkpointer's thread does the work; this is the limit at which the writer helps.
        sql.pragma_update(None, "wal_autocheckpoint", 16_384)
    }
}

/// Does `work` again while other programs hold the file.
///
/// Programs that open a new file at once all turn its write-ahead log on, and at that step SQLite itself does
/// not wait: all but one are told that the file is locked.
fn while_locked(work: impl Fn() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let until = Instant::now() + BUSY_TIMEOUT;
    loop {
        match work() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

impl SqliteConnection {
    /// Makes `session` the one that functions see, sets `now()`, and starts the time limit.
    pub(super) fn start<'c>(&'c self, session: &'c Session) -> Request<'c> {
        self.start_at(session, self.clock.timestamptz())
    }

    /// As [`Self::start`], `now` being when the request's transaction began.
    pub(super) fn start_at<'c>(&'c self, session: &'c Session, now: i64) -> Request<'c> {
        self.ran.start(&session.observed);
        self.session.start(session, now);
        self.procedures.begin();
        self.deadline.set(self.statement_timeout);
        Request { connection: self, session, now, zone: None }
    }

    /// Whether `time` is more than one request may take.
    pub(super) fn is_longer_than_allowed(&self, time: Duration) -> bool {
        !self.statement_timeout.is_zero() && time > self.statement_timeout
    }

    /// Refuses to go on once the time limit is over; SQLite itself looks only while it runs a statement.
    pub(super) fn check_time(&self) -> Result<(), EngineError> {
        if self.deadline.is_over() { Err(super::error::timeout().into()) } else { Ok(()) }
    }

    /// Ends what [`Self::start`] began: nothing of the caller stays, and no limit runs.
    pub(super) fn finish(&self) {
        self.deadline.clear();
        self.ran.finish(&self.sql);
        self.session.clear();
    }
}

impl std::fmt::Display for SqliteLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Memory => f.write_str("memory"),
        }
    }
}

/// When the running request must be over; shared with the progress handler.
#[derive(Clone)]
struct Deadline {
    /// Nanoseconds after `origin`; zero: none.
    at: Arc<AtomicU64>,
    origin: Instant,
}

impl Default for Deadline {
    fn default() -> Self {
        Self { at: Arc::default(), origin: Instant::now() }
    }
}

impl Deadline {
    fn set(&self, limit: Duration) {
        if !limit.is_zero() {
            self.at.store(nanos(self.origin.elapsed() + limit), Ordering::Relaxed);
        }
    }

    fn clear(&self) {
        self.at.store(0, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        let at = self.at.load(Ordering::Relaxed);
        at != 0 && nanos(self.origin.elapsed()) > at
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
