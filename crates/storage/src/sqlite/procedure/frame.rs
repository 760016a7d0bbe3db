//! The values that a body's names have while it runs, and what its expressions come to.

use roadbed_plan::expr::{Expr, FromItem, Select, SelectOutput, Source, SourceId};
use roadbed_plan::schema::{ColumnId, Relation, RelationId, Schema};
use roadbed_plan::{EngineError, Value};

use super::super::connect::Request;
use super::super::error::{engine_error, internal};
use super::super::functions::session_value;
use super::super::read::value_of;
use super::function::select_of;
use crate::sql::{Dialect, Mode, Renderer};

pub(super) struct Frame<'a> {
    /// The table of the trigger.
    pub(super) relation: Option<&'a Relation>,
    pub(super) variables: Vec<Value>,
    /// By the table's columns, in their order.
    pub(super) new: Vec<Value>,
    pub(super) old: Vec<Value>,
    pub(super) has_new: bool,
    /// What was called for the expression or statement that is about to be carried out.
    pub(super) called: Vec<CalledRows>,
}

/// What a function gave.
pub(super) struct CalledRows {
    pub(super) relation: RelationId,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Frame<'_> {
    /// Of no trigger.
    pub(super) fn outside(variables: Vec<Value>) -> Self {
        Self { relation: None, variables, new: Vec::new(), old: Vec::new(), has_new: false, called: Vec::new() }
    }

    fn called(&self, index: u32) -> Option<&CalledRows> {
        usize::try_from(index).ok().and_then(|index| self.called.get(index))
    }

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
            Expr::Output { source: SourceId::CALLS, index, ty } => {
                let row = self.called(*index).and_then(|called| called.rows.first());
                let value = row.and_then(|row| row.first()).cloned();
                *expr = Expr::value(value.unwrap_or(Value::Null), ty.clone());
            }
            other => other.for_each_child_mut(&mut |child| self.bind(child)),
        }
    }

    pub(super) fn bound(&self, schema: &Schema, expr: &Expr) -> Expr {
        let mut expr = expr.clone();
        self.place_in_expr(schema, &mut expr);
        self.bind(&mut expr);
        expr
    }

    /// Puts the rows that functions gave in their places.
    fn place_rows(&self, schema: &Schema, select: &mut Select) {
        if self.called.is_empty() {
            return;
        }
        select.with.iter_mut().for_each(|common| self.place_rows(schema, &mut common.select));
        select.from.iter_mut().for_each(|item| self.place_in_from(schema, item));
        select.combined.iter_mut().for_each(|(_, select)| self.place_rows(schema, select));
        select.for_each_own_expr_mut(&mut |expr| self.place_in_expr(schema, expr));
    }

    fn place_in_from(&self, schema: &Schema, item: &mut FromItem) {
        match item {
            FromItem::Source { source, .. } => match source {
                Source::Called { call, .. } => {
                    let Expr::Output { source: SourceId::CALLS, index, .. } = &**call else { return };
                    if let Some(CalledRows { relation, rows }) = self.called(*index) {
                        let select = Box::new(select_of(schema.relation(*relation), rows.clone()));
                        *source = Source::View { relation: *relation, select };
                    }
                }
                Source::Select(select) | Source::View { select, .. } => self.place_rows(schema, select),
                Source::Relation(_) | Source::OwnerRelation(_) | Source::Filtered { .. } | Source::Common(_) => {}
            },
            FromItem::Join { left, right, .. } => {
                self.place_in_from(schema, left);
                self.place_in_from(schema, right);
            }
        }
    }

    fn place_in_expr(&self, schema: &Schema, expr: &mut Expr) {
        if self.called.is_empty() {
            return;
        }
        match expr {
            Expr::Exists { select, .. } | Expr::Scalar { select, .. } => self.place_rows(schema, select),
            Expr::InSelect { expr, select, .. } => {
                self.place_in_expr(schema, expr);
                self.place_rows(schema, select);
            }
            other => other.for_each_child_mut(&mut |child| self.place_in_expr(schema, child)),
        }
    }

    pub(super) fn bound_select(&self, schema: &Schema, select: &Select) -> Select {
        let mut select = select.clone();
        self.place_rows(schema, &mut select);
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
    match frame.bound(schema, expr) {
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
