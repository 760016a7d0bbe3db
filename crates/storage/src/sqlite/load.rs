//! Rows of migrations, seeds and `copy`, inserted one by one, with PostgreSQL's errors for those that do not fit.

use roadbed_plan::expr::{Expr, SourceId, StatementConflict};
use roadbed_plan::schema::{Column, ColumnId, ForeignKey, IndexTerm, Relation, Schema};
use roadbed_plan::value::{self, Type, Value};
use roadbed_plan::{DatabaseError, EngineError};
use rusqlite::Connection;
use rusqlite::types::Value as Cell;

use super::compare::name_of;
use super::define::{self, CheckName, rowid_column};
use super::error::{engine_error, internal, is_constraint};
use super::sequences::{SequenceOf, Sequences, sequence_of};
use super::validate::{key_texts, missing_parent, points_nowhere, still_referenced};
use crate::sql::{Dialect, Mode, Renderer, quote_identifier as quote};

/// Where rows go.
pub(super) struct Target<'a> {
    pub(super) schema: &'a Schema,
    pub(super) relation: &'a Relation,
    /// Of each row's values, in their order.
    pub(super) columns: &'a [ColumnId],
    pub(super) conflict: Option<&'a StatementConflict>,
}

/// The row that was refused, counted from zero, and why.
#[derive(Debug)]
pub(super) struct RowFault {
    pub(super) row: usize,
    pub(super) error: EngineError,
}

/// Inserts rows. Columns without values get their defaults, from their sequences where they have one; foreign
/// keys are tested when all rows are there, as for one statement of PostgreSQL's.
///
/// # Errors
/// At the first row that is refused; those before it stay until the transaction is rolled back.
pub(super) fn insert_rows(
    connection: &Connection,
    sequences: &mut Sequences,
    target: &Target<'_>,
    rows: Vec<Vec<Cell>>,
) -> Result<(), RowFault> {
    let first_row = |error| RowFault { row: 0, error };
    if rows.is_empty() {
        return Ok(());
    }
    let mut counters = Vec::new();
    for (column, sequence) in missing_sequences(target) {
        let next = sequences.take(connection, &sequence, rows.len()).map_err(first_row)?;
        counters.push(Counter { column, next, increment: sequence.increment });
    }
    let own = |key: &&ForeignKey| key.target == target.relation.id && !key.initially_deferred;
    let own: Vec<&ForeignKey> = target.relation.foreign_keys.iter().filter(own).collect();
    if own.is_empty() {
        return write_rows(connection, target, &mut counters, rows).map(drop);
    }
    // Rows may refer to later rows of the same statement.
    let defer = |on: bool| connection.pragma_update(None, "defer_foreign_keys", on).map_err(internal);
    defer(true).map_err(first_row)?;
    let written = write_rows(connection, target, &mut counters, rows)?;
    defer(false).map_err(first_row)?;
    check_own_references(connection, target, &own, written).map_err(first_row)
}

/// A sequence's values for the rows to come.
struct Counter {
    column: ColumnId,
    next: i64,
    increment: i64,
}

fn missing_sequences(target: &Target<'_>) -> Vec<(ColumnId, SequenceOf)> {
    let missing = target.relation.columns.iter().filter(|column| !target.columns.contains(&column.id));
    let sequence = |column: &Column| Some((column.id, sequence_of(target.schema, target.relation, column)?));
    missing.filter_map(sequence).collect()
}

/// The first and the last rowid of what was written.
type Rowids = Option<(i64, i64)>;

fn write_rows(
    connection: &Connection,
    target: &Target<'_>,
    counters: &mut [Counter],
    rows: Vec<Vec<Cell>>,
) -> Result<Rowids, RowFault> {
    let mut columns = target.columns.to_vec();
    columns.extend(counters.iter().map(|counter| counter.column));
    let sql = insert_text(target, &columns);
    let mut insert = connection.prepare(&sql).map_err(|error| RowFault { row: 0, error: engine_error(error) })?;
    let rowid = rowid_column(target.relation).and_then(|key| columns.iter().position(|id| *id == key.id));
    let mut written: Rowids = None;
    for (row, mut cells) in rows.into_iter().enumerate() {
        for (id, cell) in target.columns.iter().zip(&mut cells) {
            fit_size(cell, &target.relation.column_by_id(*id).ty)
                .map_err(|error| RowFault { row, error: error.into() })?;
        }
        for counter in counters.iter_mut() {
            cells.push(Cell::Integer(counter.next));
            counter.next = counter.next.wrapping_add(counter.increment);
        }
        if let Some(position) = rowid
            && matches!(cells.get(position), Some(Cell::Null))
        {
            let column = target.relation.column_by_id(columns[position]);
            return Err(RowFault { row, error: null_value(target.relation, &column.name).into() });
        }
        match insert.execute(rusqlite::params_from_iter(&cells)) {
            Ok(0) => {}
            Ok(_) => {
                let id = connection.last_insert_rowid();
                written = Some(written.map_or((id, id), |(first, last)| (first.min(id), last.max(id))));
            }
            Err(error) => {
                let error = row_error(connection, target, &Row { columns: &columns, cells: &cells }, error);
                return Err(RowFault { row, error });
            }
        }
    }
    Ok(written)
}

/// An expression's text may be longer than the column it is assigned to: spaces are cut off, more is an error.
fn fit_size(cell: &mut Cell, ty: &Type) -> Result<(), DatabaseError> {
    let (Cell::Text(text), Type::Varchar(Some(size)) | Type::Char(Some(size))) = (&*cell, ty.base()) else {
        return Ok(());
    };
    let size = usize::try_from(*size).unwrap_or(usize::MAX);
    let blank_padded = matches!(ty.base(), Type::Char(_));
    // Characters are never more than bytes, so most texts need no count.
    if text.len() <= size && !(blank_padded && text.len() < size) {
        return Ok(());
    }
    let end = text.char_indices().nth(size).map_or(text.len(), |(end, _)| end);
    if text[end..].contains(|c| c != ' ') {
        return Err(too_long(ty));
    }
    let mut fitting = text[..end].to_owned();
    if blank_padded {
        let missing = size.saturating_sub(fitting.chars().count());
        fitting.extend(std::iter::repeat_n(' ', missing));
    }
    *cell = Cell::Text(fitting);
    Ok(())
}

fn too_long(ty: &Type) -> DatabaseError {
    let (name, size) = (ty.base().sql_name(), ty.base());
    let size = match size {
        Type::Varchar(Some(size)) | Type::Char(Some(size)) => *size,
        _ => 0,
    };
    DatabaseError::new("22001", format!("value too long for type {name}({size})"))
}

/// As for inserted rows, for columns that a statement has just computed.
pub(super) fn fit_sizes<'c>(
    connection: &Connection,
    table: &str,
    columns: impl Iterator<Item = &'c Column>,
) -> Result<(), EngineError> {
    let table = quote(table);
    for column in columns {
        let (Type::Varchar(Some(size)) | Type::Char(Some(size))) = column.ty.base() else { continue };
        let name = quote(&column.name);
        let blanks = format!("length({name}) > {size} AND rtrim(substr({name}, {size} + 1), ' ') = ''");
        let mut changes = vec![format!("UPDATE {table} SET {name} = substr({name}, 1, {size}) WHERE {blanks}")];
        if matches!(column.ty.base(), Type::Char(_)) {
            let padded = format!("format('%-{size}s', {name})");
            changes.push(format!("UPDATE {table} SET {name} = {padded} WHERE length({name}) < {size}"));
        }
        connection.execute_batch(&changes.join("; ")).map_err(engine_error)?;
        let sql = format!("SELECT 1 FROM {table} WHERE length({name}) > {size} LIMIT 1");
        if connection.prepare(&sql).and_then(|mut longer| longer.exists(())).map_err(engine_error)? {
            return Err(too_long(&column.ty).into());
        }
    }
    Ok(())
}

fn insert_text(target: &Target<'_>, columns: &[ColumnId]) -> String {
    let mut renderer = Renderer::new(target.schema, Dialect::Sqlite, Mode::Definition);
    let table = quote(&name_of(target.relation));
    renderer.push(&format!("INSERT INTO {table} AS {}", renderer.alias_of(SourceId::ROW)));
    if columns.is_empty() {
        renderer.push(" DEFAULT VALUES");
    } else {
        let places = vec!["?"; columns.len()].join(", ");
        renderer.push(&format!(" ({}) VALUES ({places})", define::column_list(target.relation, columns)));
    }
    if let Some(conflict) = target.conflict {
        renderer.on_conflict(target.relation.id, conflict);
    }
    renderer.finish().sql
}

fn check_own_references(
    connection: &Connection,
    target: &Target<'_>,
    keys: &[&ForeignKey],
    written: Rowids,
) -> Result<(), EngineError> {
    let Some((first, last)) = written else { return Ok(()) };
    let updates = target.conflict.is_some_and(|conflict| !conflict.update.is_empty());
    let hidden = target.relation.column("_rowid_").is_some();
    let range = if updates || hidden { String::new() } else { format!(" AND c._rowid_ BETWEEN {first} AND {last}") };
    for key in keys {
        if let Some(error) = missing_parent(connection, target.schema, target.relation, key, &range)? {
            return Err(error.into());
        }
    }
    Ok(())
}

struct Row<'a> {
    columns: &'a [ColumnId],
    cells: &'a [Cell],
}

fn row_error(connection: &Connection, target: &Target<'_>, row: &Row<'_>, error: rusqlite::Error) -> EngineError {
    if !is_constraint(&error) {
        return engine_error(error);
    }
    let text = match &error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        _ => return engine_error(error),
    };
    let relation = target.relation;
    let known = if let Some(places) = text.strip_prefix("UNIQUE constraint failed: ") {
        Some(duplicate(target, row, places))
    } else if let Some(place) = text.strip_prefix("NOT NULL constraint failed: ") {
        Some(null_value(relation, place.rsplit_once('.').map_or(place, |(_, column)| column)))
    } else if let Some(name) = text.strip_prefix("CHECK constraint failed: ") {
        Some(violated_check(relation, name))
    } else {
        absent_parent(connection, target, row).unwrap_or_default()
    };
    match known {
        Some(known) => known.into(),
        None => engine_error(error),
    }
}

/// The first foreign key of a row that points nowhere.
fn absent_parent(
    connection: &Connection,
    target: &Target<'_>,
    row: &Row<'_>,
) -> rusqlite::Result<Option<DatabaseError>> {
    for key in &target.relation.foreign_keys {
        let cell = |id: &ColumnId| row.columns.iter().position(|column| column == id).map(|at| row.cells[at].clone());
        let Some(cells) = key.columns.iter().map(cell).collect::<Option<Vec<Cell>>>() else { continue };
        let parent = target.schema.relation(key.target);
        let equal: Vec<_> =
            parent.column_names(&key.target_columns).map(|name| format!("{} = ?", quote(name))).collect();
        let sql = format!("SELECT 1 FROM {} WHERE {}", quote(&name_of(parent)), equal.join(" AND "));
        let found = connection.prepare(&sql)?.exists(rusqlite::params_from_iter(&cells))?;
        if !found && !cells.contains(&Cell::Null) {
            return Ok(Some(points_nowhere(target.schema, target.relation, key, &cells)));
        }
    }
    Ok(None)
}

/// What a statement that writes `relation` was refused for, as a whole.
pub(super) fn statement_error(
    connection: &Connection,
    schema: &Schema,
    (relation, sql): (&Relation, &str),
    error: rusqlite::Error,
) -> EngineError {
    let text = match &error {
        rusqlite::Error::SqliteFailure(_, Some(text)) if is_constraint(&error) => text.as_str(),
        _ => return engine_error(error),
    };
    if text == "FOREIGN KEY constraint failed" {
        let unknown = || DatabaseError::new("23503", "update or delete violates a foreign key constraint");
        return broken_by(connection, schema, relation, sql).unwrap_or_else(unknown).into();
    }
    // What a foreign key's action does to another table may be refused too.
    let (kind, place) = text.split_once(" constraint failed: ").unwrap_or((text, ""));
    let table = place.split('.').next().unwrap_or_default();
    let named = schema.relations.values().find(|relation| name_of(relation) == table).map_or(relation, |found| found);
    let none = Row { columns: &[], cells: &[] };
    match kind {
        "NOT NULL" => null_value(named, place.rsplit_once('.').map_or(place, |(_, column)| column)).into(),
        "UNIQUE" => duplicate(&Target { schema, relation: named, columns: &[], conflict: None }, &none, place).into(),
        "CHECK" => violated_check(relation, place).into(),
        _ => engine_error(error),
    }
}

/// Which reference a statement on `relation` breaks. The statement has failed; it runs again, with its foreign keys
/// left for later, and is undone.
fn broken_by(connection: &Connection, schema: &Schema, relation: &Relation, sql: &str) -> Option<DatabaseError> {
    let run = || -> Result<Option<DatabaseError>, EngineError> {
        connection.execute_batch("SAVEPOINT broken; PRAGMA defer_foreign_keys = ON").map_err(internal)?;
        connection.execute(sql, ()).map_err(internal)?;
        for key in &relation.foreign_keys {
            if let Some(error) = missing_parent(connection, schema, relation, key, "")? {
                return Ok(Some(error));
            }
        }
        for (child, key) in schema.foreign_keys_to(relation.id) {
            if let Some(error) = still_referenced(connection, schema, child, key)? {
                return Ok(Some(error));
            }
        }
        Ok(None)
    };
    let found = run();
    let undone = connection
        .execute_batch("ROLLBACK TO broken; RELEASE broken; PRAGMA defer_foreign_keys = OFF")
        .map_err(internal);
    undone.and(found).ok().flatten()
}

/// The first reference that points nowhere, in the whole database.
pub(super) fn broken_reference(connection: &Connection, schema: &Schema) -> Option<DatabaseError> {
    let tables: Vec<String> = connection
        .prepare("SELECT DISTINCT \"table\" FROM pragma_foreign_key_check")
        .and_then(|mut check| check.query_map((), |row| row.get(0))?.collect())
        .ok()?;
    let mut relations = schema.relations.values().filter(|relation| tables.contains(&name_of(relation)));
    relations.find_map(|relation| {
        let missing = |key| missing_parent(connection, schema, relation, key, "").ok().flatten();
        relation.foreign_keys.iter().find_map(missing)
    })
}

fn null_value(relation: &Relation, column: &str) -> DatabaseError {
    let table = &relation.name;
    let message = format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint");
    DatabaseError::new("23502", message)
}

fn violated_check(relation: &Relation, name: &str) -> DatabaseError {
    let table = &relation.name;
    match CheckName::parse(name) {
        CheckName::Table(check) => DatabaseError::new(
            "23514",
            format!("new row for relation \"{table}\" violates check constraint \"{check}\""),
        ),
        CheckName::Domain { domain, check } => {
            DatabaseError::new("23514", format!("value for domain {domain} violates check constraint \"{check}\""))
        }
        CheckName::DomainNotNull { domain } => {
            DatabaseError::new("23502", format!("domain {domain} does not allow null values"))
        }
    }
}

/// `places` is `table.column, table.column`, or `index 'name'`.
fn duplicate(target: &Target<'_>, row: &Row<'_>, places: &str) -> DatabaseError {
    let relation = target.relation;
    if let Some(index) = places.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\'')) {
        let indexes = define::indexes(target.schema, relation);
        let Some(index) = indexes.iter().find(|text| text.name == index) else { return duplicate_key(index) };
        let column = |term: &IndexTerm| match &term.expr {
            Expr::Column { column, .. } => Some(*column),
            _ => None,
        };
        let columns: Option<Vec<ColumnId>> = index.entries.terms.iter().map(column).collect();
        return with_key(duplicate_key(&index.declared_as), relation, columns.as_deref().unwrap_or_default(), row);
    }
    let prefix = format!("{}.", name_of(relation));
    let names: Vec<&str> = places.split(", ").map(|place| place.strip_prefix(&prefix).unwrap_or(place)).collect();
    let columns: Vec<ColumnId> =
        names.iter().filter_map(|name| relation.column(name)).map(|column| column.id).collect();
    let named = relation.keys().find(|key| key.columns == columns).map(|key| key.name.as_str());
    let indexed = || {
        let same = |index: &&roadbed_plan::schema::Index| {
            index.unique
                && index.terms.len() == columns.len()
                && index
                    .terms
                    .iter()
                    .zip(&columns)
                    .all(|(term, id)| matches!(&term.expr, Expr::Column { column, .. } if column == id))
        };
        relation.indexes.iter().find(same).map(|index| index.name.as_str())
    };
    let error = duplicate_key(named.or_else(indexed).unwrap_or_default());
    with_key(error, relation, &columns, row)
}

/// Adds the values of a key, where the row gives them all.
fn with_key(error: DatabaseError, relation: &Relation, columns: &[ColumnId], row: &Row<'_>) -> DatabaseError {
    let cell = |id: &ColumnId| row.columns.iter().position(|column| column == id).and_then(|at| row.cells.get(at));
    match columns.iter().map(|id| cell(id).cloned()).collect::<Option<Vec<Cell>>>() {
        Some(cells) if !cells.is_empty() => {
            let (names, values) = key_texts(relation, columns, &cells);
            error.details(format!("Key ({names})=({values}) already exists."))
        }
        Some(_) | None => error,
    }
}

fn duplicate_key(name: &str) -> DatabaseError {
    DatabaseError::new("23505", format!("duplicate key value violates unique constraint \"{name}\""))
}

/// A stored value as PostgreSQL shows it in an error.
pub(super) fn cell_text(cell: &Cell, ty: &Type) -> String {
    match cell_value(cell, ty) {
        Value::Null => "null".to_owned(),
        value => value::to_text(&value, ty),
    }
}

/// The canonical value that a cell holds.
pub(super) fn cell_value(cell: &Cell, ty: &Type) -> Value {
    match (cell, ty.base()) {
        (Cell::Null, _) => Value::Null,
        (Cell::Integer(number), Type::Bool) => Value::Bool(*number != 0),
        (Cell::Integer(number), _) => Value::Int(*number),
        (Cell::Real(number), _) => Value::Float(*number),
        (Cell::Text(_), Type::Float4 | Type::Float8) => Value::Float(f64::NAN),
        (Cell::Text(text), _) => Value::text(text.as_str()),
        (Cell::Blob(bytes), _) => Value::Bytes(bytes.as_slice().into()),
    }
}
