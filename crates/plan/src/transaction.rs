//! Several questions in one transaction, later ones knowing what earlier ones gave; and answers that are kept, so that
//! a repeated request is not carried out again.
//! A dialect writes a [`Script`], [`crate::Database::transact`] plans its questions, an engine drives the [`Sequence`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;

use crate::database::RunError;
use crate::engine::{Capabilities, EngineError, Outcome};
use crate::error::PlanError;
use crate::observe::{Observed, Stage};
use crate::plan::Plan;
use crate::planner::{self, Limits, Nesting};
use crate::query::{Insert, Query, RowsWanted, Target};
use crate::schema::Schema;
use crate::session::Session;

/// How long a caller waits before it asks again for what is still being done.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is asked inside one transaction, and what the whole answers.
pub trait Script: Send + Sync + 'static {
    /// Why it gives up; nothing of the transaction stays then.
    type Error: Send;

    /// Asks one question after the other. It runs again from its start for each question, with the outcomes so far
    /// at hand, so it asks the same each time.
    ///
    /// # Errors
    /// When it waits for an outcome, or gives up.
    fn run(&self, asking: &mut Asking<'_>) -> Result<Bytes, Stop<Self::Error>>;
}

/// Why a script did not run to its end.
#[derive(Debug)]
pub enum Stop<E> {
    /// It asked what has no outcome yet.
    Waiting(Waiting),
    GaveUp(E),
}

/// Says that a question has no outcome yet. Only [`Asking`] makes it.
#[derive(Debug)]
pub struct Waiting(());

impl<E> From<Waiting> for Stop<E> {
    fn from(waiting: Waiting) -> Self {
        Self::Waiting(waiting)
    }
}

/// Takes a script's questions.
#[derive(Debug)]
pub struct Asking<'t> {
    /// What the questions are planned over.
    schema: &'t Arc<Schema>,
    capabilities: Capabilities,
    pub(crate) limits: &'t Limits,
    outcomes: &'t [Outcome],
    asked: usize,
    next: Option<Result<Plan, PlanError>>,
    /// Where the script is, for who reads of a failure.
    pub place: Place,
}

/// Where in its request a question comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The number of the step, from 0, where there are steps.
    pub step: Option<usize>,
    /// The keys that lead to the rows in the body, joined by dots; empty: the body itself.
    pub path: String,
    /// What was wanted of the question's rows.
    pub rows_wanted: Option<RowsWanted>,
}

impl Asking<'_> {
    /// The outcome of `query`, planned and authorized for `session`.
    ///
    /// # Errors
    /// When there is none yet.
    pub fn ask(&mut self, session: &Session, query: Query) -> Result<Outcome, Waiting> {
        if let Some(outcome) = self.outcomes.get(self.asked) {
            self.asked += 1;
            return Ok(outcome.clone());
        }
        self.place.rows_wanted = Some(query.rows_wanted());
        let _planning = session.observed.time(Stage::Plan);
        let plan = planner::plan(Arc::clone(self.schema), self.capabilities, self.limits, session, query);
        if let Ok(plan) = &plan {
            session.observed.note_shape(|| plan.shape());
        }
        self.next = Some(plan);
        Err(Waiting(()))
    }

    /// Ends the transaction for a fault in what is asked, as if planning it had failed.
    pub(crate) fn fail(&mut self, error: PlanError) -> Waiting {
        self.next = Some(Err(error));
        Waiting(())
    }

    /// What nests in the rows of `insert`, by its key.
    pub(crate) fn nestings(&self, session: &Session, insert: &Insert) -> Result<IndexMap<String, Nesting>, PlanError> {
        planner::nestings(self.schema, self.capabilities, self.limits, (session, insert))
    }

    /// The columns of a relation's primary key; none where it has none.
    pub(crate) fn primary_key(&self, target: &Target) -> Vec<String> {
        let relation = self.schema.find(&target.schema, &target.name);
        let key = relation.and_then(|relation| Some((relation, relation.primary_key.as_ref()?)));
        key.map_or_else(Vec::new, |(relation, key)| relation.column_names(&key.columns).map(str::to_owned).collect())
    }
}

/// Plans that an engine carries out one after the other.
pub trait Sequence: Send + Sync {
    /// What follows after `outcomes`. The same outcomes are followed by the same.
    fn next(&self, outcomes: &[Outcome]) -> Next;
}

/// What a transaction goes on with.
#[derive(Debug)]
pub enum Next {
    Plan(Box<Plan>),
    /// Commit, and give this answer.
    Finish(Bytes),
    /// Undo everything.
    GiveUp,
}

/// One transaction as an engine is given it.
#[derive(Clone)]
pub struct Transaction {
    pub sequence: Arc<dyn Sequence>,
    pub terms: Terms,
}

/// How a transaction is carried out.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub isolation: Isolation,
    /// Under what its answer is kept, or found where it has been carried out before.
    pub claim: Option<Claim>,
    /// What is noted of the request while it is carried out.
    pub observed: Arc<Observed>,
}

/// What the questions of a transaction see of others' commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Each question sees what is committed when it begins.
    #[default]
    Each,
    /// All see one state; a write to what was changed since fails with SQLSTATE 40001.
    Snapshot,
}

/// A key that stands for one request of one caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// A digest of who asks.
    pub caller: [u8; 32],
    pub key: String,
    /// A digest of what is asked.
    pub request: [u8; 32],
    /// Microseconds since the Unix epoch.
    pub now: i64,
    /// From when on the key is free again.
    pub expires_at: i64,
}

/// What a transaction gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub answer: Bytes,
    /// Whether it was kept from an earlier request, and nothing was done now.
    pub replayed: bool,
}

/// Why a script gave no answer. Nothing of it was done.
#[derive(Debug)]
pub enum Failure<E> {
    Script(E),
    Run { error: RunError, place: Place },
}

/// A script over one state of the schema.
pub(crate) struct Planned<S: Script> {
    pub(crate) script: Arc<S>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) capabilities: Capabilities,
    pub(crate) limits: Limits,
    observed: Arc<Observed>,
    last: Mutex<Last<S::Error>>,
}

/// How the script's last run ended.
struct Last<E> {
    place: Place,
    failure: Option<Failure<E>>,
}

impl<S: Script> Planned<S> {
    pub(crate) fn new(script: Arc<S>, schema: Arc<Schema>, capabilities: Capabilities, limits: Limits) -> Self {
        let last = Mutex::new(Last { place: Place::default(), failure: None });
        Self { script, schema, capabilities, limits, observed: Arc::default(), last }
    }

    /// As it is, its rows being noted in `observed`.
    pub(crate) fn observed_by(self, observed: Arc<Observed>) -> Self {
        Self { observed, ..self }
    }

    /// Why nothing was done, `error` being what the engine says.
    pub(crate) fn failure(&self, error: EngineError) -> Failure<S::Error> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.failure.take().unwrap_or_else(|| Failure::Run { error: error.into(), place: last.place.clone() })
    }
}

impl<S: Script> Sequence for Planned<S> {
    fn next(&self, outcomes: &[Outcome]) -> Next {
        let (schema, limits) = (&self.schema, &self.limits);
        let (capabilities, place) = (self.capabilities, Place::default());
        let mut asking = Asking { schema, capabilities, limits, outcomes, asked: 0, next: None, place };
        let ended = self.script.run(&mut asking);
        let place = asking.place;
        let (next, place, failure) = match (ended, asking.next) {
            (Err(Stop::GaveUp(error)), _) => (Next::GiveUp, place, Some(Failure::Script(error))),
            (_, Some(Ok(plan))) => (Next::Plan(Box::new(plan)), place, None),
            (_, Some(Err(error))) => (Next::GiveUp, place.clone(), Some(Failure::Run { error: error.into(), place })),
            // What fails now is the commit, which no question is to blame for.
            (Ok(answer), None) => {
                self.observed.note_rows(outcomes.iter().map(|outcome| outcome.rows).sum());
                (Next::Finish(answer), Place::default(), None)
            }
            (Err(Stop::Waiting(_)), None) => (Next::GiveUp, place, None),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Last { place, failure };
        next
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("terms", &self.terms).finish_non_exhaustive()
    }
}
