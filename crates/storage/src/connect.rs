//! From a database's address to its engine: the list of engines.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use roadbed_plan::{Clock, Engine, EngineError};

/// What every engine is opened with.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Connections, or reader threads where the engine is embedded.
    pub pool_size: usize,
    /// Longest run of one statement.
    pub statement_timeout: Duration,
    /// Longest wait for a connection.
    pub acquire_timeout: Duration,
    /// Schemas that are searched after the request's own.
    pub extra_search_path: Vec<String>,
    /// A function that runs in each request's transaction first.
    pub pre_request: Option<String>,
    /// An estimated count is exact up to this many rows.
    pub max_rows: Option<u64>,
    /// Statements that take so long are told to the log; zero: none.
    pub slow_query: Duration,
}

/// The engine for `url`: `sqlite:FILE`, `sqlite::memory:` or `postgres://…`.
///
/// # Errors
/// When no engine knows the address, or an embedded database cannot be opened. A server that is away is no error
/// here.
pub fn connect(url: &str, options: ConnectOptions, clock: Clock) -> Result<Arc<dyn Engine>, EngineError> {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme {
        #[cfg(feature = "sqlite")]
        "sqlite" => sqlite(url, &options, clock),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => postgres(url, options, clock),
        _ => Err(EngineError::Internal {
            reason: format!("`{scheme}:` is not a database; expected `sqlite:FILE` or `postgres://…`"),
        }),
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(url: &str, options: &ConnectOptions, clock: Clock) -> Result<Arc<dyn Engine>, EngineError> {
    use crate::sqlite::{SqliteEngine, SqliteLocation, SqliteOptions};
    let file = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let location = match file {
        "" | ":memory:" => SqliteLocation::Memory,
        file => SqliteLocation::File(PathBuf::from(file)),
    };
    if let Some(function) = &options.pre_request {
        return Err(EngineError::Internal {
            reason: format!(
                "`rest.pre-request` names `{function}`, and SQLite has no function that runs before requests; \
                 leave the setting out, and write what it checks as policies"
            ),
        });
    }
    let options = SqliteOptions {
        readers: options.pool_size.min(4),
        statement_timeout: options.statement_timeout,
        slow_query: options.slow_query,
        ..SqliteOptions::default()
    };
    Ok(Arc::new(SqliteEngine::open(location, options, clock)?))
}

#[cfg(feature = "postgres")]
fn postgres(url: &str, options: ConnectOptions, clock: Clock) -> Result<Arc<dyn Engine>, EngineError> {
    use crate::postgres::{PostgresEngine, PostgresOptions};
    let options = PostgresOptions {
        pool_size: u32::try_from(options.pool_size).unwrap_or(u32::MAX),
        statement_timeout: options.statement_timeout,
        acquire_timeout: options.acquire_timeout,
        search_path: options.extra_search_path,
        pre_request: options.pre_request,
        exact_up_to: options.max_rows,
        slow_query: options.slow_query,
    };
    Ok(Arc::new(PostgresEngine::connect(url, options, clock)?))
}
