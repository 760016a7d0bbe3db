//! Rows that existed before a constraint did: whether they satisfy it, and what PostgreSQL says when they do not.

use roadbed_plan::schema::{Column, ColumnId, ForeignKey, Relation, Schema};
use roadbed_plan::value::Type;
use roadbed_plan::{DatabaseError, EngineError, Expr};
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OptionalExtension};

use super::compare::{TableChange, name_of};
use super::define::{self, CheckName, IndexText, column_list, definition, in_primary_key, rowid_column};
use super::error::{engine_error, internal};
use super::load::cell_text;
use crate::sql::quote_identifier as quote;

/// Columns that may no longer be null. `table` still has none that may not: SQLite does not look for nulls where there
/// can be none. `name_in` tells how a column is called there, if it is there.
pub(super) fn not_null(
    connection: &Connection,
    change: &TableChange<'_>,
    table: &str,
    name_in: impl Fn(&Column) -> Option<String>,
) -> Result<(), EngineError> {
    for column in &change.after.columns {
        let old = change.before.columns.iter().find(|old| old.id == column.id);
        if !is_required(change.after, column) || old.is_some_and(|old| is_required(change.before, old)) {
            continue;
        }
        let condition = name_in(column).map_or_else(String::new, |name| format!(" WHERE {} IS NULL", quote(&name)));
        if any_row(connection, &format!("SELECT 1 FROM {}{condition} LIMIT 1", quote(table)))? {
            return Err(contains_nulls(change.after, &column.name).into());
        }
    }
    Ok(())
}

/// A column that becomes the rowid must be tested before: SQLite would make up values in place of nulls.
pub(super) fn rowid_not_null(connection: &Connection, change: &TableChange<'_>) -> Result<(), EngineError> {
    let Some(key) = rowid_column(change.after) else { return Ok(()) };
    let Some(old) = change.before.columns.iter().find(|old| old.id == key.id) else { return Ok(()) };
    let (table, column) = (quote(&name_of(change.before)), quote(&old.name));
    if any_row(connection, &format!("SELECT 1 FROM {table} WHERE {column} IS NULL LIMIT 1"))? {
        return Err(contains_nulls(change.after, &key.name).into());
    }
    Ok(())
}

fn contains_nulls(relation: &Relation, column: &str) -> DatabaseError {
    let message = format!("column \"{column}\" of relation \"{}\" contains null values", relation.name);
    DatabaseError::new("23502", message)
}

fn is_required(relation: &Relation, column: &Column) -> bool {
    column.not_null || in_primary_key(relation, column.id)
}

/// Checks and foreign keys that are new or changed.
pub(super) fn constraints(
    connection: &Connection,
    schema: &Schema,
    change: &TableChange<'_>,
) -> Result<(), EngineError> {
    let old_checks = define::checks(change.before);
    for check in define::checks(change.after) {
        if !old_checks.contains(&check) {
            refuse_violations(connection, schema, change.after, &check)?;
        }
    }
    for key in &change.after.foreign_keys {
        let known = change.before.foreign_keys.iter().any(|old| same_references(old, key));
        if !known && let Some(error) = missing_parent(connection, schema, change.after, key, "")? {
            return Err(error.into());
        }
    }
    Ok(())
}

fn same_references(a: &ForeignKey, b: &ForeignKey) -> bool {
    a.columns == b.columns && a.target == b.target && a.target_columns == b.target_columns
}

fn refuse_violations(
    connection: &Connection,
    schema: &Schema,
    relation: &Relation,
    (name, condition): &(String, Expr),
) -> Result<(), EngineError> {
    let condition = definition(schema, relation, condition);
    let table = quote(&name_of(relation));
    if !any_row(connection, &format!("SELECT 1 FROM {table} WHERE NOT ({condition}) LIMIT 1"))? {
        return Ok(());
    }
    let table = &relation.name;
    let column = |domain: &str| {
        let is_of = |column: &&Column| matches!(&column.ty, Type::Domain(found) if found.name == domain);
        relation.columns.iter().find(is_of).map_or_else(String::new, |column| column.name.clone())
    };
    Err(match CheckName::parse(name) {
        CheckName::Table(check) => DatabaseError::new(
            "23514",
            format!("check constraint \"{check}\" of relation \"{table}\" is violated by some row"),
        ),
        CheckName::Domain { domain, .. } => DatabaseError::new(
            "23514",
            format!(
                "column \"{}\" of table \"{table}\" contains values that violate the new constraint",
                column(domain)
            ),
        ),
        CheckName::DomainNotNull { domain } => DatabaseError::new(
            "23502",
            format!("column \"{}\" of table \"{table}\" contains null values", column(domain)),
        ),
    }
    .into())
}

/// The first row whose foreign key points nowhere, as PostgreSQL's error; `further` is a condition on the rows
/// that begins with ` AND`.
pub(super) fn missing_parent(
    connection: &Connection,
    schema: &Schema,
    relation: &Relation,
    key: &ForeignKey,
    further: &str,
) -> Result<Option<DatabaseError>, EngineError> {
    let values = first_orphan(connection, schema, (relation, key), further)?;
    Ok(values.map(|values| points_nowhere(schema, relation, key, &values)))
}

/// The first row whose parent a statement has just removed or changed, as PostgreSQL's error.
pub(super) fn still_referenced(
    connection: &Connection,
    schema: &Schema,
    child: &Relation,
    key: &ForeignKey,
) -> Result<Option<DatabaseError>, EngineError> {
    let Some(values) = first_orphan(connection, schema, (child, key), "")? else { return Ok(None) };
    let parent = schema.relation(key.target);
    let message = format!(
        "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
        parent.name, key.name, child.name
    );
    let (columns, values) = key_texts(parent, &key.target_columns, &values);
    let details = format!("Key ({columns})=({values}) is still referenced from table \"{}\".", child.name);
    Ok(Some(DatabaseError::new("23503", message).details(details)))
}

fn first_orphan(
    connection: &Connection,
    schema: &Schema,
    (relation, key): (&Relation, &ForeignKey),
    further: &str,
) -> Result<Option<Vec<Cell>>, EngineError> {
    let target = schema.relation(key.target);
    let child: Vec<_> = relation.column_names(&key.columns).map(|name| format!("c.{}", quote(name))).collect();
    let parent = target.column_names(&key.target_columns).map(|name| format!("p.{}", quote(name)));
    let set: Vec<_> = child.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let same: Vec<_> = parent.zip(&child).map(|(parent, child)| format!("{parent} = {child}")).collect();
    let sql = format!(
        "SELECT {} FROM {} AS c WHERE {}{further} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {}) LIMIT 1",
        child.join(", "),
        quote(&name_of(relation)),
        set.join(" AND "),
        quote(&name_of(target)),
        same.join(" AND "),
    );
    first_row(connection, &sql)
}

/// A foreign key without its parent.
pub(super) fn points_nowhere(schema: &Schema, relation: &Relation, key: &ForeignKey, values: &[Cell]) -> DatabaseError {
    let (table, name) = (&relation.name, &key.name);
    let message = format!("insert or update on table \"{table}\" violates foreign key constraint \"{name}\"");
    let (columns, values) = key_texts(relation, &key.columns, values);
    let target = &schema.relation(key.target).name;
    DatabaseError::new("23503", message)
        .details(format!("Key ({columns})=({values}) is not present in table \"{target}\"."))
}

/// Names and values of a key as error details show them.
pub(super) fn key_texts(relation: &Relation, columns: &[ColumnId], values: &[Cell]) -> (String, String) {
    let names: Vec<_> = relation.column_names(columns).collect();
    let texts: Vec<_> =
        columns.iter().zip(values).map(|(id, cell)| cell_text(cell, &relation.column_by_id(*id).ty)).collect();
    (names.join(", "), texts.join(", "))
}

/// Why a table cannot be copied under a new integer key.
pub(super) fn duplicated_key(
    connection: &Connection,
    change: &TableChange<'_>,
    key: &Column,
    copied: &str,
) -> EngineError {
    let name = change.after.primary_key.as_ref().map_or("", |key| key.name.as_str());
    let error = DatabaseError::new("23505", format!("could not create unique index \"{name}\""));
    // The n-th copied value is the n-th column that is not generated.
    let position = change.after.columns.iter().filter(|column| !column.is_generated()).position(|c| c.id == key.id);
    let Some(position) = position else { return error.into() };
    let sql = format!("WITH copied AS (SELECT {copied} FROM {}) SELECT * FROM copied", quote(&name_of(change.before)));
    match repeated_value(connection, &sql, position) {
        Ok(Some(value)) => {
            error.details(format!("Key ({})=({}) is duplicated.", key.name, cell_text(&value, &key.ty))).into()
        }
        Ok(None) => error.into(),
        Err(error) => engine_error(error),
    }
}

fn repeated_value(connection: &Connection, sql: &str, position: usize) -> rusqlite::Result<Option<Cell>> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(())?;
    let mut seen = std::collections::HashSet::new();
    while let Some(row) = rows.next()? {
        let value: Cell = row.get(position)?;
        if let Cell::Integer(number) = value
            && !seen.insert(number)
        {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Why a unique index cannot be made.
pub(super) fn duplicated_entry(
    connection: &Connection,
    schema: &Schema,
    relation: &Relation,
    index: &IndexText,
) -> EngineError {
    let message = format!("could not create unique index \"{}\"", index.declared_as);
    let error = DatabaseError::new("23505", message);
    let column = |expr: &Expr| match expr {
        Expr::Column { column, .. } => Some(*column),
        _ => None,
    };
    let columns: Option<Vec<ColumnId>> = index.entries.terms.iter().map(|term| column(&term.expr)).collect();
    let Some(columns) = columns else { return error.into() };
    let list = column_list(relation, &columns);
    let mut conditions: Vec<String> = Vec::new();
    if !index.entries.nulls {
        conditions.extend(relation.column_names(&columns).map(|name| format!("{} IS NOT NULL", quote(name))));
    }
    conditions.extend(index.entries.condition.iter().map(|expr| definition(schema, relation, expr)));
    let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let sql = format!(
        "SELECT {list} FROM {}{condition} GROUP BY {list} HAVING count(*) > 1 LIMIT 1",
        quote(&name_of(relation))
    );
    match first_row(connection, &sql) {
        Ok(Some(values)) => {
            let (names, values) = key_texts(relation, &columns, &values);
            error.details(format!("Key ({names})=({values}) is duplicated.")).into()
        }
        Ok(None) => error.into(),
        Err(error) => error,
    }
}

fn any_row(connection: &Connection, sql: &str) -> Result<bool, EngineError> {
    connection.prepare(sql).and_then(|mut statement| statement.exists(())).map_err(engine_error)
}

fn first_row(connection: &Connection, sql: &str) -> Result<Option<Vec<Cell>>, EngineError> {
    let mut statement = connection.prepare(sql).map_err(internal)?;
    let width = statement.column_count();
    statement.query_row((), |row| (0..width).map(|index| row.get(index)).collect()).optional().map_err(engine_error)
}
