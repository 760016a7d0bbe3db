//! The values that a body's names have while it runs, and what its expressions come to.

use roadbed_plan::expr::{Expr, Select, SelectOutput, SourceId};
use roadbed_plan::schema::{ColumnId, Relation, Schema};
use roadbed_plan::{EngineError, Value};

use super::super::connect::Request;
use super::super::error::{engine_error, internal};
use super::super::functions::session_value;
use super::super::read::value_of;
use crate::sql::{Dialect, Mode, Renderer};

pub(super) struct Frame<'a> {
    /// The table of the trigger.
    pub(super) relation: Option<&'a Relation>,
    pub(super) variables: Vec<Value>,
    /// By the table's columns, in their order.
    pub(super) new: Vec<Value>,
    pub(super) old: Vec<Value>,
    pub(super) has_new: bool,
}

impl Frame<'_> {
    pub(super) fn position(&self, column: ColumnId) -> Option<usize> {
        self.relation?.columns.iter().position(|known| known.id == column)
    }

    /// Puts the values of variables, `NEW` and `OLD` in their places.
    pub(super) fn bind(&self, expr: &mut Expr) {
        match expr {
            Expr::Column { source, column, ty } if *source == SourceId::NEW || *source == SourceId::OLD => {
                let row = if *source == SourceId::NEW { &self.new } else { &self.old };
                let value = self.position(*column).and_then(|at| row.get(at)).cloned().unwrap_or(Value::Null);
                *expr = Expr::value(value, ty.clone());
            }
            Expr::Output { source: SourceId::VARIABLES, index, ty } => {
                let value = usize::try_from(*index).ok().and_then(|at| self.variables.get(at)).cloned();
                *expr = Expr::value(value.unwrap_or(Value::Null), ty.clone());
            }
            other => other.for_each_child_mut(&mut |child| self.bind(child)),
        }
    }

    pub(super) fn bound(&self, expr: &Expr) -> Expr {
        let mut expr = expr.clone();
        self.bind(&mut expr);
        expr
    }

    pub(super) fn bound_select(&self, select: &Select) -> Select {
        let mut select = select.clone();
        select.for_each_expr_mut(&mut |expr| self.bind(expr));
        select
    }
}

/// What an expression comes to.
pub(super) fn value_of_expr(
    (request, schema): (Request<'_>, &Schema),
    frame: &Frame<'_>,
    expr: &Expr,
) -> Result<Value, EngineError> {
    match frame.bound(expr) {
        Expr::Value { value, .. } => Ok(value),
        Expr::Session(wanted) => Ok(session_value(&wanted, request.session, request.now)?),
        expr => {
            let outputs = vec![SelectOutput { name: "value".into(), expr }];
            let select = Select { outputs, ..Select::default() };
            let row = rows_of((request, schema), &select, 1)?.pop().unwrap_or_default();
            Ok(row.into_iter().next().unwrap_or(Value::Null))
        }
    }
}

/// The first rows of a select whose variables are bound.
pub(super) fn rows_of(
    (request, schema): (Request<'_>, &Schema),
    select: &Select,
    most: usize,
) -> Result<Vec<Vec<Value>>, EngineError> {
    let types: Vec<_> = match select.values.first() {
        Some(row) => row.iter().map(Expr::ty).collect(),
        None => select.outputs.iter().map(|output| output.expr.ty()).collect(),
    };
    let mut renderer = Renderer::new(schema, Dialect::Sqlite, Mode::Statement);
    renderer.select(select);
    let mut statement = request.prepare(&renderer.finish())?;
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while found.len() < most
        && let Some(row) = rows.next().map_err(engine_error)?
    {
        let mut values = Vec::with_capacity(types.len());
        for (index, ty) in types.iter().enumerate() {
            values.push(value_of(row.get_ref(index).map_err(internal)?, ty));
        }
        found.push(values);
    }
    Ok(found)
}
