//! From a query to a plan: resolve, coerce, embed, authorize, limit.
//! The only place that knows names, types, grants and row policies.

mod access;
mod access_changes;
mod aggregate;
mod authorize;
mod call;
mod coerce;
mod embed;
mod explain;
mod faults;
mod generated;
mod nesting;
mod portion;
mod procedures;
mod reach;
mod resolve;
mod search;
mod spread;
mod types;
mod views;
mod write;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::clock::Clock;
use crate::engine::Capabilities;
use crate::error::{DatabaseError, PlanError};
use crate::expr::{Expr, SourceId};
use crate::plan::{Authorized, Plan, Work};
use crate::query::{Query, Read, RowsWanted, Target};
use crate::schema::{Schema, Volatility};
use crate::session::Session;
use crate::terms::Terms;

pub use access::{AccessRow, access_table, may_read};
pub use access_changes::{AccessChange, Direction, access_changes};
pub(crate) use call::function_meant;
pub use explain::{
    Explanation, Gate, GatePolicy, Part, Probe, ProbedRows, RightExplained, RowProbe, RowTest, RowsTested, explain,
};
pub use nesting::{ColumnPairs, NestedLink, Nesting, is_nested, nestings};
pub use procedures::{plan_function, plan_statement, plan_trigger};
pub use reach::{Reach, Reached, Viewer, reach};

use authorize::{Needs, Rights};
use faults::Faults;
use resolve::Place;

/// Most parts of conditions that one plan may hold a second time.
const MOST_COPIED: usize = 20_000;

/// What bounds a plan.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Schemas that callers may name, the first being the default.
    pub schemas: Vec<String>,
    /// Most rows in an answer; also of each embed.
    pub max_rows: Option<u64>,
    /// Most levels of embeds and of nested `and`/`or`.
    pub max_depth: usize,
    /// Whether callers may aggregate.
    pub aggregates: bool,
    /// What `now` and `today` mean in a literal.
    pub clock: Clock,
}

impl Default for Limits {
    fn default() -> Self {
        Self { schemas: vec!["public".into()], max_rows: None, max_depth: 32, aggregates: false, clock: Clock::System }
    }
}

/// Plans `query` for `session`.
///
/// # Errors
/// When a name, type or value does not fit the schema, or the caller has no right to what is asked.
pub fn plan(
    schema: Arc<Schema>,
    capabilities: Capabilities,
    limits: &Limits,
    session: &Session,
    query: Query,
) -> Result<Plan, PlanError> {
    let planner = Planner::new(&schema, capabilities, limits, session)?;
    let (work, rows_wanted) = match query {
        Query::Read(read) => planner.read(&read)?,
        Query::Insert(insert) => (Work::Insert(planner.insert(&insert)?), insert.rows_wanted),
        Query::Update(update) => (Work::Update(planner.update(&update)?), update.rows_wanted),
        Query::Delete(delete) => (Work::Delete(planner.delete(&delete)?), delete.rows_wanted),
        Query::Call(call) => (Work::Call(planner.call(&call)?), call.rows),
    };
    planner.authorize()?;
    Ok(Plan { session: session.clone(), work, rows_wanted, terms: Terms::default(), _authorized: Authorized, schema })
}

/// What a relation is good for, whatever the caller's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationUses {
    pub writable: bool,
    pub has_key: bool,
}

/// What the relation can be used for, if `session` may know of it.
///
/// # Errors
/// When it may not, or there is none.
pub fn relation_uses(
    schema: &Schema,
    capabilities: Capabilities,
    limits: &Limits,
    session: &Session,
    target: &Target,
) -> Result<RelationUses, PlanError> {
    let planner = Planner::new(schema, capabilities, limits, session)?;
    let relation = planner.visible_relation(target)?;
    Ok(RelationUses { writable: relation.writable, has_key: relation.primary_key.is_some() })
}

/// Whether the function that a call means may change data.
pub(crate) fn may_change_data(
    schema: &Schema,
    capabilities: Capabilities,
    limits: &Limits,
    (session, query): (&Session, &Query),
) -> Result<bool, PlanError> {
    match query {
        Query::Call(call) => {
            let planner = Planner::new(schema, capabilities, limits, session)?;
            Ok(planner.function_meant(&call.target, &call.arguments)?.volatility == Volatility::Volatile)
        }
        Query::Read(_) => Ok(false),
        Query::Insert(_) | Query::Update(_) | Query::Delete(_) => Ok(true),
    }
}

/// One query's way through the steps.
struct Planner<'a> {
    schema: &'a Schema,
    capabilities: Capabilities,
    limits: &'a Limits,
    rights: Rights<'a>,
    needs: Needs,
    /// The first literal that its type does not take; it is told in its turn among `faults`.
    literal_fault: RefCell<Option<DatabaseError>>,
    /// What else is told later than it is found.
    faults: Faults,
    next_source: Cell<u32>,
    /// Parts of conditions that stand in the plan once more because something asks whether an embed has rows.
    copied: Cell<usize>,
}

impl<'a> Planner<'a> {
    fn new(
        schema: &'a Schema,
        capabilities: Capabilities,
        limits: &'a Limits,
        session: &'a Session,
    ) -> Result<Self, PlanError> {
        let rights = Rights::of_caller(schema, &session.role)?;
        Ok(Self {
            schema,
            capabilities,
            limits,
            rights,
            needs: Needs::default(),
            literal_fault: RefCell::default(),
            faults: Faults::default(),
            next_source: Cell::new(1),
            copied: Cell::new(0),
        })
    }

    fn read(&self, read: &Read) -> Result<(Work, RowsWanted), PlanError> {
        let relation = self.visible_relation(&read.target)?;
        self.check_aggregates(&read.selection)?;
        let source = self.new_source();
        let node = self.node(relation, source, &read.selection, 0)?;
        self.check_grouping(Place { relation, source }, &node, &read.selection, 0);
        Ok((Work::Read { node, count: read.count }, read.rows))
    }

    /// A source id that nothing of this plan has.
    fn new_source(&self) -> SourceId {
        let id = self.next_source.get();
        self.next_source.set(id + 1);
        SourceId(id)
    }

    /// Counts the copy of `condition`. Embeds in embeds that are each tested many times would multiply without end.
    fn count_copy(&self, condition: &Expr) -> Result<(), PlanError> {
        let mut copied = self.copied.get();
        condition.walk(&mut |_| copied += 1);
        self.copied.set(copied);
        if copied > MOST_COPIED { Err(PlanError::TooLarge { parts: copied, limit: MOST_COPIED }) } else { Ok(()) }
    }

    fn check_depth(&self, depth: usize) -> Result<(), PlanError> {
        let limit = self.limits.max_depth;
        if depth > limit { Err(PlanError::TooDeep { depth, limit }) } else { Ok(()) }
    }
}
