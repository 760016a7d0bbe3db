//! What exists: tables, columns, types, relations, functions, roles, grants, policies.
//!
//! Engines with catalogs read it back from them; for the others it is the fold of the migrations
//! (`read_sql`). Things are referred to by id, so that renaming one changes one name.

mod access;
pub mod diff;
pub mod lint;
mod media;
pub mod read_expr;
pub mod read_plpgsql;
pub mod read_sql;
mod triggers;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use access::{DefaultPrivilege, DefaultPrivilegeObject, Grant, Grantee, Policy, PolicyCommand, Privilege, Role};
pub use media::{ANY as ANY_MEDIA, Handlers, MediaHandler, is_media_type};
pub use triggers::{Trigger, TriggerEvent, TriggerLevel, TriggerTiming};
pub use views::{ViewedKey, Views};

use crate::expr::{Expr, Select};
use crate::value::{DomainType, EnumType, Type};

/// A table's or view's identity, for as long as the schema lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationId(pub u32);

/// A column's identity within its relation. Never given to another column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u16);

/// Everything that exists, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// How many migrations had been applied when it was read. A plan is carried out on this version only.
    pub version: u64,
    /// By id, in the order of creation.
    pub relations: BTreeMap<RelationId, Arc<Relation>>,
    /// `(schema, name)` to id.
    pub names: BTreeMap<(String, String), RelationId>,
    /// Named schemas with the roles that may use them.
    pub namespaces: BTreeMap<String, Namespace>,
    pub enums: BTreeMap<(String, String), Arc<EnumType>>,
    pub domains: BTreeMap<(String, String), Arc<DomainType>>,
    pub functions: Vec<Arc<Function>>,
    /// What functions return that is no row of a relation, as relations without a place: [`Function::row`].
    pub rows: BTreeMap<RelationId, Arc<Relation>>,
    pub roles: BTreeMap<String, Role>,
    pub default_privileges: Vec<DefaultPrivilege>,
    pub sequences: BTreeMap<(String, String), Sequence>,
    pub next_relation: u32,
    /// The relations whose foreign keys point at each; see [`Schema::foreign_keys_to`].
    referrers: BTreeMap<RelationId, BTreeSet<RelationId>>,
    /// What views show of the keys of tables; see [`Schema::trace_views`].
    pub views: Views,
    /// Media types that functions of the database make of rows.
    pub media_handlers: Vec<MediaHandler>,
    /// What has the body of a `language sql` function in it, by the function's schema and signature. Only the fold of
    /// migrations keeps it.
    pub calls: BTreeSet<((String, String), read_sql::Object)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Namespace {
    pub comment: Option<String>,
    pub grants: Vec<Grant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    View,
    MaterializedView,
    ForeignTable,
    PartitionedTable,
}

/// A table or view.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    pub id: RelationId,
    pub schema: String,
    pub name: String,
    pub kind: RelationKind,
    /// In their order; ids need not be dense.
    pub columns: Vec<Column>,
    pub primary_key: Option<Key>,
    /// Unique constraints, less the primary key.
    pub unique: Vec<Key>,
    pub foreign_keys: Vec<ForeignKey>,
    pub checks: Vec<Check>,
    /// Indexes that were made as such, less those of constraints.
    pub indexes: Vec<Index>,
    pub comment: Option<String>,
    pub owner: String,
    pub row_security: RowSecurity,
    pub policies: Vec<Policy>,
    /// By name; only where the engine does not keep them itself.
    pub triggers: Vec<Trigger>,
    pub grants: Vec<Grant>,
    /// A view's select; `None` where the engine keeps it itself.
    pub definition: Option<Arc<Select>>,
    /// `with (security_invoker)`: the view reads with its caller's rights.
    pub security_invoker: bool,
    /// Whether rows can be written. Always so for tables; for views it is the engine's word.
    pub writable: bool,
}

/// Whether row level security is on, and whether it binds the owner as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowSecurity {
    pub enabled: bool,
    pub forced: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub id: ColumnId,
    pub name: String,
    pub ty: Type,
    pub not_null: bool,
    pub default: Option<DefaultValue>,
    pub comment: Option<String>,
}

/// What a column holds when an insert does not say.
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultValue {
    Expr(Expr),
    /// `serial`, or `default nextval('…')`.
    Sequence {
        sequence: (String, String),
    },
    /// `generated … as identity`.
    Identity {
        always: bool,
        start: i64,
        increment: i64,
    },
    /// `generated always as (…) stored`.
    Generated(Expr),
    /// Has one that only the engine knows, as its text.
    Engine(String),
}

/// A primary key or unique constraint.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub name: String,
    pub columns: Vec<ColumnId>,
    pub nulls_not_distinct: bool,
    pub deferrable: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ForeignKey {
    pub name: String,
    pub columns: Vec<ColumnId>,
    pub target: RelationId,
    pub target_columns: Vec<ColumnId>,
    pub on_delete: ReferentialAction,
    pub on_update: ReferentialAction,
    pub deferrable: bool,
    pub initially_deferred: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferentialAction {
    #[default]
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

impl ReferentialAction {
    /// Whether rows that refer follow a change; else the change is refused while there are any.
    pub fn changes_rows(self) -> bool {
        match self {
            Self::NoAction | Self::Restrict => false,
            Self::Cascade | Self::SetNull | Self::SetDefault => true,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub name: String,
    pub condition: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    pub name: String,
    pub unique: bool,
    pub nulls_not_distinct: bool,
    pub terms: Vec<IndexTerm>,
    pub condition: Option<Expr>,
    /// A kind of index (gin, brin) that only PostgreSQL makes; it has a name everywhere. SQLite makes an index of words
    /// of its terms that are vectors.
    pub only_postgres: bool,
    pub comment: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct IndexTerm {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    pub start: i64,
    pub increment: i64,
    /// The column that owns it, if any.
    pub owner: Option<(RelationId, ColumnId)>,
    pub grants: Vec<Grant>,
}

/// A function by name; overloads are separate entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    pub schema: String,
    pub name: String,
    pub args: Vec<FunctionArg>,
    pub returns: Type,
    pub returns_set: bool,
    pub result: FunctionResult,
    /// The columns of what it returns: those of a relation whose rows it gives, else of one of [`Schema::rows`].
    pub row: RelationId,
    pub volatility: Volatility,
    /// `rows 1`: what it gives for a row is at most one.
    pub one_row: bool,
    pub owner: String,
    pub language: String,
    pub security_definer: bool,
    pub strict: bool,
    /// The source text; what a `language sql` body means is in `body`.
    pub source: String,
    /// A `language sql` scalar body whose names are known; arguments are `Expr::Output { source: ROW, index }`.
    pub body: Option<Select>,
    /// A body that is more than one select or `return`, for engines that do not run it themselves.
    pub procedure: Option<Arc<read_plpgsql::Body>>,
    /// `set search_path = …`, else the one that it was made with.
    pub search_path: Vec<String>,
    pub grants: Vec<Grant>,
    pub comment: Option<String>,
}

/// An argument that a call gives.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionArg {
    pub name: Option<String>,
    pub ty: Type,
    /// Whether a call may leave it out.
    pub optional: bool,
    /// What it is then; `None` where only the engine knows.
    pub default: Option<Expr>,
    /// The last one may be given any number of times; `ty` is the array of them.
    pub variadic: bool,
}

/// What one answer of a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionResult {
    /// `returns void`.
    Nothing,
    /// One value, in a column called [`Function::VALUE`].
    Value,
    /// A row: of a relation, of `returns table (…)`, or of `out` arguments.
    Row,
}

/// Whether a function may change data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Volatility {
    #[default]
    Volatile,
    Stable,
    Immutable,
}

impl Schema {
    pub fn relation(&self, id: RelationId) -> &Relation {
        let found = self.relations.get(&id).or_else(|| self.rows.get(&id));
        found.expect("a relation's id outlives nothing that refers to it")
    }

    pub fn find(&self, schema: &str, name: &str) -> Option<&Arc<Relation>> {
        // The map's key is a pair of owned strings; scanning one schema's range would need them too.
        self.names.get(&(schema.to_owned(), name.to_owned())).and_then(|id| self.relations.get(id))
    }

    /// The relation whose rows have this type.
    pub fn relation_of_row(&self, ty: &Type) -> Option<&Arc<Relation>> {
        let Type::Other(_) = ty else { return None };
        self.relations.values().find(|relation| relation.is_row_type(ty))
    }

    /// Adds a relation under a new id, or replaces the one with its id.
    pub fn put(&mut self, relation: Relation) {
        self.remove(relation.id);
        for key in &relation.foreign_keys {
            self.referrers.entry(key.target).or_default().insert(relation.id);
        }
        self.names.insert((relation.schema.clone(), relation.name.clone()), relation.id);
        self.next_relation = self.next_relation.max(relation.id.0 + 1);
        self.relations.insert(relation.id, Arc::new(relation));
    }

    pub fn remove(&mut self, id: RelationId) {
        if let Some(old) = self.relations.remove(&id) {
            self.names.remove(&(old.schema.clone(), old.name.clone()));
            for key in &old.foreign_keys {
                self.referrers.get_mut(&key.target).map(|referrers| referrers.remove(&id));
            }
        }
    }

    /// The foreign keys that point at the relation, each with the table that has it. What this costs does not depend
    /// on how many relations there are: every write on SQLite asks.
    pub fn foreign_keys_to(&self, target: RelationId) -> impl Iterator<Item = (&Relation, &ForeignKey)> {
        let referrers = self.referrers.get(&target).into_iter().flatten();
        referrers.filter_map(|id| self.relations.get(id)).flat_map(move |child| {
            child.foreign_keys.iter().filter(move |key| key.target == target).map(move |key| (&**child, key))
        })
    }

    /// An id that no relation has had.
    pub fn new_relation_id(&mut self) -> RelationId {
        self.next_relation += 1;
        RelationId(self.next_relation)
    }
}

impl Relation {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub fn column_by_id(&self, id: ColumnId) -> &Column {
        self.columns.iter().find(|column| column.id == id).expect("a column's id outlives nothing that refers to it")
    }

    pub fn column_names<'a>(&'a self, ids: &'a [ColumnId]) -> impl Iterator<Item = &'a str> {
        ids.iter().map(|id| self.column_by_id(*id).name.as_str())
    }

    /// The primary key and the unique constraints.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.primary_key.iter().chain(&self.unique)
    }

    /// Whether `ty` is that of its rows: its name after its schema's, each perhaps in quotes.
    pub fn is_row_type(&self, ty: &Type) -> bool {
        let Type::Other(name) = ty else { return false };
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let after = |schema: &str| name.strip_prefix(schema).and_then(|rest| rest.strip_prefix('.'));
        let rest = after(&self.schema).or_else(|| after(&quoted(&self.schema)));
        rest.is_some_and(|rest| rest == self.name || rest == quoted(&self.name))
    }

    pub fn is_view(&self) -> bool {
        matches!(self.kind, RelationKind::View | RelationKind::MaterializedView)
    }
}

impl Relation {
    /// One with columns and nothing else, which nobody may reach.
    pub fn new(id: RelationId, (schema, name): (String, String), kind: RelationKind, columns: Vec<Column>) -> Self {
        Self {
            id,
            schema,
            name,
            kind,
            columns,
            primary_key: None,
            unique: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            indexes: Vec::new(),
            comment: None,
            owner: String::new(),
            row_security: RowSecurity::default(),
            policies: Vec::new(),
            triggers: Vec::new(),
            grants: Vec::new(),
            definition: None,
            security_invoker: false,
            writable: kind == RelationKind::Table,
        }
    }

    /// What a function returns, as a relation of its own.
    pub fn of_function(id: RelationId, function: (&str, &str), columns: Vec<(String, Type)>) -> Self {
        let column = |((name, ty), id): ((String, Type), u16)| Column {
            id: ColumnId(id),
            name,
            ty,
            not_null: false,
            default: None,
            comment: None,
        };
        let name = (function.0.to_owned(), function.1.to_owned());
        Self::new(id, name, RelationKind::View, columns.into_iter().zip(1..).map(column).collect())
    }
}

impl Function {
    /// The column of a result that is one value.
    pub const VALUE: &str = "pgrst_scalar";

    /// `name(type, type)`, as messages show a function.
    pub fn signature(&self) -> String {
        let types: Vec<String> = self.args.iter().map(|arg| arg.ty.sql_name()).collect();
        format!("{}({})", self.name, types.join(","))
    }
}

impl Index {
    /// Whether its terms are exactly these columns.
    pub fn covers(&self, columns: &[ColumnId]) -> bool {
        let is_term = |term: &IndexTerm| matches!(&term.expr, Expr::Column { column, .. } if columns.contains(column));
        self.terms.len() == columns.len() && self.terms.iter().all(is_term)
    }
}

impl Column {
    pub fn is_generated(&self) -> bool {
        matches!(self.default, Some(DefaultValue::Generated(_)))
    }
}
