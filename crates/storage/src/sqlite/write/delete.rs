//! Deletes. Rows that are to be answered are read before they go.

use roadbed_plan::plan::{DeletePlan, ReturningPlan};
use roadbed_plan::schema::Relation;
use roadbed_plan::{DatabaseError, EngineError};

use super::super::diagnose;
use super::super::error::{engine_error, internal, is_constraint};
use super::super::foreign_keys::{self, deferred};
use super::super::triggers;
use super::super::writer::execute;
use super::{Target, Written, json_list, push_where, returning, rowid_name, rows, sql_name};

pub(super) fn delete(target: Target<'_>, plan: &DeletePlan) -> Result<Written, EngineError> {
    if triggers::any(target.relation) || foreign_keys::reaches_triggers(target.schema, target.relation) {
        let leaving = rows::before_delete(target, target.rowids(plan.condition.as_ref())?)?;
        let body = match &plan.returning {
            ReturningPlan::Rows(node) => Some(returning::rows(target, node, &leaving.rowids())?),
            ReturningPlan::Nothing | ReturningPlan::Key(_) => None,
        };
        return rows::delete(target, leaving).map(|written| Written { body, ..written });
    }
    if foreign_keys::shows_late(target.schema, target.relation) {
        if let Some(error) = explain(target, plan)? {
            return Err(error.into());
        }
        undo(target)?;
    }
    let deleted = match &plan.returning {
        ReturningPlan::Rows(node) => {
            let rowids = target.rowids(plan.condition.as_ref())?;
            let body = returning::rows(target, node, &rowids)?;
            delete_these(target, &rowids).map(|()| Written {
                rows: rowids.len() as u64,
                body: Some(body),
                ..Written::default()
            })
        }
        // SQLite does not count a row that has gone with another one before its turn came.
        ReturningPlan::Nothing | ReturningPlan::Key(_)
            if foreign_keys::reaches_itself(target.schema, target.relation) =>
        {
            let rowids = target.rowids(plan.condition.as_ref())?;
            delete_these(target, &rowids).map(|()| Written { rows: rowids.len() as u64, ..Written::default() })
        }
        ReturningPlan::Nothing | ReturningPlan::Key(_) => {
            delete_where(target, plan)?.map(|rows| Written { rows, ..Written::default() })
        }
    };
    deleted.or_else(|cause| {
        if is_too_deep(&cause) {
            return delete_from_the_leaves(target, plan);
        }
        if !is_constraint(&cause) {
            return Err(engine_error(cause));
        }
        let found = explain(target, plan)?;
        Err(found.unwrap_or_else(|| diagnose::by_message(target, &cause)).into())
    })
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

/// Whether SQLite gave up on a chain of cascades. Its own limit is a thousand; PostgreSQL has none.
fn is_too_deep(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(_, Some(message)) if message.contains("nested too deep")
        || message.contains("levels of trigger recursion"))
}

/// Deletes again what SQLite could not, each row after those that go with it.
fn delete_from_the_leaves(target: Target<'_>, plan: &DeletePlan) -> Result<Written, EngineError> {
    undo(target)?;
    let rowids = target.rowids(plan.condition.as_ref())?;
    let body = match &plan.returning {
        ReturningPlan::Rows(node) => Some(returning::rows(target, node, &rowids)?),
        ReturningPlan::Nothing | ReturningPlan::Key(_) => None,
    };
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
            .try_for_each(|(relation, rowid)| delete_one(target, relation, *rowid))
            .and_then(|()| delete_these(target, rowids));
        match deleted {
            Ok(_) => foreign_keys::violated(target, &doomed.touched),
            Err(cause) if is_constraint(&cause) => {
                let found = foreign_keys::restricted(target, &doomed.touched)?;
                Ok(found.or_else(|| Some(diagnose::by_message(target, &cause))))
            }
            Err(cause) => Err(engine_error(cause)),
        }
    })
}

fn delete_one(target: Target<'_>, relation: &Relation, rowid: i64) -> rusqlite::Result<()> {
    let sql = format!("delete from {} where {} = ?1", sql_name(relation), rowid_name(relation));
    target.request.connection.sql.prepare_cached(&sql)?.execute([rowid]).map(|_| ())
}

fn undo(target: Target<'_>) -> Result<(), EngineError> {
    execute(target.request.connection, "rollback to request").map_err(internal)
}

/// Undoes what the request did and finds the row that something still refers to.
fn explain(target: Target<'_>, plan: &DeletePlan) -> Result<Option<DatabaseError>, EngineError> {
    undo(target)?;
    let rowids = target.rowids(plan.condition.as_ref())?;
    delete_all(target, &rowids)
}
