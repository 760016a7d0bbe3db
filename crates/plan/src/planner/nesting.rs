//! Keys of a body that name related rows rather than columns.

use std::sync::Arc;

use indexmap::IndexMap;

use super::embed::{Path, Relationship};
use super::{Limits, Planner};
use crate::engine::Capabilities;
use crate::error::PlanError;
use crate::query::{Embed, Insert, Query, Selection, Target};
use crate::schema::{ColumnId, Relation, Schema};
use crate::session::Session;

/// Rows that a key of a body holds, and how they hang on the body's own row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nesting {
    pub target: Target,
    pub link: NestedLink,
}

/// Names of columns in pairs, the side that is nearer to the body's own row first.
pub type ColumnPairs = Vec<(String, String)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NestedLink {
    /// The body's own row refers to the one nested in it.
    Parent(ColumnPairs),
    /// The nested rows, or the one, refer to the body's own.
    Children { many: bool, pairs: ColumnPairs },
    /// Rows of a junction refer to both.
    Through { junction: Target, near: ColumnPairs, far: ColumnPairs },
}

/// What nests in the rows of `insert`: a column wins over a relation of the same name, and what is neither is left for
/// the planner to refuse.
///
/// # Errors
/// When the relation is unknown, or a key could mean more than one relationship.
pub fn nestings(
    schema: &Arc<Schema>,
    capabilities: Capabilities,
    limits: &Limits,
    (session, insert): (&Session, &Insert),
) -> Result<IndexMap<String, Nesting>, PlanError> {
    let planner = Planner::new(schema, capabilities, limits, session)?;
    let relation = planner.visible_relation(&insert.target)?;
    let mut found = IndexMap::new();
    for key in insert.rows.columns.iter().filter(|key| relation.column(key).is_none()) {
        if let Some(nesting) = planner.nesting(relation, key)? {
            found.insert(key.clone(), nesting);
        }
    }
    Ok(found)
}

/// Whether rows of other relations nest in what `query` inserts. What is wrong with it is told when it is planned.
pub fn is_nested(
    schema: &Arc<Schema>,
    capabilities: Capabilities,
    limits: &Limits,
    (session, query): (&Session, &Query),
) -> bool {
    let Query::Insert(insert) = query else { return false };
    let relation = schema.find(&insert.target.schema, &insert.target.name);
    if relation.is_none_or(|relation| insert.rows.columns.iter().all(|key| relation.column(key).is_some())) {
        return false;
    }
    let found = nestings(schema, capabilities, limits, (session, insert));
    match found {
        Ok(found) => !found.is_empty(),
        // Told in its own words by the same search.
        Err(PlanError::AmbiguousRelationship { .. }) => true,
        Err(_) => false,
    }
}

impl<'a> Planner<'a> {
    /// What `key`, a name with or without `!hint`, means beside `from`.
    fn nesting(&self, from: &'a Relation, key: &str) -> Result<Option<Nesting>, PlanError> {
        let (target, hint) = match key.split_once('!') {
            Some((target, hint)) => (target, Some(hint.to_owned())),
            None => (key, None),
        };
        let selection = Selection::default();
        let embed = Embed { target: target.to_owned(), alias: None, hint, inner: false, spread: false, selection };
        match self.relationship(from, &embed) {
            Ok(found) => Ok(Some(nesting_of(&found))),
            Err(PlanError::NoRelationship { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn nesting_of(found: &Relationship<'_>) -> Nesting {
    let (from, to) = (found.from, found.to);
    let link = match found.path {
        Path::ToParent { key, .. } => NestedLink::Parent(pairs((from, &key.columns), (to, &key.target_columns))),
        Path::ToChild { key, unique } => {
            NestedLink::Children { many: !unique, pairs: pairs((from, &key.target_columns), (to, &key.columns)) }
        }
        Path::Junction { junction, near, far } => NestedLink::Through {
            junction: target_of(junction),
            near: pairs((from, &near.target_columns), (junction, &near.columns)),
            far: pairs((junction, &far.columns), (to, &far.target_columns)),
        },
    };
    Nesting { target: target_of(to), link }
}

fn target_of(relation: &Relation) -> Target {
    Target { schema: relation.schema.clone(), name: relation.name.clone() }
}

fn pairs((near, nears): (&Relation, &[ColumnId]), (far, fars): (&Relation, &[ColumnId])) -> ColumnPairs {
    let names = near.column_names(nears).zip(far.column_names(fars));
    names.map(|(near, far)| (near.to_owned(), far.to_owned())).collect()
}
