//! The statements of a body: selects, and writes that go the way of all writes, row by row.

use roadbed_plan::expr::{Expr, FromItem, Select, SelectOutput, Source, SourceId, Statement, StatementConflict};
use roadbed_plan::plan::{Cell, ConflictPlan, InsertPlan, ReturningPlan, RowSource};
use roadbed_plan::procedure::{Query, Target as Place};
use roadbed_plan::query::Resolution;
use roadbed_plan::schema::{ColumnId, Relation, Schema};
use roadbed_plan::terms::RowForm;
use roadbed_plan::value::Type;
use roadbed_plan::{DatabaseError, EngineError, Value};

use super::super::connect::Request;
use super::super::error::{engine_error, internal};
use super::super::read::value_of;
use super::super::triggers;
use super::super::write::{Target, Written, insert_with, rows};
use super::frame::{Frame, rows_of};
use super::run::Run;
use crate::sql::{Dialect, Mode, Renderer};

impl Run<'_, '_> {
    /// Carries out a statement, and assigns its first row where the body says so.
    pub(super) fn query(&mut self, query: &Query) -> Result<(), EngineError> {
        let most = match &query.into {
            Some(into) if into.strict => 2,
            Some(_) if matches!(query.statement, Statement::Select(_)) => 1,
            Some(_) | None => usize::MAX,
        };
        let mut rows = self.rows_of(query, most)?;
        if query.sets_found {
            self.set_found(self.row_count > 0);
        }
        let Some(into) = &query.into else { return Ok(()) };
        let writes = !matches!(query.statement, Statement::Select(_));
        if rows.len() > 1 && (into.strict || writes) {
            return Err(DatabaseError::new("P0003", "query returned more than one row")
                .hint("Make sure the query returns a single row, or use LIMIT 1.")
                .into());
        }
        if rows.is_empty() && into.strict {
            return Err(DatabaseError::new("P0002", "query returned no rows").into());
        }
        let row = if rows.is_empty() { Vec::new() } else { rows.swap_remove(0) };
        self.assign(&into.targets, row)
    }

    /// Assigns a row; what it lacks is null.
    pub(super) fn assign(&mut self, targets: &[Place], row: Vec<Value>) -> Result<(), EngineError> {
        let mut values = row.into_iter();
        targets.iter().try_for_each(|target| self.set(target, values.next().unwrap_or(Value::Null)))
    }

    /// The rows that a statement gives, and in `row_count` how many it found or wrote.
    pub(super) fn rows_of(&mut self, query: &Query, most: usize) -> Result<Vec<Vec<Value>>, EngineError> {
        self.check_writing(&query.statement)?;
        if let Some(fault) = &query.access.fault {
            return Err(fault.clone().into());
        }
        self.make_calls(&query.calls)?;
        if let Statement::Select(select) = &query.statement {
            let select = self.frame.bound_select(self.schema, select);
            self.frame.called.clear();
            let rows = rows_of((self.request, self.schema), &select, most)?;
            self.row_count = rows.len() as u64;
            return Ok(rows);
        }
        let written = write(self.request, self.schema, query, &self.frame);
        self.frame.called.clear();
        let (rows, count) = written?;
        self.row_count = count;
        Ok(rows)
    }
}

impl Run<'_, '_> {
    /// Whether the function, and then the request, may write at all.
    fn check_writing(&self, statement: &Statement) -> Result<(), DatabaseError> {
        let command = match statement {
            Statement::Select(_) => return Ok(()),
            Statement::Insert { .. } => "INSERT",
            Statement::Update { .. } => "UPDATE",
            Statement::Delete { .. } => "DELETE",
        };
        if !self.procedure.volatile {
            let message = format!("{command} is not allowed in a non-volatile function");
            return Err(DatabaseError::new("0A000", message));
        }
        if self.request.connection.procedures.is_read_only() {
            return Err(DatabaseError::new("25006", format!("cannot execute {command} in a read-only transaction")));
        }
        Ok(())
    }
}

/// Carries out a writing statement that stands outside of any body.
pub(in super::super) fn write_statement(
    request: Request<'_>,
    schema: &Schema,
    query: &Query,
) -> Result<(), EngineError> {
    let frame = Frame::outside(Vec::new());
    match &query.access.fault {
        Some(fault) => Err(fault.clone().into()),
        None => write(request, schema, query, &frame).map(drop),
    }
}

type Rows = Vec<Vec<Value>>;

fn write(request: Request<'_>, schema: &Schema, query: &Query, frame: &Frame<'_>) -> Result<(Rows, u64), EngineError> {
    let writing = Writing { request, schema, query, frame };
    match &query.statement {
        Statement::Select(_) => Ok((Vec::new(), 0)),
        Statement::Insert { relation, columns, rows, conflict, .. } => {
            writing.insert(schema.relation(*relation), columns, (rows.as_ref(), conflict.as_ref()))
        }
        Statement::Update { relation, source, assignments, from, condition } => {
            let from = (*source, &from[..], condition.as_ref());
            writing.update(schema.relation(*relation), assignments, from)
        }
        Statement::Delete { relation, source, using, condition } => {
            writing.delete(schema.relation(*relation), (*source, &using[..], condition.as_ref()))
        }
    }
}

/// The rows to be written: the source that stands for them, what else is read, and the condition.
type From<'f> = (SourceId, &'f [FromItem], Option<&'f Expr>);

struct Writing<'w> {
    request: Request<'w>,
    schema: &'w Schema,
    query: &'w Query,
    frame: &'w Frame<'w>,
}

impl<'w> Writing<'w> {
    fn target<'t>(&self, relation: &'t Relation, written: &'t [ColumnId]) -> Target<'t>
    where
        'w: 't,
    {
        let shown = &self.query.access.shown;
        Target { request: self.request, schema: self.schema, relation, written, shown, form: &RowForm::Json }
    }

    fn insert(
        &self,
        relation: &Relation,
        columns: &[ColumnId],
        (rows, conflict): (Option<&Select>, Option<&StatementConflict>),
    ) -> Result<(Rows, u64), EngineError> {
        let values = match rows {
            Some(select) => {
                rows_of((self.request, self.schema), &self.frame.bound_select(self.schema, select), usize::MAX)?
            }
            None => vec![Vec::new()],
        };
        let columns = if rows.is_some() { columns } else { &[] };
        let mut cells = Vec::with_capacity(values.len());
        for row in values {
            let cell = |(value, id): (Value, &ColumnId)| fit(value, &relation.column_by_id(*id).ty).map(Cell::Value);
            cells.push(row.into_iter().zip(columns).map(cell).collect::<Result<Vec<_>, _>>()?);
        }
        let access = &self.query.access;
        let resolution = |found: &StatementConflict| {
            if found.update.is_empty() { Resolution::Ignore } else { Resolution::Merge }
        };
        let plan = InsertPlan {
            relation: relation.id,
            columns: columns.to_vec(),
            rows: RowSource::Values(cells),
            missing_default: false,
            fault: None,
            keyed: Vec::new(),
            conflict: conflict.map(|found| ConflictPlan {
                columns: found.columns.clone(),
                resolution: resolution(found),
                using: access.conflict_using.clone(),
                checks: access.conflict_checks.clone(),
            }),
            checks: access.checks.clone(),
            shown: access.shown.clone(),
            returning: ReturningPlan::Nothing,
            count: None,
        };
        let target = self.target(relation, columns);
        let bound = conflict.filter(|found| !found.update.is_empty()).map(|found| self.bound_conflict(found));
        let written = insert_with(target, &plan, bound.as_ref())?;
        self.finish(target, &written)
    }

    fn bound_conflict(&self, conflict: &StatementConflict) -> StatementConflict {
        let mut bound = conflict.clone();
        bound.update.iter_mut().for_each(|(_, expr)| self.frame.bind(expr));
        bound.condition.iter_mut().for_each(|expr| self.frame.bind(expr));
        bound
    }

    fn update(
        &self,
        relation: &Relation,
        assignments: &[(ColumnId, Expr)],
        from: From<'_>,
    ) -> Result<(Rows, u64), EngineError> {
        let columns: Vec<ColumnId> = assignments.iter().map(|(id, _)| *id).collect();
        let target = self.target(relation, &columns);
        let values: Vec<Expr> = assignments.iter().map(|(_, expr)| expr.clone()).collect();
        let mut changes = Vec::new();
        for (rowid, values) in self.found(target, from, values)? {
            let cell = |(id, value): (&ColumnId, Value)| {
                fit(value, &relation.column_by_id(*id).ty).map(|value| (*id, Cell::Value(value)))
            };
            let cells = columns.iter().zip(values).map(cell).collect::<Result<Vec<_>, _>>()?;
            changes.push(rows::Change { rowid, cells });
        }
        let written = rows::update(target, changes, &self.query.access.checks)?;
        self.finish(target, &written)
    }

    fn delete(&self, relation: &Relation, from: From<'_>) -> Result<(Rows, u64), EngineError> {
        let target = self.target(relation, &[]);
        let found: Vec<i64> = self.found(target, from, Vec::new())?.into_iter().map(|(rowid, _)| rowid).collect();
        let kept = rows::before_delete(target, found)?;
        let returned = self.returning(target, &kept.rowids())?;
        let written = rows::delete(target, kept)?;
        triggers::after(target, &written.pending)?;
        Ok((returned, written.rows))
    }

    /// What the statement returns, and then the triggers after it.
    fn finish(&self, target: Target<'_>, written: &Written) -> Result<(Rows, u64), EngineError> {
        let returned = self.returning(target, &written.rowids)?;
        triggers::after(target, &written.pending)?;
        Ok((returned, written.rows))
    }

    fn returning(&self, target: Target<'_>, rowids: &[i64]) -> Result<Rows, EngineError> {
        let outputs = &self.query.returning;
        if outputs.is_empty() {
            return Ok(Vec::new());
        }
        let table = target.table();
        let mut renderer = target.renderer(&table);
        renderer.push("select 1");
        for output in outputs {
            renderer.push(", ");
            renderer.expression(&self.frame.bound(self.schema, &output.expr));
        }
        renderer.push(&format!(" from {table} where {table}.{} = ", target.rowid()));
        renderer.param(crate::sql::Param::Limit(0));
        let rendered = renderer.finish();
        let mut statement = self.request.prepare(&rendered)?;
        let mut returned = Vec::with_capacity(rowids.len());
        for rowid in rowids {
            statement.raw_bind_parameter(rendered.params.len(), rowid).map_err(internal)?;
            let mut rows = statement.raw_query();
            let Some(row) = rows.next().map_err(engine_error)? else { continue };
            let mut values = Vec::with_capacity(outputs.len());
            for (index, output) in outputs.iter().enumerate() {
                values.push(value_of(row.get_ref(index + 1).map_err(internal)?, &output.expr.ty()));
            }
            returned.push(values);
        }
        Ok(returned)
    }

    /// The rows to be written, each once, with what `values` come to for it.
    fn found(
        &self,
        target: Target<'_>,
        (source, from, condition): From<'_>,
        values: Vec<Expr>,
    ) -> Result<Vec<(i64, Vec<Value>)>, EngineError> {
        let types: Vec<Type> = values.iter().map(Expr::ty).collect();
        let mut items = vec![FromItem::Source { id: source, source: Source::Relation(target.relation.id) }];
        items.extend(from.iter().cloned());
        let outputs = values.into_iter().map(|expr| SelectOutput { name: String::new(), expr }).collect();
        let select = Select { outputs, from: items, condition: condition.cloned(), ..Select::default() };
        let mut renderer = Renderer::new(self.schema, Dialect::Sqlite, Mode::Statement);
        renderer.rows_to_write((source, target.rowid()), &self.frame.bound_select(self.schema, &select));
        let mut statement = self.request.prepare(&renderer.finish())?;
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(row) = rows.next().map_err(engine_error)? {
            let rowid: i64 = row.get(0).map_err(internal)?;
            if !seen.insert(rowid) {
                continue;
            }
            let mut values = Vec::with_capacity(types.len());
            for (index, ty) in types.iter().enumerate() {
                values.push(value_of(row.get_ref(index + 1).map_err(internal)?, ty));
            }
            found.push((rowid, values));
        }
        Ok(found)
    }
}

/// A text that is assigned may be longer than its place: spaces are cut off, more is an error.
pub(in super::super) fn fit(value: Value, ty: &Type) -> Result<Value, DatabaseError> {
    let (Value::Text(text), Type::Varchar(Some(size)) | Type::Char(Some(size))) = (&value, ty.base()) else {
        return Ok(value);
    };
    let size = usize::try_from(*size).unwrap_or(usize::MAX);
    let length = text.chars().count();
    let is_padded = matches!(ty.base(), Type::Char(_));
    if length == size || (length < size && !is_padded) {
        return Ok(value);
    }
    if length < size {
        return Ok(Value::text(format!("{text}{}", " ".repeat(size - length))));
    }
    let end = text.char_indices().nth(size).map_or(text.len(), |(end, _)| end);
    if text[end..].contains(|character| character != ' ') {
        let message = format!("value too long for type {}({size})", ty.base().sql_name());
        return Err(DatabaseError::new("22001", message));
    }
    Ok(Value::text(&text[..end]))
}
