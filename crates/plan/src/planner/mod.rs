//! From a query to a plan: resolve, coerce, embed, authorize, limit.
//! The only place that knows names, types, grants and row policies.

use std::sync::Arc;

use crate::engine::Capabilities;
use crate::error::PlanError;
use crate::plan::Plan;
use crate::query::Query;
use crate::schema::Schema;
use crate::session::Session;

/// What bounds a plan.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Schemas that callers may name, the first being the default.
    pub schemas: Vec<String>,
    /// Most rows in an answer; also of each embed.
    pub max_rows: Option<u64>,
    /// Most levels of embeds and of nested `and`/`or`.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { schemas: vec!["public".into()], max_rows: None, max_depth: 32 }
    }
}

/// Plans `query` for `session`.
///
/// # Errors
/// When a name, type or value does not fit the schema, or the caller has no right to what is asked.
pub fn plan(
    _schema: Arc<Schema>,
    _capabilities: Capabilities,
    _limits: &Limits,
    _session: &Session,
    _query: Query,
) -> Result<Plan, PlanError> {
    todo!()
}
