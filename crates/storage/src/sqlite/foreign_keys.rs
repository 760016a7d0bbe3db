//! Foreign keys, tested by name and at the end of a statement, where SQLite knows neither.

use std::collections::HashSet;

use roadbed_plan::plan::ShownColumns;
use roadbed_plan::schema::{Column, ColumnId, ForeignKey, ReferentialAction, Relation, Schema};
use roadbed_plan::{DatabaseError, EngineError, Value};
use rusqlite::ToSql;

use super::connect::Request;
use super::diagnose::{self, key_words};
use super::error::{engine_error, internal, is_constraint};
use super::read::{Stored, value_of};
use super::write::{Target, sql_name};
use super::writer::execute;
use crate::sql::{quote_identifier, rowid_name};

/// Runs `work` with all foreign keys tested at the end, which is for `work` to do.
pub(super) fn deferred<T>(
    request: Request<'_>,
    work: impl FnOnce() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let known = |row: &rusqlite::Row<'_>| row.get::<_, bool>(0);
    let mut asked = request.connection.sql.prepare_cached("pragma defer_foreign_keys").map_err(internal)?;
    if asked.query_row((), known).map_err(internal)? {
        // A trigger's statement is part of the one that fired it.
        return work();
    }
    execute(request.connection, "pragma defer_foreign_keys = on").map_err(internal)?;
    let result = work();
    execute(request.connection, "pragma defer_foreign_keys = off").map_err(internal)?;
    result
}

/// A key that rows of another table (or the same) may refer to, as it was before a row went or changed.
pub(super) struct Referenced<'s> {
    parent: &'s Relation,
    child: &'s Relation,
    key: &'s ForeignKey,
    action: ReferentialAction,
    values: Vec<Value>,
}

/// When PostgreSQL tests a foreign key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    StatementEnds,
    /// `initially deferred`: after all the others, as a request is one transaction.
    TransactionEnds,
}

impl When {
    /// In their order.
    pub(super) const ALL: [Self; 2] = [Self::StatementEnds, Self::TransactionEnds];

    fn of(key: &ForeignKey) -> Self {
        if key.initially_deferred { Self::TransactionEnds } else { Self::StatementEnds }
    }
}

/// A row as foreign keys see it: where it is now, and the keys that it had.
pub(super) struct Touched<'s> {
    /// `None` once it is deleted.
    pub(super) rowid: Option<i64>,
    pub(super) referenced: Vec<Referenced<'s>>,
}

/// The first foreign key that rows violate, in the order in which PostgreSQL tests them.
pub(super) fn violated(target: Target<'_>, rows: &[Touched<'_>]) -> Result<Option<DatabaseError>, EngineError> {
    for when in When::ALL {
        for row in rows {
            let mut referenced = row.referenced.iter().filter(|referenced| When::of(referenced.key) == when);
            let broken = referenced.find_map(|key| key.broken(target, false).transpose()).transpose()?;
            if broken.is_some() {
                return Ok(broken);
            }
            let Some(rowid) = row.rowid else { continue };
            let missing = missing(target, rowid, when)?;
            if missing.is_some() {
                return Ok(missing);
            }
        }
    }
    Ok(None)
}

/// Whether a violation would show only when the transaction commits, and take others down with it.
pub(super) fn shows_late(schema: &Schema, relation: &Relation) -> bool {
    relation.foreign_keys.iter().any(|key| key.initially_deferred)
        || schema.foreign_keys_to(relation.id).any(|(_, key)| key.initially_deferred)
}

/// The first foreign key of the row whose target is not there.
fn missing(target: Target<'_>, rowid: i64, when: When) -> Result<Option<DatabaseError>, EngineError> {
    for key in target.relation.foreign_keys.iter().filter(|key| When::of(key) == when) {
        let columns = columns_of(target.relation, &key.columns);
        let Some(values) = row_values(target.request, target.relation, &columns, rowid)? else { continue };
        if values.iter().any(Value::is_null) {
            continue;
        }
        let parent = target.schema.relation(key.target);
        if has_row(target.request, parent, &columns_of(parent, &key.target_columns), &values)? {
            continue;
        }
        let (table, name) = (&target.relation.name, &key.name);
        let message = format!("insert or update on table \"{table}\" violates foreign key constraint \"{name}\"");
        let words = key_words(target.shown, &columns, &values);
        let details = format!("{words} is not present in table \"{}\".", parent.name);
        return Ok(Some(DatabaseError::new("23503", message).details(details)));
    }
    Ok(None)
}

/// The keys of a row that an update of `columns` may change and that others may refer to.
pub(super) fn before_update<'s>(
    target: Target<'s>,
    rowid: i64,
    columns: &[ColumnId],
) -> Result<Vec<Referenced<'s>>, EngineError> {
    let mut found = Vec::new();
    for (child, key) in target.schema.foreign_keys_to(target.relation.id) {
        let stays = !key.target_columns.iter().any(|id| columns.contains(id));
        if stays || key.on_update.changes_rows() {
            continue;
        }
        let columns = columns_of(target.relation, &key.target_columns);
        if let Some(values) = row_values(target.request, target.relation, &columns, rowid)? {
            found.push(Referenced { parent: target.relation, child, key, action: key.on_update, values });
        }
    }
    Ok(found)
}

/// What a delete takes with it.
pub(super) struct Doomed<'s> {
    /// For each row of the statement, the keys that it and the rows that go with it have.
    pub(super) touched: Vec<Touched<'s>>,
    /// The rows that go with them, each after the row that it refers to.
    pub(super) descendants: Vec<(&'s Relation, i64)>,
}

/// Finds what a delete of these rows takes with it. Chains may be as long as a table.
pub(super) fn before_delete<'s>(target: Target<'s>, rowids: &[i64]) -> Result<Doomed<'s>, EngineError> {
    let mut seen: HashSet<_> = rowids.iter().map(|rowid| (target.relation.id, *rowid)).collect();
    let mut doomed = Doomed { touched: Vec::with_capacity(rowids.len()), descendants: Vec::new() };
    for rowid in rowids {
        let mut referenced = Vec::new();
        let mut waiting = vec![(target.relation, *rowid)];
        while let Some((relation, rowid)) = waiting.pop() {
            let known = waiting.len();
            for (child, key, values) in incoming_values(target, relation, rowid)? {
                match key.on_delete {
                    ReferentialAction::NoAction | ReferentialAction::Restrict => {
                        referenced.push(Referenced { parent: relation, child, key, action: key.on_delete, values });
                    }
                    ReferentialAction::Cascade => {
                        let rows = referring_rows(target.request, child, key, &values)?;
                        waiting.extend(
                            rows.into_iter().map(|row| (child, row)).filter(|(c, row)| seen.insert((c.id, *row))),
                        );
                    }
                    ReferentialAction::SetNull | ReferentialAction::SetDefault => {}
                }
            }
            doomed.descendants.extend(&waiting[known..]);
            // The first found is the first to be followed.
            waiting[known..].reverse();
        }
        doomed.touched.push(Touched { rowid: None, referenced });
    }
    Ok(doomed)
}

/// A foreign key, the table that has it, and the rows with which it points at one.
pub(super) type Follower<'s> = (&'s Relation, &'s ForeignKey, Vec<i64>);

/// Rows that refer to a row, by the foreign key with which they do.
pub(super) fn followers<'s>(
    target: Target<'s>,
    relation: &'s Relation,
    rowid: i64,
) -> Result<Vec<Follower<'s>>, EngineError> {
    let mut found = Vec::new();
    if !target.schema.foreign_keys_to(relation.id).any(|(child, _)| super::triggers::any(child)) {
        return Ok(found);
    }
    for (child, key, values) in incoming_values(target, relation, rowid)? {
        found.push((child, key, referring_rows(target.request, child, key, &values)?));
    }
    Ok(found)
}

/// Whether a change of the table's rows may fire triggers: its own, or through foreign keys those of others.
pub(super) fn may_fire(schema: &Schema, relation: &Relation) -> bool {
    super::triggers::any(relation) || reaches(schema, relation, super::triggers::any)
}

/// Whether rows of the table may go with others of it.
pub(super) fn reaches_itself(schema: &Schema, relation: &Relation) -> bool {
    reaches(schema, relation, |child| child.id == relation.id)
}

/// Whether a change of the table's rows may change rows of a table that `is_sought`, through foreign keys.
fn reaches(schema: &Schema, relation: &Relation, is_sought: impl Fn(&Relation) -> bool) -> bool {
    let mut seen = HashSet::from([relation.id]);
    let mut waiting = vec![relation.id];
    while let Some(id) = waiting.pop() {
        for (child, key) in schema.foreign_keys_to(id) {
            let acts = key.on_delete.changes_rows() || key.on_update.changes_rows();
            if acts && is_sought(child) {
                return true;
            }
            if acts && seen.insert(child.id) {
                waiting.push(child.id);
            }
        }
    }
    false
}

/// A foreign key, the table that has it, and the values with which it points at a row.
type Incoming<'s> = (&'s Relation, &'s ForeignKey, Vec<Value>);

/// The foreign keys that point at a row's table, with the values that they would have to point at the row.
fn incoming_values<'s>(
    target: Target<'s>,
    relation: &'s Relation,
    rowid: i64,
) -> Result<Vec<Incoming<'s>>, EngineError> {
    let mut found = Vec::new();
    for (child, key) in target.schema.foreign_keys_to(relation.id) {
        let columns = columns_of(relation, &key.target_columns);
        if let Some(values) = row_values(target.request, relation, &columns, rowid)? {
            found.push((child, key, values));
        }
    }
    Ok(found)
}

/// The first of `referenced` that stands in the way of a statement that SQLite has undone, because it would not wait
/// for the statement's end.
pub(super) fn restricted(target: Target<'_>, rows: &[Touched<'_>]) -> Result<Option<DatabaseError>, EngineError> {
    let referenced = rows.iter().flat_map(|row| &row.referenced);
    let mut restricting = referenced.filter(|key| key.action == ReferentialAction::Restrict);
    restricting.find_map(|key| key.broken(target, true).transpose()).transpose()
}

/// Why SQLite did not delete rows: the key that stands in the way, or else what its message names.
///
/// # Errors
/// When no constraint kept them.
pub(super) fn why_kept(
    target: Target<'_>,
    rows: &[Touched<'_>],
    cause: rusqlite::Error,
) -> Result<DatabaseError, EngineError> {
    if !is_constraint(&cause) {
        return Err(engine_error(cause));
    }
    Ok(restricted(target, rows)?.unwrap_or_else(|| diagnose::by_message(target, &cause)))
}

impl Referenced<'_> {
    /// The error, when rows refer to the key, and it is gone (or will be).
    fn broken(&self, target: Target<'_>, will_be_gone: bool) -> Result<Option<DatabaseError>, EngineError> {
        let Self { parent, child, key, values, .. } = self;
        let columns = columns_of(parent, &key.target_columns);
        let stays = !will_be_gone && has_row(target.request, parent, &columns, values)?;
        if stays
            || values.iter().any(Value::is_null)
            || !has_row(target.request, child, &columns_of(child, &key.columns), values)?
        {
            return Ok(None);
        }
        let message = format!(
            "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
            parent.name, key.name, child.name
        );
        let shown = if parent.id == target.relation.id { target.shown } else { &ShownColumns::None };
        let words = key_words(shown, &columns, values);
        let details = format!("{words} is still referenced from table \"{}\".", child.name);
        Ok(Some(DatabaseError::new("23503", message).details(details)))
    }
}

fn columns_of<'r>(relation: &'r Relation, ids: &[ColumnId]) -> Vec<&'r Column> {
    ids.iter().map(|id| relation.column_by_id(*id)).collect()
}

fn row_values(
    request: Request<'_>,
    relation: &Relation,
    columns: &[&Column],
    rowid: i64,
) -> Result<Option<Vec<Value>>, EngineError> {
    let names: Vec<_> = columns.iter().map(|column| quote_identifier(&column.name)).collect();
    let sql = format!("select {} from {} where {} = ?1", names.join(", "), sql_name(relation), rowid_name(relation));
    let mut statement = request.connection.sql.prepare_cached(&sql).map_err(engine_error)?;
    let mut rows = statement.query([rowid]).map_err(engine_error)?;
    let Some(row) = rows.next().map_err(engine_error)? else { return Ok(None) };
    let mut values = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        values.push(value_of(row.get_ref(index).map_err(internal)?, &column.ty));
    }
    Ok(Some(values))
}

fn has_row(
    request: Request<'_>,
    relation: &Relation,
    columns: &[&Column],
    values: &[Value],
) -> Result<bool, EngineError> {
    let sql = format!("select 1 from {} where {}", sql_name(relation), equals(columns));
    let mut statement = request.connection.sql.prepare_cached(&sql).map_err(engine_error)?;
    let values: Vec<_> = values.iter().map(Stored).collect();
    let params: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
    statement.exists(&params[..]).map_err(engine_error)
}

fn referring_rows(
    request: Request<'_>,
    child: &Relation,
    key: &ForeignKey,
    values: &[Value],
) -> Result<Vec<i64>, EngineError> {
    let columns = columns_of(child, &key.columns);
    let sql = format!("select {} from {} where {}", rowid_name(child), sql_name(child), equals(&columns));
    let mut statement = request.connection.sql.prepare_cached(&sql).map_err(engine_error)?;
    let values: Vec<_> = values.iter().map(Stored).collect();
    let params: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
    let rows = statement.query_map(&params[..], |row| row.get(0)).map_err(engine_error)?;
    rows.collect::<rusqlite::Result<_>>().map_err(engine_error)
}

fn equals(columns: &[&Column]) -> String {
    let tests = columns
        .iter()
        .enumerate()
        .map(|(index, column)| format!("{} = ?{}", quote_identifier(&column.name), index + 1));
    tests.collect::<Vec<_>>().join(" and ")
}
