//! Updates: one statement for all rows. When it fails it is undone and repeated row by row to find why.

use roadbed_plan::EngineError;
use roadbed_plan::expr::Expr;
use roadbed_plan::plan::{Cell, ReturningPlan, RowCheck, UpdatePlan};
use roadbed_plan::schema::ColumnId;

use super::super::diagnose;
use super::super::foreign_keys::{self, Touched, deferred};
use super::super::read::Stored;
use super::{
    Body, Candidate, Refusal, Target, Written, failed_check, push_default, push_placeholder, push_returning,
    push_where, reads_tables, returning, rows, snapshot, step_returning, values_of,
};
use crate::sql::{Param, Renderer, quote_identifier};

/// Columns with what they are set to.
type Cells<'c> = [(ColumnId, &'c Cell)];

pub(super) fn update(target: Target<'_>, plan: &UpdatePlan) -> Result<Written, EngineError> {
    if let Some(fault) = &plan.fault {
        let rows = target.rowids(plan.condition.as_ref())?;
        if rows.is_empty() {
            return Ok(Written::default());
        }
        diagnose::check_domains(target, &plan.columns, values_of(&plan.row)?)?;
        return Err(fault.clone().into());
    }
    let cells: Vec<_> = match values_of(&plan.row)?.first() {
        Some(cells) => plan.columns.iter().copied().zip(cells).collect(),
        None => Vec::new(),
    };
    if cells.is_empty() {
        return Ok(Written::default());
    }
    diagnose::check_domains(target, &plan.columns, values_of(&plan.row)?)?;
    if foreign_keys::may_fire(target.schema, target.relation) {
        let rowids = target.rowids(plan.condition.as_ref())?;
        let own = |(id, cell): &(ColumnId, &Cell)| (*id, (*cell).clone());
        let change = |rowid| rows::Change { rowid, cells: cells.iter().map(own).collect() };
        return rows::update(target, rowids.into_iter().map(change).collect(), &plan.checks);
    }
    if foreign_keys::shows_late(target.schema, target.relation) {
        if let Some(error) = explain(target, plan, &cells)? {
            return Err(error);
        }
        target.undo()?;
    }
    let before = reads_tables(&plan.checks);
    if before {
        for rowid in target.rowids(plan.condition.as_ref())? {
            diagnose::evaluate(target, &Candidate::Changed { rowid, cells: &cells }, &plan.checks)?;
        }
    }
    let checks = if before { &[] } else { &plan.checks[..] };
    let body = answer_ahead(target, plan, &cells)?;
    match run(target, plan, &cells, checks) {
        Ok(written) => Ok(Written { body, ..written }),
        Err(Refusal::Error(error)) => Err(error),
        Err(Refusal::Check(index)) => {
            let error = explain(target, plan, &cells)?;
            Err(error.unwrap_or_else(|| diagnose::row_check(target.relation, &checks[index]).into()))
        }
        Err(Refusal::Constraint(cause)) => {
            let error = explain(target, plan, &cells)?;
            Err(error.unwrap_or_else(|| diagnose::by_message(target, &cause).into()))
        }
    }
}

/// The rows as they will be, where they are answered before they are written.
fn answer_ahead(target: Target<'_>, plan: &UpdatePlan, cells: &Cells<'_>) -> Result<Option<Body>, EngineError> {
    let Some(node) = snapshot::needed(target, &plan.returning, &plan.columns) else { return Ok(None) };
    if cells.iter().any(|(_, cell)| matches!(cell, Cell::Default)) {
        // A default may be another one when it is asked for again.
        return Ok(None);
    }
    let mut rows = Vec::new();
    for rowid in target.rowids(plan.condition.as_ref())? {
        match diagnose::evaluate(target, &Candidate::Changed { rowid, cells }, &[]) {
            Ok(row) => rows.push(row.values()),
            // The statement will fail, and say why.
            Err(_) => return Ok(None),
        }
    }
    returning::rows_ahead(target, node, &rows)
}

/// Updates the row with this rowid and gives its rowid, which an update may change.
pub(super) fn one(target: Target<'_>, rowid: i64, cells: &Cells<'_>, checks: &[RowCheck]) -> Result<i64, EngineError> {
    let mut checks = checks;
    if reads_tables(checks) {
        diagnose::evaluate(target, &Candidate::Changed { rowid, cells }, checks)?;
        // Once it is written, they would see the row as it has become.
        checks = &[];
    }
    match try_one(target, rowid, cells, checks) {
        Ok(rowid) => Ok(rowid),
        Err(Refusal::Error(error)) => Err(error),
        Err(Refusal::Check(index)) => Err(diagnose::row_check(target.relation, &checks[index]).into()),
        Err(Refusal::Constraint(cause)) => {
            let row = diagnose::evaluate(target, &Candidate::Changed { rowid, cells }, checks)?;
            if let Some(error) = diagnose::duplicate(target, &row, Some(rowid))? {
                return Err(error.into());
            }
            let broken = deferred(target.request, || one_with_foreign_keys(target, rowid, cells))?;
            Err(broken.unwrap_or_else(|| diagnose::by_message(target, &cause).into()))
        }
    }
}

fn run(target: Target<'_>, plan: &UpdatePlan, cells: &Cells<'_>, checks: &[RowCheck]) -> Result<Written, Refusal> {
    let table = target.table();
    let mut renderer = begin(target, &table, cells);
    push_where(&mut renderer, plan.condition.as_ref());
    let wants_rows = !matches!(plan.returning, ReturningPlan::Nothing);
    if !wants_rows && checks.is_empty() {
        let mut statement = target.request.prepare(&renderer.finish())?;
        bind_cells(&mut statement, cells)?;
        let rows = statement.raw_execute()?;
        return Ok(Written { rows: rows as u64, ..Written::default() });
    }
    push_returning(&mut renderer, target.rowid(), checks);
    let mut statement = target.request.prepare(&renderer.finish())?;
    bind_cells(&mut statement, cells)?;
    let mut rows = statement.raw_query();
    let mut written = Written::default();
    while let Some(row) = rows.next()? {
        if let Some(index) = failed_check(row, 1, checks.len())? {
            return Err(Refusal::Check(index));
        }
        written.rows += 1;
        if wants_rows {
            written.rowids.push(row.get(0)?);
        }
    }
    Ok(written)
}

fn try_one(target: Target<'_>, rowid: i64, cells: &Cells<'_>, checks: &[RowCheck]) -> Result<i64, Refusal> {
    let table = target.table();
    let mut renderer = begin(target, &table, cells);
    renderer.push(&format!(" where {} = ", target.rowid()));
    renderer.param(Param::Limit(rowid));
    push_returning(&mut renderer, target.rowid(), checks);
    let mut statement = target.request.prepare(&renderer.finish())?;
    bind_cells(&mut statement, cells)?;
    let updated = step_returning(&mut statement, checks.len())?;
    updated.ok_or_else(|| Refusal::Error(EngineError::Internal { reason: "the row to update is gone".into() }))
}

/// `update … set …`; the placeholders of values come first.
fn begin<'a>(target: Target<'a>, table: &str, cells: &Cells<'_>) -> Renderer<'a> {
    let mut renderer = target.renderer(table);
    renderer.push(&format!("update {table} set "));
    for (index, (id, cell)) in cells.iter().enumerate() {
        let column = target.relation.column_by_id(*id);
        renderer.push(if index > 0 { ", " } else { "" });
        renderer.push(&format!("{} = ", quote_identifier(&column.name)));
        match cell {
            Cell::Value(_) => push_placeholder(&mut renderer),
            Cell::Default => push_default(&mut renderer, column),
        }
    }
    renderer
}

fn bind_cells(statement: &mut rusqlite::Statement<'_>, cells: &Cells<'_>) -> rusqlite::Result<()> {
    let values = cells.iter().filter_map(|(_, cell)| match cell {
        Cell::Value(value) => Some(value),
        Cell::Default => None,
    });
    for (index, value) in values.enumerate() {
        statement.raw_bind_parameter(index + 1, Stored(value))?;
    }
    Ok(())
}

/// Undoes what the request did and repeats it row by row, until a row fails as it does in PostgreSQL.
fn explain(target: Target<'_>, plan: &UpdatePlan, cells: &Cells<'_>) -> Result<Option<EngineError>, EngineError> {
    target.undo()?;
    deferred(target.request, || find_failing_row(target, plan.condition.as_ref(), cells, &plan.checks))
}

fn find_failing_row(
    target: Target<'_>,
    condition: Option<&Expr>,
    cells: &Cells<'_>,
    checks: &[RowCheck],
) -> Result<Option<EngineError>, EngineError> {
    let columns: Vec<_> = cells.iter().map(|(id, _)| *id).collect();
    let mut rows = Vec::new();
    for rowid in target.rowids(condition)? {
        let row = diagnose::evaluate(target, &Candidate::Changed { rowid, cells }, checks)?;
        if let Some(error) = diagnose::duplicate(target, &row, Some(rowid))? {
            return Ok(Some(error.into()));
        }
        if let Some(error) = touch(target, rowid, (cells, &columns), &mut rows)? {
            return Ok(Some(error));
        }
    }
    Ok(foreign_keys::violated(target, &rows)?.map(EngineError::from))
}

fn one_with_foreign_keys(
    target: Target<'_>,
    rowid: i64,
    cells: &Cells<'_>,
) -> Result<Option<EngineError>, EngineError> {
    let columns: Vec<_> = cells.iter().map(|(id, _)| *id).collect();
    let mut rows = Vec::new();
    if let Some(error) = touch(target, rowid, (cells, &columns), &mut rows)? {
        return Ok(Some(error));
    }
    Ok(foreign_keys::violated(target, &rows)?.map(EngineError::from))
}

/// Updates a row and notes what foreign keys must look at; gives back why it cannot be updated.
fn touch<'s>(
    target: Target<'s>,
    rowid: i64,
    (cells, columns): (&Cells<'_>, &[ColumnId]),
    rows: &mut Vec<Touched<'s>>,
) -> Result<Option<EngineError>, EngineError> {
    let referenced = foreign_keys::before_update(target, rowid, columns)?;
    rows.push(Touched { rowid: None, referenced });
    match try_one(target, rowid, cells, &[]) {
        Ok(updated) => {
            if let Some(row) = rows.last_mut() {
                row.rowid = Some(updated);
            }
            Ok(None)
        }
        Err(Refusal::Error(error)) => Ok(Some(error)),
        Err(Refusal::Check(_)) => Ok(None),
        Err(Refusal::Constraint(cause)) => {
            let broken = foreign_keys::restricted(target, rows)?;
            Ok(Some(broken.unwrap_or_else(|| diagnose::by_message(target, &cause)).into()))
        }
    }
}
