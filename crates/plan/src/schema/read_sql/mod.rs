//! Migration files as steps: each statement, parsed by PostgreSQL's own grammar, changes the schema or writes rows.
//! For engines without catalogs; they carry the steps out in order. What cannot be carried over is refused with
//! its place and what to write instead. Expressions are `read_expr`'s.

mod access;
mod alter;
mod columns;
mod comments;
mod constraints;
mod copy;
mod dependents;
mod drop;
mod fault;
mod function_header;
mod functions;
mod indexes;
mod like;
mod names;
mod policies;
mod procedures;
mod rename;
mod resolve;
mod review;
mod roles;
mod schemas;
mod sequences;
mod settings;
mod split;
mod statement;
mod tables;
mod triggers;
mod types;
mod views;
mod writes;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::{
    ColumnId, DefaultPrivilege, DefaultPrivilegeObject, Grant, Grantee, Namespace, Privilege, Relation, RelationId,
    Role, Schema,
};
use crate::engine::SqlError;
use crate::expr::{Expr, Statement};

pub use copy::{CopyFormat, CopyKind};
pub use drop::Object;
pub(crate) use resolve::{Junction, deparse, operands};
pub use review::{PassedOver, fold_known};
pub(crate) use review::{Reviewed, review};

use fault::Fault;
use split::{Piece, Splitter};

/// The role that statements run as; it owns what they make.
pub const OWNER: &str = "postgres";

/// One migration or seed file.
#[derive(Clone, Copy, Debug)]
pub struct SqlFile<'a> {
    /// How messages call it.
    pub path: &'a str,
    pub text: &'a str,
}

/// What an engine has to do, in order. Offsets and lengths are bytes of the file's text.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a file has few steps, and each is read once")]
pub enum Step {
    /// The schema changed; the engine makes its tables, indexes and views follow.
    Define { before: Arc<Schema>, after: Arc<Schema>, conversions: Vec<Conversion>, offset: usize, length: usize },
    /// Rows are written, or a `select` is run for its effect.
    Write { schema: Arc<Schema>, statement: Statement, offset: usize, length: usize },
    /// `copy … from stdin`; `rows` is where its rows stand in the file's text.
    Copy {
        schema: Arc<Schema>,
        relation: RelationId,
        columns: Vec<ColumnId>,
        format: CopyFormat,
        rows: Range<usize>,
        offset: usize,
        length: usize,
    },
}

/// A column whose rows get a new type or form: `using` is over [`crate::expr::SourceId::ROW`] of the old table.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    pub relation: RelationId,
    pub column: ColumnId,
    pub using: Expr,
}

/// Reads a file's statements on top of `schema`, which ends up as they leave it.
///
/// # Errors
/// At the first statement that PostgreSQL would refuse or that cannot be carried over; `schema` stays as it was then.
#[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
pub fn read(schema: &mut Arc<Schema>, file: &SqlFile<'_>) -> Result<Vec<Step>, SqlError> {
    let read = Fold::new(Arc::clone(schema), Wanted::Steps).file(file)?;
    *schema = read.schema;
    Ok(read.steps)
}

/// As [`read`], for a file that was carried out before: without steps, which hold copies of the schema, it is fast.
///
/// # Errors
/// As [`read`].
#[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
pub fn fold(schema: &mut Arc<Schema>, file: &SqlFile<'_>) -> Result<(), SqlError> {
    *schema = Fold::new(Arc::clone(schema), Wanted::SchemaAlone).file(file)?.schema;
    Ok(())
}

/// What a file is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Steps,
    SchemaAlone,
}

/// The state between two statements of one file.
struct Fold<'a> {
    wanted: Wanted,
    schema: Arc<Schema>,
    search_path: Vec<String>,
    steps: Vec<Step>,
    /// The statement being read.
    piece: Piece<'a>,
    /// What the statement being read asks for besides a changed schema.
    conversions: Vec<Conversion>,
    writes: Vec<Statement>,
    /// The ids of dropped columns are not given again while a step may still speak of them.
    next_columns: HashMap<RelationId, u16>,
    /// Functions whose bodies went into what is being read.
    called: RefCell<BTreeSet<(String, String)>>,
    /// A `commit` was read: nothing may follow.
    ended: bool,
    /// Where the PL/pgSQL bodies of this file begin, by their function's schema and signature.
    bodies: HashMap<(String, String), usize>,
    /// Offset and length of what made the triggers of this file.
    trigger_places: HashMap<(RelationId, String), (usize, usize)>,
}

impl<'a> Fold<'a> {
    fn new(schema: Arc<Schema>, wanted: Wanted) -> Self {
        Self {
            wanted,
            schema,
            search_path: settings::default_search_path(),
            steps: Vec::new(),
            piece: Piece { offset: 0, text: "" },
            conversions: Vec::new(),
            writes: Vec::new(),
            next_columns: HashMap::new(),
            called: RefCell::default(),
            ended: false,
            bodies: HashMap::new(),
            trigger_places: HashMap::new(),
        }
    }

    #[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
    fn file(mut self, file: &SqlFile<'a>) -> Result<Self, SqlError> {
        let mut splitter = Splitter::new(file.text);
        while let Some(found) = splitter.next() {
            let piece = found.map_err(|fault| fault.locate(file, &Piece { offset: splitter.offset(), text: "" }))?;
            self.take(&mut splitter, piece).map_err(|fault| fault.locate(file, &self.piece))?;
        }
        if self.wanted == Wanted::Steps {
            self.check_procedures(file)?;
        }
        Ok(self)
    }

    /// Reads one statement and adds its steps.
    fn take(&mut self, splitter: &mut Splitter<'a>, piece: Piece<'a>) -> Result<(), Fault> {
        self.piece = piece;
        let parsed = split::parse(splitter, &mut self.piece)?;
        self.called.take();
        for node in &parsed {
            match self.wanted {
                Wanted::Steps => {
                    let before = Arc::clone(&self.schema);
                    self.statement(node, splitter)?;
                    self.finish(before);
                }
                Wanted::SchemaAlone => {
                    self.statement(node, splitter)?;
                    self.conversions.clear();
                    self.writes.clear();
                    self.steps.clear();
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, before: Arc<Schema>) {
        let (offset, length) = (self.piece.offset, self.piece.text.len());
        let conversions = std::mem::take(&mut self.conversions);
        let unchanged = Arc::ptr_eq(&before, &self.schema);
        if !(unchanged || conversions.is_empty() && self.extends_last(&before)) {
            let after = Arc::clone(&self.schema);
            self.steps.push(Step::Define { before, after, conversions, offset, length });
        }
        for statement in std::mem::take(&mut self.writes) {
            self.steps.push(Step::Write { schema: Arc::clone(&self.schema), statement, offset, length });
        }
    }

    /// Lets the last step reach this statement too, where no row that exists already can tell the difference.
    fn extends_last(&mut self, before: &Arc<Schema>) -> bool {
        let Some(Step::Define { before: first, after, conversions, offset, length }) = self.steps.last_mut() else {
            return false;
        };
        let quiet = conversions.is_empty() && Arc::ptr_eq(after, before);
        if !quiet || !leaves_rows_alone(first, after) || !leaves_rows_alone(first, &self.schema) {
            return false;
        }
        *after = Arc::clone(&self.schema);
        *length = self.piece.offset + self.piece.text.len() - *offset;
        true
    }

    fn edit<T>(&mut self, id: RelationId, change: impl FnOnce(&mut Relation) -> T) -> T {
        let mut relation = self.schema.relation(id).clone();
        let result = change(&mut relation);
        self.schema_mut().put(relation);
        result
    }

    fn schema_mut(&mut self) -> &mut Schema {
        Arc::make_mut(&mut self.schema)
    }

    /// An id that no column of the relation has had in this file.
    fn new_column_id(&mut self, relation: &Relation) -> ColumnId {
        let used = relation.columns.iter().map(|column| column.id.0).max().unwrap_or(0);
        let next = self.next_columns.entry(relation.id).or_insert(1);
        *next = (*next).max(used.saturating_add(1));
        let id = ColumnId(*next);
        *next += 1;
        id
    }
}

/// Whether going from one schema to the other makes tables but touches none that may hold rows.
fn leaves_rows_alone(before: &Schema, after: &Schema) -> bool {
    before.relations.iter().all(|(id, old)| {
        after.relations.get(id).is_some_and(|new| {
            Arc::ptr_eq(old, new)
                || (old.schema == new.schema
                    && old.name == new.name
                    && old.columns == new.columns
                    && old.primary_key == new.primary_key
                    && old.unique == new.unique
                    && old.foreign_keys == new.foreign_keys
                    && old.checks == new.checks
                    && old.indexes == new.indexes
                    && old.definition == new.definition)
        })
    })
}

impl Schema {
    /// What exists before the first statement, as in a new PostgreSQL database: the schema `public`, which everyone
    /// may use, and the superuser that owns everything.
    pub fn initial() -> Self {
        let owner = Role { name: OWNER.into(), inherit: true, superuser: true, login: true, ..Role::default() };
        let usage = Grant { grantee: Grantee::Public, privilege: Privilege::Usage, columns: None, grantable: false };
        let public = Namespace { comment: Some("standard public schema".into()), grants: vec![usage.clone()] };
        let execute = DefaultPrivilege {
            schema: None,
            owner: OWNER.into(),
            object: DefaultPrivilegeObject::Functions,
            grant: Grant { privilege: Privilege::Execute, ..usage },
        };
        Self {
            namespaces: BTreeMap::from([("public".to_owned(), public)]),
            roles: BTreeMap::from([(OWNER.to_owned(), owner)]),
            default_privileges: vec![execute],
            ..Self::default()
        }
    }
}
