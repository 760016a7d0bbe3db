//! Expressions and statements within a PL/pgSQL body: its variables and rows are in sight around each of them.

use pg_query::protobuf::{self, node::Node as NodeEnum};

use crate::expr::{Expr, Select, SelectOutput, Statement};
use crate::value::Type;

use super::coerce::Context;
use super::names::{Item, ItemColumn, Names};
use super::select::columns;
use super::{At, ExprError, Resolver};

/// What a body's names mean.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// The function's name, before which a variable may be written with a dot.
    pub function: String,
    pub variables: Vec<(String, Expr)>,
    /// `NEW`, `OLD` and records, with their fields.
    pub rows: Vec<(String, Vec<(String, Expr)>)>,
    /// The arguments, as `$1` and so on name them.
    pub numbered: Vec<Expr>,
    /// Whether a column hides a variable of its name, as in SQL; in PL/pgSQL nobody knows which is meant.
    pub behind_columns: bool,
}

impl Sight {
    fn names(&self) -> Names<'static> {
        let item = |name: &str, columns: &[(String, Expr)], bare: bool| {
            let column = |(name, expr): &(String, Expr)| ItemColumn { name: name.clone(), expr: expr.clone() };
            Item { bare, ..Item::new(name, columns.iter().map(column).collect()) }
        };
        let (variables, numbered) = (!self.behind_columns, self.numbered.clone());
        let mut names = Names { variables, numbered, ..Names::default() };
        names.items.push(item(&self.function, &self.variables, true));
        names.items.extend(self.rows.iter().map(|(name, fields)| item(name, fields, false)));
        names
    }
}

impl Resolver<'_> {
    /// Reads one expression of a body.
    ///
    /// # Errors
    /// When a name, type or construct is not known.
    pub fn expression_in(&self, node: &protobuf::Node, sight: &Sight) -> Result<Expr, ExprError> {
        let expr = self.read(node, &sight.names())?;
        self.settled(expr)
    }

    /// As [`Self::expression_in`], converted as an assignment to a variable of type `to` does.
    ///
    /// # Errors
    /// When a name, type or construct is not known, or there is no such conversion.
    pub fn assigned_in(&self, node: &protobuf::Node, to: &Type, sight: &Sight) -> Result<Expr, ExprError> {
        let expr = self.read(node, &sight.names())?;
        self.assigned_by_text(expr, to)
    }

    /// What no assignment of SQL converts, PL/pgSQL converts through its text.
    ///
    /// # Errors
    /// When there is no such conversion either.
    pub fn assigned_by_text(&self, expr: Expr, to: &Type) -> Result<Expr, ExprError> {
        self.assign(expr.clone(), to, None)
            .or_else(|error| self.convert(expr, to, Context::Explicit, At::default()).map_err(|_| error))
    }

    /// A condition of a body.
    ///
    /// # Errors
    /// When a name, type or construct is not known, or it is no boolean.
    pub fn condition_in(&self, node: &protobuf::Node, sight: &Sight) -> Result<Expr, ExprError> {
        let expr = self.read(node, &sight.names())?;
        self.boolean(expr, "IF", At::default())
    }

    /// Reads a statement of a body, and what a writing one returns.
    ///
    /// # Errors
    /// When a name, type or construct is not known.
    pub fn statement_in(
        &self,
        node: &protobuf::Node,
        sight: &Sight,
    ) -> Result<(Statement, Vec<SelectOutput>), ExprError> {
        let names = sight.names();
        let statement = self.read_statement(node, Some(&names))?;
        let (range, returning) = match &node.node {
            Some(NodeEnum::InsertStmt(stmt)) => (&stmt.relation, &stmt.returning_clause),
            Some(NodeEnum::UpdateStmt(stmt)) => (&stmt.relation, &stmt.returning_clause),
            Some(NodeEnum::DeleteStmt(stmt)) => (&stmt.relation, &stmt.returning_clause),
            _ => return Ok((statement, Vec::new())),
        };
        let (Some(range), Some(returning)) = (range, returning) else { return Ok((statement, Vec::new())) };
        let mut outputs = self.read_returning(&returning.exprs, range, &names)?;
        for output in &mut outputs {
            output.expr = self.settled(std::mem::replace(&mut output.expr, Expr::boolean(false)))?;
        }
        Ok((statement, outputs))
    }

    /// Converts what a select gives to the types of what it is assigned to.
    ///
    /// # Errors
    /// When there is no such conversion.
    pub fn select_as(&self, select: Select, types: &[Type]) -> Result<Select, ExprError> {
        let have = columns(&select);
        let wanted: Vec<Type> =
            have.iter().enumerate().map(|(at, (_, ty))| types.get(at).unwrap_or(ty).clone()).collect();
        if have.iter().zip(&wanted).all(|((_, have), wanted)| have == wanted) {
            return Ok(select);
        }
        let select = if select.values.is_empty() { select } else { self.around(select) };
        self.with_types(select.clone(), &wanted, Context::Assignment, At::default())
            .or_else(|error| self.with_types(select, &wanted, Context::Explicit, At::default()).map_err(|_| error))
    }

    /// The last select of a function in SQL, as the function says that it returns it.
    ///
    /// # Errors
    /// When there is no such conversion.
    pub fn returned_select(
        &self,
        select: Select,
        returns: &Type,
        columns: Option<&[(String, Type)]>,
    ) -> Result<Select, ExprError> {
        match columns {
            Some(columns) => self.returning_rows(select, returns, columns),
            None => self.returning(select, returns),
        }
    }

    /// As [`Self::returned_select`], of what a writing statement returns.
    ///
    /// # Errors
    /// When there is no such conversion.
    pub fn returned_rows(
        &self,
        outputs: Vec<SelectOutput>,
        returns: &Type,
        columns: Option<&[(String, Type)]>,
    ) -> Result<Vec<SelectOutput>, ExprError> {
        let select = Select { outputs, ..Select::default() };
        Ok(self.returned_select(select, returns, columns)?.outputs)
    }

    /// The names and types of what a select gives.
    pub fn outputs_of(select: &Select) -> Vec<(String, Type)> {
        columns(select)
    }
}

/// A name that a body's variable and a column of its statement both have.
pub(super) fn ambiguous(name: &str, at: At) -> ExprError {
    ExprError::new(at, "42702", format!("column reference \"{name}\" is ambiguous"))
        .help("It could refer to either a PL/pgSQL variable or a table column.")
}
