//! What can go wrong between a query and its plan. Facts only: codes of a dialect live in the dialect.

use std::borrow::Cow;

/// An error in the database's own terms: the SQLSTATE, wording, details and hint that PostgreSQL gives.
/// Whoever finds the fault first (planner or engine) says it in these same words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DatabaseError {
    /// Five characters, PostgreSQL manual, appendix A.
    pub sqlstate: Cow<'static, str>,
    pub message: String,
    pub details: Option<String>,
    pub hint: Option<String>,
}

impl DatabaseError {
    pub fn new(sqlstate: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { sqlstate: sqlstate.into(), message: message.into(), details: None, hint: None }
    }

    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why a query has no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error("schema `{schema}` is not exposed")]
    UnknownSchema { schema: String, exposed: Vec<String> },
    /// Does not exist, or the caller has no right on it: the two are not told apart.
    #[error("`{schema}` has no relation `{name}`")]
    UnknownRelation { schema: String, name: String, closest: Option<String> },
    /// No function of this name takes just these arguments.
    #[error("`{schema}` has no function `{name}` for these arguments")]
    UnknownFunction { schema: String, name: String, arguments: Vec<String>, body: CallBody, closest: Option<String> },
    /// More than one function could be meant, each `schema.name(argument => type)`.
    #[error("more than one function could be meant")]
    AmbiguousFunction { candidates: Vec<String> },
    /// A column named in the body or in `columns`.
    #[error("`{relation}` has no column `{column}`")]
    UnknownBodyColumn { relation: String, column: String },
    #[error("no relationship between `{from}` and `{to}`")]
    NoRelationship { schema: String, from: String, to: String, hint: Option<String>, closest: Option<String> },
    #[error("more than one relationship between `{from}` and `{to}`")]
    AmbiguousRelationship { from: String, to: String, candidates: Vec<RelationshipCandidate> },
    /// A filter, order or limit names an embed that `select` does not have.
    #[error("`{embed}` is not embedded")]
    NotEmbedded { embed: String },
    /// `is.null` is the only filter that an embed itself takes.
    #[error("only `is null` can test the embed `{embed}`")]
    EmbedTest { embed: String },
    /// Parents can be ordered by a column of a to-one embed only.
    #[error("`{from}` and `{to}` are not related to-one")]
    OrderByMany { from: String, to: String },
    #[error("aggregate functions are switched off")]
    AggregatesOff,
    /// What PostgREST does not do either; `what` is its sentence.
    #[error("{what}")]
    NotImplemented { what: &'static str },
    /// The filters of a PUT are not its key.
    #[error("the filters are not the primary key")]
    NotTheKey,
    /// The rows of a PUT do not give the key that the URL names.
    #[error("the rows have another key than the filters")]
    KeyDiffers,
    #[error("`on_conflict` names `{column}`, which `{relation}` does not have")]
    UnknownConflictColumn { relation: String, column: String },
    #[error("the plan is {depth} levels deep; {limit} is the limit")]
    TooDeep { depth: usize, limit: usize },
    /// Embeds in embeds are tested so often that the plan would grow without bound.
    #[error("the plan repeats {parts} parts of conditions; {limit} is the limit")]
    TooLarge { parts: usize, limit: usize },
    #[error("{what} cannot be done by {engine}")]
    Unsupported { what: String, engine: &'static str, instead: Option<String> },
    /// The rows in the body do not fit each other, or have not the form of rows.
    #[error("{reason}")]
    Body { reason: String },
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// One of several relationships that an embed could mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationshipCandidate {
    /// `many-to-one`, `one-to-many`, `one-to-one`, `many-to-many`.
    pub cardinality: &'static str,
    /// `films_director_id_fkey using films(director_id) and directors(id)`
    pub relationship: String,
    pub from: String,
    pub to: String,
    /// What the caller can write after `!` to choose this one.
    pub hint: String,
}

/// How a call gave its arguments, for the message that no function takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallBody {
    Names,
    /// Names in a JSON body, which could be the one argument as well.
    Json,
    /// One value.
    Whole(crate::query::WholeBody),
}
