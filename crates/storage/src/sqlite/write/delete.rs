//! Deletes. Rows that are to be answered are read before they go.

use roadbed_plan::plan::{DeletePlan, ReturningPlan};
use roadbed_plan::{DatabaseError, EngineError};

use super::super::diagnose;
use super::super::error::{engine_error, is_constraint, is_too_long_a_chain};
use super::super::foreign_keys::{self, deferred};
use super::{Body, Target, Written, json_list, push_where, returning, rows};

pub(super) fn delete(target: Target<'_>, plan: &DeletePlan) -> Result<Written, EngineError> {
    if foreign_keys::may_fire(target.schema, target.relation) {
        let leaving = rows::before_delete(target, target.rowids(plan.condition.as_ref())?)?;
        let body = body_of(target, plan, &leaving.rowids())?;
        return rows::delete(target, leaving).map(|written| Written { body, ..written });
    }
    if foreign_keys::shows_late(target.schema, target.relation) {
        if let Some(error) = explain(target, plan)? {
            return Err(error.into());
        }
        target.undo()?;
    }
    let answers = matches!(plan.returning, ReturningPlan::Rows(_));
    // SQLite does not count a row that has gone with another one before its turn came.
    let deleted = if answers || foreign_keys::reaches_itself(target.schema, target.relation) {
        let rowids = target.rowids(plan.condition.as_ref())?;
        let body = body_of(target, plan, &rowids)?;
        delete_these(target, &rowids).map(|()| Written { rows: rowids.len() as u64, body, ..Written::default() })
    } else {
        delete_where(target, plan)?.map(|rows| Written { rows, ..Written::default() })
    };
    deleted.or_else(|cause| {
        if is_too_long_a_chain(&cause) {
            return delete_from_the_leaves(target, plan);
        }
        if !is_constraint(&cause) {
            return Err(engine_error(cause));
        }
        let found = explain(target, plan)?;
        Err(found.unwrap_or_else(|| diagnose::by_message(target, &cause)).into())
    })
}

/// The rows as they are answered, read before they go.
fn body_of(target: Target<'_>, plan: &DeletePlan, rowids: &[i64]) -> Result<Option<Body>, EngineError> {
    match &plan.returning {
        ReturningPlan::Rows(node) => returning::rows(target, node, rowids).map(Some),
        ReturningPlan::Nothing | ReturningPlan::Key(_) => Ok(None),
    }
}

fn delete_where(target: Target<'_>, plan: &DeletePlan) -> Result<rusqlite::Result<u64>, EngineError> {
    let table = target.table();
    let mut renderer = target.renderer(&table);
    renderer.push(&format!("delete from {table}"));
    push_where(&mut renderer, plan.condition.as_ref());
    let mut statement = target.request.prepare(&renderer.finish())?;
    Ok(statement.raw_execute().map(|rows| rows as u64))
}

fn delete_these(target: Target<'_>, rowids: &[i64]) -> rusqlite::Result<()> {
    let (table, rowid) = (target.table(), target.rowid());
    let sql = format!("delete from {table} where {rowid} in (select value from json_each(?1))");
    let mut statement = target.request.connection.sql.prepare_cached(&sql)?;
    statement.execute([json_list(rowids)]).map(|_| ())
}

/// Deletes again what SQLite could not, each row after those that go with it.
fn delete_from_the_leaves(target: Target<'_>, plan: &DeletePlan) -> Result<Written, EngineError> {
    target.undo()?;
    let rowids = target.rowids(plan.condition.as_ref())?;
    let body = body_of(target, plan, &rowids)?;
    match delete_all(target, &rowids)? {
        Some(error) => Err(error.into()),
        None => Ok(Written { rows: rowids.len() as u64, body, ..Written::default() }),
    }
}

/// Deletes rows with their descendants. Gives the foreign key that forbids it, if one does.
fn delete_all(target: Target<'_>, rowids: &[i64]) -> Result<Option<DatabaseError>, EngineError> {
    let doomed = foreign_keys::before_delete(target, rowids)?;
    deferred(target.request, || {
        let mut leaves_first = doomed.descendants.iter().rev();
        let deleted = leaves_first
            .try_for_each(|(relation, rowid)| Target { relation, ..target }.delete_row(*rowid).map(drop))
            .and_then(|()| delete_these(target, rowids));
        match deleted {
            Ok(_) => foreign_keys::violated(target, &doomed.touched),
            Err(cause) => foreign_keys::why_kept(target, &doomed.touched, cause).map(Some),
        }
    })
}

/// Undoes what the request did and finds the row that something still refers to.
fn explain(target: Target<'_>, plan: &DeletePlan) -> Result<Option<DatabaseError>, EngineError> {
    target.undo()?;
    let rowids = target.rowids(plan.condition.as_ref())?;
    delete_all(target, &rowids)
}
