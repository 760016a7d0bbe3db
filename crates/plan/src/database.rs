//! The one door to data: `Database::run(session, query)`.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::engine::{Engine, EngineError, MigrationError, Outcome};
use crate::error::PlanError;
use crate::planner::{self, Limits};
use crate::query::Query;
use crate::schema::Schema;
use crate::session::Session;

/// A database behind its planner. Nothing reaches the engine without having been authorized.
#[derive(Debug)]
pub struct Database {
    engine: Arc<dyn Engine>,
    schema: ArcSwap<Schema>,
    limits: Limits,
}

/// Why a query has no outcome.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Database {
    /// # Errors
    /// When the engine cannot tell its schema.
    pub async fn open(engine: Arc<dyn Engine>, limits: Limits) -> Result<Self, MigrationError> {
        let schema = ArcSwap::from_pointee(engine.schema().await?);
        Ok(Self { engine, schema, limits })
    }

    /// Plans, authorizes and carries out one query in one transaction.
    ///
    /// # Errors
    /// When the query cannot be planned or the engine refuses it; nothing was changed then.
    pub async fn run(&self, session: &Session, query: Query) -> Result<Outcome, RunError> {
        let plan = planner::plan(self.schema.load_full(), self.engine.capabilities(), &self.limits, session, query)?;
        Ok(self.engine.execute(&plan).await?)
    }

    /// What exists, as of the last [`Database::reload`].
    pub fn schema(&self) -> Arc<Schema> {
        self.schema.load_full()
    }

    /// Reads the schema again; requests that are running keep the one they began with.
    ///
    /// # Errors
    /// When the engine cannot tell it; the old one stays.
    pub async fn reload(&self) -> Result<(), MigrationError> {
        self.schema.store(Arc::new(self.engine.schema().await?));
        Ok(())
    }

    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }
}
