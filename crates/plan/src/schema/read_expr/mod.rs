//! From PostgreSQL's parse tree to typed expressions, selects and statements, with PostgreSQL's rules for
//! names, overloads and conversions. The fold of migrations calls it for every policy, check, default, view
//! and seed statement; it reads the schema and changes nothing.

mod aggregates;
mod calls;
mod candidates;
mod coerce;
mod expressions;
mod from;
mod functions;
mod inline;
mod names;
mod operators;
mod patterns;
mod select;
mod set_operations;
mod statements;
mod step_calls;
mod subselects;
mod types;
mod variables;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use pg_query::protobuf;

pub(crate) use coerce::can_cast;
pub(crate) use inline::{is_plain, substitute};
pub use step_calls::FoundCall;
pub use variables::Sight;

pub use functions::{AGGREGATES, FUNCTIONS, Kind, OPERATORS, Signature};

use super::{FunctionArg, Relation, Schema};
use crate::clock::Clock;
use crate::expr::{Expr, Select, SourceId, Statement};
use crate::value::Type;
use names::{Item, Names};

/// Reads expressions against one schema, as seen through one search path.
#[derive(Debug)]
pub struct Resolver<'a> {
    schema: &'a Schema,
    search_path: &'a [String],
    /// What `'now'` and its like mean in a constant.
    clock: Clock,
    next_source: Cell<u32>,
    inlined: RefCell<BTreeSet<(String, String)>>,
    /// Calls of functions that nothing stands for, where they can be made before what is read.
    calls: Option<RefCell<Vec<FoundCall>>>,
}

/// What an expression's bare names can mean.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    None,
    /// The relation's columns, on [`SourceId::ROW`].
    Relation(&'a Relation),
    /// `value` is what is being checked.
    Domain(&'a Type),
    /// The arguments of a function, by name or as `$1`.
    Args(&'a [FunctionArg]),
}

/// Why an expression or statement has no meaning here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Byte location, as the parser counts.
    pub offset: Option<i32>,
    pub length: usize,
    /// PostgreSQL's code, where it would refuse as well.
    pub sqlstate: Option<&'static str>,
    pub message: String,
    /// PostgreSQL's hint, or what to write instead.
    pub help: Option<String>,
}

type Read<T> = Result<T, ExprError>;

impl<'a> Resolver<'a> {
    pub fn new(schema: &'a Schema, search_path: &'a [String]) -> Self {
        let inlined = RefCell::default();
        Self { schema, search_path, clock: Clock::System, next_source: Cell::new(1), inlined, calls: None }
    }

    /// For bodies that are carried out step by step, which can call others of their kind.
    pub fn of_body(schema: &'a Schema, search_path: &'a [String]) -> Self {
        Self { calls: Some(RefCell::default()), ..Self::new(schema, search_path) }
    }

    /// Reads one expression. A string constant that nothing gives a type stays [`Type::Unknown`].
    ///
    /// # Errors
    /// When a name, type or construct is not known.
    pub fn expression(&self, node: &protobuf::Node, scope: Scope<'_>) -> Result<Expr, ExprError> {
        self.read(node, &scope.names())
    }

    /// Reads a select, for instance a view's.
    ///
    /// # Errors
    /// When a name, type or construct is not known.
    pub fn select(&self, stmt: &protobuf::SelectStmt) -> Result<Select, ExprError> {
        self.read_select(stmt, None)
    }

    /// Reads the body of a `language sql` function, converted to what the function returns.
    ///
    /// # Errors
    /// When a name, type or construct is not known, or the body returns something else.
    pub fn function_body(
        &self,
        stmt: &protobuf::SelectStmt,
        args: &[FunctionArg],
        returns: &Type,
    ) -> Result<Select, ExprError> {
        let names = self.names_of_args(args)?;
        let select = self.read_select(stmt, Some(&names))?;
        self.returning(select, returns)
    }

    /// Reads the body of a `language sql` function that returns rows with these columns.
    ///
    /// # Errors
    /// When a name, type or construct is not known, or the body returns other columns.
    pub fn rows_body(
        &self,
        stmt: &protobuf::SelectStmt,
        args: &[FunctionArg],
        (returns, columns): (&Type, &[(String, Type)]),
    ) -> Result<Select, ExprError> {
        let names = self.names_of_args(args)?;
        let select = self.read_select(stmt, Some(&names))?;
        self.returning_rows(select, returns, columns)
    }

    /// A function's arguments. The columns of its only one, where that is a row, are those of [`SourceId::ROW`].
    fn names_of_args<'n>(&self, args: &'n [FunctionArg]) -> Read<Names<'n>> {
        let mut names = Scope::Args(args).names();
        let [arg] = args else { return Ok(names) };
        let Some(relation) = self.schema.relation_of_row(&arg.ty) else { return Ok(names) };
        for alias in arg.name.as_deref().into_iter().chain(["$1"]) {
            let mut item = Item::of_relation(relation, SourceId::ROW).renamed(alias, &[], At::default())?;
            item.bare = false;
            names.items.push(item);
        }
        Ok(names)
    }

    /// Reads an insert, update, delete or select. What it returns is nobody's.
    ///
    /// # Errors
    /// When a name, type or construct is not known.
    pub fn statement(&self, node: &protobuf::Node) -> Result<Statement, ExprError> {
        self.read_statement(node, None)
    }

    /// Converts `expr` as an assignment to a column of type `to` does.
    ///
    /// # Errors
    /// When there is no such conversion, or a constant is no value of `to`.
    pub fn coerce(&self, expr: Expr, to: &Type) -> Result<Expr, ExprError> {
        self.assign(expr, to, None)
    }

    /// Reads a type's name, with its sizes. Pseudo-types and rows are [`Type::Other`].
    ///
    /// # Errors
    /// When there is no such type, or only PostgreSQL has it.
    pub fn type_name(&self, name: &protobuf::TypeName) -> Result<Type, ExprError> {
        self.read_type(name)
    }

    /// The functions whose bodies went into what was read, by schema and signature.
    pub fn inlined(self) -> BTreeSet<(String, String)> {
        self.inlined.into_inner()
    }

    fn new_source(&self) -> SourceId {
        let id = self.next_source.get();
        self.next_source.set(id + 1);
        SourceId(id)
    }
}

impl<'a> Scope<'a> {
    fn names(self) -> Names<'a> {
        let mut names = Names::default();
        match self {
            Self::None => {}
            Self::Relation(relation) => names.items.push(Item::of_relation(relation, SourceId::ROW)),
            Self::Domain(ty) => names.domain = Some(ty.clone()),
            Self::Args(args) => names.args = Some(args),
        }
        names
    }
}

impl ExprError {
    /// An error that PostgreSQL has too.
    fn new(at: At, sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { offset: at.offset, length: at.length, sqlstate: Some(sqlstate), message: message.into(), help: None }
    }

    /// Something that PostgreSQL does and this cannot say.
    fn unsupported(at: At, what: impl std::fmt::Display, instead: impl Into<String>) -> Self {
        Self {
            offset: at.offset,
            length: at.length,
            sqlstate: None,
            message: format!("{what} cannot be translated for this engine"),
            help: Some(instead.into()),
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Where in the text something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct At {
    offset: Option<i32>,
    length: usize,
}

impl At {
    fn new(location: i32) -> Self {
        Self::word(location, 1)
    }

    fn word(location: i32, length: usize) -> Self {
        Self { offset: (location >= 0).then_some(location), length }
    }
}
