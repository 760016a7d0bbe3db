//! The API described for programs: OpenAPI 3.1, PostgREST's Swagger 2.0, a Postman collection, types of TypeScript and
//! of Python. Every form is made of one [`Api`], which holds only what its viewer may reach, in the same order on every
//! engine.

mod default;
mod documents;
mod json_schema;
mod openapi;
mod postman;
mod python;
mod sample;
mod swagger;
mod typescript;

use std::sync::Arc;

use roadbed_plan::planner::{Reach, Reached, Viewer, reach};
use roadbed_plan::schema::{Column, ForeignKey, Function, Relation};
use roadbed_plan::{PlanError, Schema};

pub use documents::{DescribeSettings, Document, Documents, OpenApiMode};
pub use openapi::openapi;
pub use postman::{collection, environment};
pub use python::python;
pub use swagger::swagger;
pub use typescript::typescript;

/// One exposed schema as its viewer may reach it.
#[derive(Debug)]
pub struct Api {
    pub(crate) schema: Arc<Schema>,
    /// The name of the exposed schema.
    pub(crate) of: String,
    pub(crate) reach: Reach,
    pub(crate) place: ApiPlace,
}

/// What is said of where and how the API is served.
#[derive(Clone, Debug, Default)]
pub struct ApiPlace {
    /// How callers reach the server, where the operator has said so.
    pub public_url: Option<String>,
    /// The address that the server listens on, as a URL.
    pub url: String,
    /// The exposed schemas, the first being the default.
    pub schemas: Vec<String>,
    pub anonymous_role: String,
    pub max_rows: Option<u64>,
    /// Whether Swagger 2.0 says that a token is wanted.
    pub security_active: bool,
}

impl Api {
    /// The API of the schema `of` as `viewer` sees it.
    ///
    /// # Errors
    /// When the schema is not exposed, or no caller can have the viewer's role.
    pub fn new(schema: Arc<Schema>, of: &str, viewer: Viewer<'_>, place: ApiPlace) -> Result<Self, PlanError> {
        let reach = reach(&schema, &place.schemas, of, viewer)?;
        Ok(Self { schema, of: of.to_owned(), reach, place })
    }

    /// Whether the schema must be named in a header.
    fn needs_profile(&self) -> bool {
        self.place.schemas.first() != Some(&self.of)
    }

    fn reached(&self, name: &str) -> Option<&Reached> {
        self.reach.relations.iter().find(|reached| reached.relation.name == name)
    }

    /// The foreign keys from a relation to others that can be reached, in an order that every engine has.
    fn keys_from<'s>(&'s self, relation: &'s Relation) -> Vec<(&'s ForeignKey, &'s Relation, bool)> {
        let from = self.schema.foreign_keys().filter(|(from, ..)| from.id == relation.id);
        let to = from.map(|(_, key, unique)| (key, self.schema.relation(key.target), unique));
        let mut keys: Vec<_> =
            to.filter(|(_, to, _)| to.schema == self.of && self.reached(&to.name).is_some()).collect();
        keys.sort_by(|(a, a_to, _), (b, b_to, _)| {
            (&a.name, &a_to.name, &a.columns).cmp(&(&b.name, &b_to.name, &b.columns))
        });
        keys.dedup_by(|a, b| a.0 == b.0);
        keys
    }

    /// The one key that a single column is.
    fn key_of_column<'s>(&'s self, relation: &'s Relation, column: &Column) -> Option<(&'s Relation, &'s Column)> {
        let keys = self.keys_from(relation);
        let single = |(key, ..): &&(&ForeignKey, &Relation, bool)| key.columns == [column.id];
        // What refers to a table refers to the views that show its key as well.
        let found = keys.iter().filter(single).min_by_key(|(_, to, _)| to.is_view())?;
        Some((found.1, found.1.column_by_id(*found.0.target_columns.first()?)))
    }

    /// The names of the relations that rows of this one can have embedded.
    fn related(&self, relation: &Relation) -> Vec<&str> {
        let ends = self.schema.foreign_keys().filter_map(|(from, key, _)| {
            let to = self.schema.relation(key.target);
            match (from.id == relation.id, to.id == relation.id) {
                (true, _) => Some(to),
                (false, true) => Some(from),
                (false, false) => None,
            }
        });
        let mut names: Vec<&str> =
            ends.filter(|end| end.schema == self.of).filter_map(|end| self.reached(&end.name)).map(name_of).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The functions, overloads together.
    fn functions(&self) -> impl Iterator<Item = &[Arc<Function>]> {
        self.reach.functions.chunk_by(|a, b| a.name == b.name)
    }

    fn is_key(&self, relation: &Relation, column: &Column) -> bool {
        self.schema.primary_key(relation).is_some_and(|key| key.contains(&column.id))
    }

    /// What the comment on the schema says: a title, and more.
    fn about(&self) -> (Option<&str>, Option<&str>) {
        told(self.schema.namespaces.get(&self.of).and_then(|namespace| namespace.comment.as_deref()))
    }
}

/// What PostgreSQL itself says of the schema `public`, which tells nobody anything.
fn is_stock(comment: &str) -> bool {
    comment == "standard public schema"
}

fn name_of(reached: &Reached) -> &str {
    &reached.relation.name
}

/// A comment's first line, and what comes after it.
fn told(comment: Option<&str>) -> (Option<&str>, Option<&str>) {
    let Some(comment) = comment else { return (None, None) };
    let (first, rest) = comment.split_once('\n').unwrap_or((comment, ""));
    let rest = rest.trim_start_matches('\n');
    (Some(first), (!rest.is_empty()).then_some(rest))
}

/// Whether the database alone writes the column.
fn is_read_only(column: &Column) -> bool {
    use roadbed_plan::schema::DefaultValue as D;
    match &column.default {
        Some(D::Generated(_) | D::Identity { always: true, .. }) => true,
        Some(D::Expr(_) | D::Sequence { .. } | D::Identity { always: false, .. } | D::Engine(_)) | None => false,
    }
}

/// Whether an insert must say what the column holds. A domain may have a default that the catalogs do not tell here.
fn is_required(column: &Column) -> bool {
    column.not_null && column.default.is_none() && !matches!(column.ty, roadbed_plan::Type::Domain(_))
}
