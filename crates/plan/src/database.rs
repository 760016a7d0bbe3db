//! The one door to data: `Database::run(session, query)`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::lock::Mutex;
use serde_json::{Map, Value as Json};

use crate::engine::{Engine, EngineError, MigrationError, Outcome, ProbedRow};
use crate::error::PlanError;
use crate::observe::Stage;
use crate::plan::{Plan, Work};
use crate::planner::{self, Explanation, Limits, Probe, RelationUses};
use crate::query::{Arguments, Query, Target};
use crate::schema::{Handlers, Schema, Volatility};
use crate::session::Session;
use crate::terms;
use crate::transaction::{Failure, Finished, Place, Planned, Script, Terms, Transaction};

/// How often one request is planned again because migrations keep being applied under it.
const REPLANS: usize = 3;

/// A database behind its planner. Nothing reaches the engine without having been authorized.
#[derive(Debug)]
pub struct Database {
    engine: Arc<dyn Engine>,
    schema: ArcSwap<Schema>,
    limits: Limits,
    reloading: Mutex<()>,
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
        let mut schema = engine.schema().await?;
        schema.trace_views();
        let schema = ArcSwap::from_pointee(schema);
        Ok(Self { engine, schema, limits, reloading: Mutex::new(()) })
    }

    /// Plans, authorizes and carries out one query in one transaction.
    ///
    /// # Errors
    /// When the query cannot be planned or the engine refuses it; nothing was changed then.
    pub async fn run(&self, session: &Session, query: Query) -> Result<Outcome, RunError> {
        self.run_on(session, query, terms::Terms::default()).await
    }

    /// As [`Database::run`], on terms of the caller's.
    ///
    /// # Errors
    /// As [`Database::run`].
    pub async fn run_on(&self, session: &Session, query: Query, terms: terms::Terms) -> Result<Outcome, RunError> {
        for _ in 0..REPLANS {
            let mut plan = self.plan(session, query.clone())?;
            plan.terms = terms.clone();
            let running = session.observed.time(Stage::Run);
            let executed = self.engine.execute(&plan).await;
            drop(running);
            let failed = match executed {
                Ok(outcome) => {
                    session.observed.note_rows(outcome.rows);
                    return Ok(shaped(outcome, &plan.work));
                }
                Err(error) => error,
            };
            if !self.is_outdated(plan.schema.version, &failed).await {
                return Err(failed.into());
            }
            self.renew(plan.schema.version).await?;
        }
        Err(EngineError::Busy { retry_after: Duration::from_secs(1) }.into())
    }

    /// Carries out a script in one transaction, each of its questions planned and authorized when it comes to it.
    ///
    /// # Errors
    /// When the script gives up, or one of its questions cannot be planned or is refused; nothing was changed then.
    pub async fn transact<S: Script>(&self, script: Arc<S>, terms: Terms) -> Result<Finished, Failure<S::Error>> {
        for _ in 0..REPLANS {
            let (schema, capabilities) = (self.schema.load_full(), self.engine.capabilities());
            let version = schema.version;
            let planned = Planned::new(Arc::clone(&script), schema, capabilities, self.limits.clone());
            let planned = Arc::new(planned.observed_by(Arc::clone(&terms.observed)));
            let transaction = Transaction { sequence: planned.clone(), terms: terms.clone() };
            let running = terms.observed.time(Stage::Run);
            let transacted = self.engine.transact(&transaction).await;
            drop(running);
            let failed = match transacted {
                Ok(finished) => return Ok(finished),
                Err(error) => error,
            };
            if !self.is_outdated(version, &failed).await {
                return Err(planned.failure(failed));
            }
            let nowhere = |error: EngineError| Failure::Run { error: error.into(), place: Place::default() };
            self.renew(version).await.map_err(nowhere)?;
        }
        let error = EngineError::Busy { retry_after: Duration::from_secs(1) };
        Err(Failure::Run { error: error.into(), place: Place::default() })
    }

    /// Whether rows of several relations nest in what `query` inserts: more than one plan can do.
    pub fn is_nested(&self, session: &Session, query: &Query) -> bool {
        planner::is_nested(&self.schema.load_full(), self.engine.capabilities(), &self.limits, (session, query))
    }

    /// The time, from the clock that plans are made by.
    pub fn now(&self) -> i64 {
        self.limits.clock.unix_micros()
    }

    /// Reads the schema again after one of `version` has turned out to be outdated.
    async fn renew(&self, version: u64) -> Result<(), EngineError> {
        let retry_after = Duration::from_secs(1);
        let away = |error: MigrationError| EngineError::Unavailable { reason: error.to_string(), retry_after };
        self.reload_after(version).await.map_err(away)
    }

    /// Why `query` may do what it does, with at most `most` rows of each kind and one more. Changes nothing.
    ///
    /// # Errors
    /// When the rows cannot be read or a policy fails.
    pub async fn explain(&self, session: &Session, query: &Query, most: u64) -> Result<Explanation, EngineError> {
        let (schema, capabilities) = (self.schema.load_full(), self.engine.capabilities());
        let mut explanation = planner::explain(&schema, capabilities, &self.limits, (session, query, most));
        for test in explanation.tests_mut() {
            for probe in &test.probes {
                test.found.extend(match probe {
                    Probe::Plan(plan) => probed_rows(&self.engine.execute(plan).await?.body)?,
                    Probe::Rows(probe) => self.engine.probe(probe).await?,
                });
            }
        }
        Ok(explanation)
    }

    /// What `session` could do with the relation, had it all rights on it.
    ///
    /// # Errors
    /// When there is no such relation for the caller.
    pub fn relation_uses(&self, session: &Session, target: &Target) -> Result<RelationUses, PlanError> {
        planner::relation_uses(&self.schema.load(), self.engine.capabilities(), &self.limits, session, target)
    }

    fn plan(&self, session: &Session, query: Query) -> Result<Plan, PlanError> {
        let _planning = session.observed.time(Stage::Plan);
        let plan = planner::plan(self.schema.load_full(), self.engine.capabilities(), &self.limits, session, query)?;
        session.observed.note_shape(|| plan.shape());
        Ok(plan)
    }

    /// Whether the function that a call means may change data.
    ///
    /// # Errors
    /// When no function is meant, or more than one.
    pub fn may_change_data(&self, session: &Session, query: &Query) -> Result<bool, PlanError> {
        let schema = self.schema.load_full();
        planner::may_change_data(&schema, self.engine.capabilities(), &self.limits, (session, query))
    }

    /// What can be made of the answer to a call, beside the usual forms; and whether it is a query that may be explained
    /// without running anything. Nothing of either where no function is meant.
    pub fn call_offer(&self, target: &Target, arguments: &Arguments) -> (Handlers, bool) {
        let schema = self.schema.load();
        match planner::function_meant(&schema, &self.limits.schemas, (target, arguments)) {
            Ok(function) => {
                let is_query = function.language == "sql" && function.volatility != Volatility::Volatile;
                (schema.media_handlers_of_function(function, &self.limits.schemas), is_query)
            }
            Err(_) => (Handlers::default(), true),
        }
    }

    /// What can be made of rows of a relation, beside the usual forms.
    pub fn relation_offer(&self, target: &Target) -> Handlers {
        self.schema.load().media_handlers_of((&target.schema, &target.name), &self.limits.schemas)
    }

    /// Whether `error` came of a plan over a schema, of `version`, that migrations have replaced meanwhile.
    async fn is_outdated(&self, version: u64, error: &EngineError) -> bool {
        match error {
            EngineError::SchemaChanged => true,
            // A name that the planner knew is unknown to the database.
            EngineError::Database(error) if matches!(&*error.sqlstate, "42P01" | "42703") => {
                let applied = self.engine.applied().await;
                applied.is_ok_and(|applied| applied.len() as u64 != version)
            }
            EngineError::Database(_)
            | EngineError::RowCount { .. }
            | EngineError::Unavailable { .. }
            | EngineError::Busy { .. }
            | EngineError::GivenUp
            | EngineError::KeyReused
            | EngineError::KeyInUse { .. }
            | EngineError::NoKeys { .. }
            | EngineError::Internal { .. } => false,
        }
    }

    /// Reads the schema again unless somebody else has done so since `version`.
    async fn reload_after(&self, version: u64) -> Result<(), MigrationError> {
        let _one_at_a_time = self.reloading.lock().await;
        if self.schema.load().version == version { self.reload().await } else { Ok(()) }
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
        let mut schema = self.engine.schema().await?;
        schema.trace_views();
        self.schema.store(Arc::new(schema));
        Ok(())
    }

    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }
}

/// A call's outcome says what its body is.
pub fn shaped(mut outcome: Outcome, work: &Work) -> Outcome {
    if let Work::Call(call) = work {
        outcome.shape = call.shape;
    }
    outcome
}

/// The rows of a [`Probe::Plan`]: key columns begin with `=`, conditions are named by their numbers.
fn probed_rows(body: &[u8]) -> Result<Vec<ProbedRow>, EngineError> {
    let rows: Vec<Map<String, Json>> = serde_json::from_slice(body)
        .map_err(|error| EngineError::Internal { reason: format!("rows cannot be read: {error}") })?;
    let row = |row: Map<String, Json>| {
        let key = row.iter().filter_map(|(name, value)| Some((name.strip_prefix('=')?.to_owned(), value.clone())));
        let key = Json::Object(key.collect()).to_string();
        let holds = (0..).map_while(|number: usize| row.get(&number.to_string()).map(Json::as_bool)).collect();
        ProbedRow { key, holds }
    };
    Ok(rows.into_iter().map(row).collect())
}
