//! The PostgreSQL engine. The database itself enforces roles and policies: each request says who asks in the same
//! flight as its statements, for its transaction alone.

mod connect;
mod error;
mod examine;
mod execute;
mod introspect;
mod migrate;
mod params;
mod pool;
mod probe;
mod rows;
mod script;
mod slow;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use roadbed_plan::engine::{AppliedMigration, Load, Migration, MigrationError, ProbedRow};
use roadbed_plan::health::{Health, Needs};
use roadbed_plan::planner::RowProbe;
use roadbed_plan::transaction::{Finished, Transaction};
use roadbed_plan::{Capabilities, Clock, Engine, EngineError, Outcome, Plan, Schema};
use tokio_postgres::Config;

use execute::{Bounds, Question};
use pool::Pool;
use slow::SlowLog;

use crate::slow::SlowQueries;

/// How a PostgreSQL database is used.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Most connections for requests; migrations open one of their own.
    pub pool_size: u32,
    /// Longest run of one statement; zero for no limit.
    pub statement_timeout: Duration,
    /// Longest wait for a free connection.
    pub acquire_timeout: Duration,
    /// Schemas that are searched after the request's own for names without one.
    pub search_path: Vec<String>,
    /// A function that runs in each request's transaction before its statement, as the caller.
    pub pre_request: Option<String>,
    /// An estimated count is exact up to this many rows; without it, always.
    pub exact_up_to: Option<u64>,
    /// Statements that take so long are told to the log; zero: none.
    pub slow_query: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            pool_size: 10,
            statement_timeout: Duration::from_secs(10),
            acquire_timeout: Duration::from_secs(10),
            search_path: vec!["public".to_owned()],
            pre_request: None,
            exact_up_to: None,
            slow_query: Duration::ZERO,
        }
    }
}

/// One PostgreSQL database.
pub struct PostgresEngine {
    config: Config,
    pool: Arc<Pool>,
    slow: SlowQueries,
    options: PostgresOptions,
}

impl PostgresEngine {
    /// An engine for the database at `url`. Connections are made when they are needed: while the server is away,
    /// everything answers [`EngineError::Unavailable`].
    ///
    /// # Errors
    /// When `url` cannot be read.
    pub fn connect(url: &str, options: PostgresOptions, clock: Clock) -> Result<Self, EngineError> {
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| EngineError::Internal {
            reason: format!("the database's address cannot be read: {}", error::reason(&error)),
        })?;
        if config.get_application_name().is_none() {
            config.application_name("roadbed");
        }
        Ok(Self::with_config(config, options, clock))
    }

    fn with_config(config: Config, options: PostgresOptions, clock: Clock) -> Self {
        let search_path = connect::search_path(options.search_path.iter().map(String::as_str));
        let session = connect::session_settings(options.statement_timeout, &search_path);
        let pool = Pool::new(config.clone(), session, options.pool_size, options.acquire_timeout, clock);
        let slow = SlowQueries::new(options.slow_query);
        Self { config, pool: Arc::new(pool), slow, options }
    }
}

impl PostgresEngine {
    async fn run(&self, question: Question<'_>) -> Result<Outcome, EngineError> {
        execute::execute(&self.pool, &self.bounds(), question).await
    }

    fn bounds(&self) -> Bounds<'_> {
        Bounds {
            search_path: &self.options.search_path,
            statement_timeout: self.options.statement_timeout,
            login: self.config.get_user(),
            pre_request: self.options.pre_request.as_deref(),
            exact_up_to: self.options.exact_up_to,
            slow: SlowLog { queries: &self.slow, pool: &self.pool },
        }
    }
}

#[async_trait]
impl Engine for PostgresEngine {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { enforces_access: true, reads_literals: true, explains_all: true }
    }

    async fn execute(&self, plan: &Plan) -> Result<Outcome, EngineError> {
        let Plan { schema, session, work, rows_wanted, terms, .. } = plan;
        self.run(Question { schema, session, work, rows_wanted: *rows_wanted, terms }).await
    }

    async fn transact(&self, transaction: &Transaction) -> Result<Finished, EngineError> {
        // Its state is large, and callers hold it inside their own.
        Box::pin(execute::transact(&self.pool, &self.bounds(), transaction)).await
    }

    async fn probe(&self, probe: &RowProbe) -> Result<Vec<ProbedRow>, EngineError> {
        let search_path = connect::search_path(self.options.search_path.iter().map(String::as_str));
        probe::probe(&self.pool, &search_path, probe).await
    }

    async fn schema(&self) -> Result<Schema, MigrationError> {
        let mut lease = self.pool.acquire().await?;
        let schema = introspect::read_schema(&lease.connection().client).await;
        let mut schema = schema.map_err(|error| error::engine_error(&error))?;
        let applied = migrate::read_applied(&lease.connection().client).await?;
        lease.give_back();
        self.pool.forget_prepared();
        schema.version = applied.len() as u64;
        Ok(schema)
    }

    async fn applied(&self) -> Result<Vec<AppliedMigration>, MigrationError> {
        let mut lease = self.pool.acquire().await?;
        let applied = migrate::read_applied(&lease.connection().client).await?;
        lease.give_back();
        Ok(applied)
    }

    async fn migrate(&self, migrations: &[Migration]) -> Result<Vec<String>, MigrationError> {
        migrate::migrate(&self.config, migrations).await
    }

    async fn seed(&self, script: &Migration) -> Result<(), MigrationError> {
        migrate::seed(&self.config, script).await
    }

    fn load(&self) -> Load {
        self.pool.load()
    }

    async fn ping(&self) -> Result<(), EngineError> {
        let mut lease = self.pool.acquire().await?;
        lease.connection().client.check_connection().await.map_err(|error| error::engine_error(&error))?;
        lease.give_back();
        Ok(())
    }

    async fn health(&self, needs: &Needs) -> Result<Health, EngineError> {
        let mut lease = self.pool.acquire().await?;
        let health = examine::examine(&lease.connection().client, needs).await;
        let health = health.map_err(|error| error::engine_error(&error))?;
        lease.give_back();
        Ok(health)
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

impl fmt::Debug for PostgresEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration hides the password in its own text.
        f.debug_struct("PostgresEngine").field("config", &self.config).field("options", &self.options).finish()
    }
}
