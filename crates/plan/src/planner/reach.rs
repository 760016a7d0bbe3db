//! What a role may reach, for those who describe the API: relations with the columns of each verb, and functions.

use std::sync::Arc;

use crate::error::PlanError;
use crate::schema::{Column, ColumnId, Function, Privilege, Relation, Schema};

use super::authorize::Rights;
use super::call::is_callable;

/// Whose view of the API is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer<'a> {
    /// A caller of this role.
    Role(&'a str),
    /// Whoever sees everything that is exposed, whatever the grants.
    Everyone,
}

/// What can be reached in one schema, each list sorted by name.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    pub relations: Vec<Reached>,
    /// Overloads stand next to each other.
    pub functions: Vec<Arc<Function>>,
}

/// A relation with what may be done to it.
#[derive(Clone, Debug)]
pub struct Reached {
    pub relation: Arc<Relation>,
    /// The columns on which there is the right, in their order.
    pub select: Vec<ColumnId>,
    pub insert: Vec<ColumnId>,
    pub update: Vec<ColumnId>,
    pub delete: bool,
}

/// What `viewer` may reach in the schema called `of`, which must be one of `exposed`.
///
/// # Errors
/// When the schema is not exposed, or the role is none that a caller can have.
pub fn reach(schema: &Schema, exposed: &[String], of: &str, viewer: Viewer<'_>) -> Result<Reach, PlanError> {
    if !exposed.iter().any(|known| known == of) {
        return Err(PlanError::UnknownSchema { schema: of.to_owned(), exposed: exposed.to_vec() });
    }
    let rights = match viewer {
        Viewer::Role(role) => Some(Rights::of_caller(schema, role)?),
        Viewer::Everyone => None,
    };
    if rights.as_ref().is_some_and(|rights| !rights.may_enter(schema, of)) {
        return Ok(Reach::default());
    }
    let relations = schema.relations.values().filter(|relation| relation.schema == of);
    let mut relations: Vec<Reached> = relations.filter_map(|relation| reached(relation, rights.as_ref())).collect();
    relations.sort_by(|a, b| a.relation.name.cmp(&b.relation.name));
    let functions = schema.functions.iter().filter(|function| function.schema == of && is_callable(function));
    let may = |function: &&Arc<Function>| rights.as_ref().is_none_or(|rights| rights.may_execute(function));
    let mut functions: Vec<Arc<Function>> = functions.filter(may).cloned().collect();
    functions.sort_by_cached_key(|function| (function.name.clone(), function.args.len(), function.signature()));
    Ok(Reach { relations, functions })
}

/// The relation, unless nothing may be done to it.
fn reached(relation: &Arc<Relation>, rights: Option<&Rights<'_>>) -> Option<Reached> {
    let columns = |privilege| {
        let may = |column: &&Column| rights.is_none_or(|rights| rights.may(relation, privilege, &[column.id]));
        relation.columns.iter().filter(may).map(|column| column.id).collect::<Vec<_>>()
    };
    let writes = |privilege| if relation.writable { columns(privilege) } else { Vec::new() };
    let delete = relation.writable && rights.is_none_or(|rights| rights.may_on_all(relation, Privilege::Delete));
    let found = Reached {
        relation: Arc::clone(relation),
        select: columns(Privilege::Select),
        insert: writes(Privilege::Insert),
        update: writes(Privilege::Update),
        delete,
    };
    let is_useful = !found.select.is_empty() || !found.insert.is_empty() || !found.update.is_empty() || found.delete;
    is_useful.then_some(found)
}

impl Reached {
    pub fn columns<'a>(&'a self, ids: &'a [ColumnId]) -> impl Iterator<Item = &'a Column> {
        self.relation.columns.iter().filter(|column| ids.contains(&column.id))
    }
}

impl Rights<'_> {
    fn may_enter(&self, schema: &Schema, of: &str) -> bool {
        let grants = schema.namespaces.get(of).map_or(&[][..], |namespace| &namespace.grants);
        self.may_use("", grants, Privilege::Usage)
    }

    fn may_on_all(&self, relation: &Relation, privilege: Privilege) -> bool {
        self.columns(relation, privilege) == Some(None)
    }
}
