//! Migrations and seeds on SQLite: each file in one transaction, recorded with its text.
//!
//! What exists is the fold of the recorded texts, so a schema is never read back from SQLite's own.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use roadbed_plan::engine::{AppliedMigration, Migration, MigrationError, SqlError, pending_migrations};
use roadbed_plan::expr::{Expr, Select, SelectOutput, Statement};
use roadbed_plan::planner::plan_statement;
use roadbed_plan::schema::read_sql::{self, SqlFile, Step};
use roadbed_plan::schema::{ColumnId, DefaultValue, Relation, Schema};
use roadbed_plan::{DatabaseError, EngineError, Session};
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::answers;
use super::compare::{self, SchemaChange, name_of};
use super::connect::{Request, SqliteConnection};
use super::copy::{self, CopyFault, CopyRows};
use super::define::select_definition;
use super::error::engine_error;
use super::foreign_keys::may_fire;
use super::functions::to_sql;
use super::load::{self, Target, broken_reference, insert_rows};
use super::procedure::write_statement;
use super::sequences;
use super::triggers;
use super::validate::missing_parent;
use crate::sql::{Dialect, Mode, Renderer};

/// What exists before the first migration.
const BOOTSTRAP: SqlFile<'static> = SqlFile { path: "roadbed's own start", text: include_str!("../sql/bootstrap.sql") };

const TABLE: &str = "CREATE TABLE IF NOT EXISTS \"roadbed.migrations\" (id INTEGER PRIMARY KEY, \
    name TEXT NOT NULL UNIQUE, checksum TEXT NOT NULL, sql TEXT NOT NULL, applied_at INTEGER NOT NULL)";

/// Applies the migrations that were not applied yet, in the order of their names, and returns their names.
///
/// # Errors
/// When the files do not continue what was applied, or one of them cannot be applied: it leaves nothing behind.
pub(super) fn apply(connection: &SqliteConnection, migrations: &[Migration]) -> Result<Vec<String>, MigrationError> {
    if !is_prepared(&connection.sql)? {
        as_owner(connection, || prepare(connection))?;
    }
    connection.sql.execute_batch(answers::TABLE).map_err(engine_error)?;
    let waiting = pending_migrations(&applied(&connection.sql)?, migrations)?;
    let mut folded = None;
    let mut names = Vec::new();
    for file in waiting {
        if as_owner(connection, || apply_one(connection, migrations, file, &mut folded))? {
            names.push(file.name.clone());
        }
    }
    Ok(names)
}

/// What exists now.
///
/// # Errors
/// When the recorded texts cannot be read.
pub(super) fn schema(connection: &Connection) -> Result<Schema, MigrationError> {
    Ok(Arc::unwrap_or_clone(fold(connection)?))
}

/// The migrations that were applied, in their order.
///
/// # Errors
/// When the table of migrations cannot be read.
pub(super) fn applied(connection: &Connection) -> Result<Vec<AppliedMigration>, MigrationError> {
    if !is_prepared(connection)? {
        return Ok(Vec::new());
    }
    let read = || -> rusqlite::Result<Vec<AppliedMigration>> {
        let sql = "SELECT name, checksum, applied_at FROM \"roadbed.migrations\" ORDER BY id";
        let row = |row: &rusqlite::Row<'_>| {
            Ok(AppliedMigration { name: row.get(0)?, checksum: row.get(1)?, applied_at: row.get(2)? })
        };
        connection.prepare(sql)?.query_map((), row)?.collect()
    };
    Ok(read().map_err(engine_error)?)
}

/// Runs a seed file in one transaction.
///
/// # Errors
/// When a statement fails or would change the schema; nothing of the file stays then.
pub(super) fn seed(connection: &SqliteConnection, script: &Migration) -> Result<(), MigrationError> {
    if !is_prepared(&connection.sql)? {
        as_owner(connection, || prepare(connection))?;
    }
    as_owner(connection, || seed_rows(connection, script))
}

fn seed_rows(connection: &SqliteConnection, script: &Migration) -> Result<(), MigrationError> {
    let transaction = begin(connection)?;
    let mut schema = fold(&transaction)?;
    let file = SqlFile { path: &script.path, text: &script.sql };
    let steps = read_sql::read(&mut schema, &file)?;
    for step in &steps {
        if let Step::Define { offset, length, .. } = step {
            return Err(SqlError {
                path: file.path.to_owned(),
                source_text: file.text.to_owned(),
                offset: *offset,
                length: *length,
                sqlstate: Some("0A000".into()),
                message: "a seed file can only write rows".into(),
                help: Some("write this statement in a migration".into()),
            }
            .into());
        }
    }
    Runner::new(connection, file).run(&steps)?;
    commit(&transaction, &schema, &file)
}

/// Does `work` as the role that migrations run as, with no claims.
fn as_owner<T>(connection: &SqliteConnection, work: impl FnOnce() -> T) -> T {
    connection.session.start(&owner(), connection.clock.timestamptz());
    let result = work();
    connection.session.clear();
    result
}

fn owner() -> Session {
    Session::new(read_sql::OWNER, serde_json::Map::new())
}

fn begin(connection: &SqliteConnection) -> Result<Transaction<'_>, EngineError> {
    // What earlier transactions knew of sequences may have been rolled back.
    connection.sequences.borrow_mut().forget();
    Transaction::new_unchecked(&connection.sql, TransactionBehavior::Immediate).map_err(engine_error)
}

fn is_prepared(connection: &Connection) -> Result<bool, EngineError> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'roadbed.migrations'";
    Ok(connection.query_row(sql, (), |_| Ok(())).optional().map_err(engine_error)?.is_some())
}

/// Makes the tables of the engine itself, and what `BOOTSTRAP` declares.
fn prepare(connection: &SqliteConnection) -> Result<(), MigrationError> {
    let transaction = begin(connection)?;
    if is_prepared(&transaction)? {
        return Ok(());
    }
    transaction
        .execute_batch(TABLE)
        .and_then(|()| transaction.execute_batch(sequences::TABLE))
        .map_err(engine_error)?;
    let mut schema = Arc::new(Schema::initial());
    let steps = read_sql::read(&mut schema, &BOOTSTRAP)?;
    Runner::new(connection, BOOTSTRAP).run(&steps)?;
    commit(&transaction, &schema, &BOOTSTRAP)
}

/// A schema and how many migrations are folded into it.
type Folded = Option<(usize, Arc<Schema>)>;

/// Applies one file, unless another process has done so meanwhile. Says whether it was applied here.
fn apply_one(
    connection: &SqliteConnection,
    files: &[Migration],
    migration: &Migration,
    folded: &mut Folded,
) -> Result<bool, MigrationError> {
    let transaction = begin(connection)?;
    let before = applied(&transaction)?;
    if !pending_migrations(&before, files)?.iter().any(|file| file.name == migration.name) {
        return Ok(false);
    }
    let mut schema = match folded.take() {
        Some((count, schema)) if count == before.len() => schema,
        Some(_) | None => fold(&transaction)?,
    };
    let file = SqlFile { path: &migration.path, text: &migration.sql };
    let steps = read_sql::read(&mut schema, &file)?;
    Runner::new(connection, file).run(&steps)?;
    let record = "INSERT INTO \"roadbed.migrations\" (name, checksum, sql, applied_at) VALUES (?1, ?2, ?3, ?4)";
    let values = (&migration.name, migration.checksum(), &migration.sql, connection.clock.unix_micros());
    transaction.execute(record, values).map_err(engine_error)?;
    let version = before.len() + 1;
    transaction.execute_batch(&format!("PRAGMA user_version = {version}")).map_err(engine_error)?;
    Arc::make_mut(&mut schema).version = version as u64;
    commit(&transaction, &schema, &file)?;
    *folded = Some((version, schema));
    Ok(true)
}

/// How many migrations the database has, told without reading their table.
pub(super) fn version(connection: &Connection) -> Result<u64, EngineError> {
    let mut statement = connection.prepare_cached("PRAGMA user_version").map_err(engine_error)?;
    let version: i64 = statement.query_row((), |row| row.get(0)).map_err(engine_error)?;
    Ok(version.unsigned_abs())
}

fn fold(connection: &Connection) -> Result<Arc<Schema>, MigrationError> {
    let mut schema = Arc::new(Schema::initial());
    read_sql::fold(&mut schema, &BOOTSTRAP)?;
    if !is_prepared(connection)? {
        return Ok(schema);
    }
    let read = || -> rusqlite::Result<Vec<(String, String)>> {
        let mut texts = connection.prepare("SELECT name, sql FROM \"roadbed.migrations\" ORDER BY id")?;
        texts.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    for (name, text) in read().map_err(engine_error)? {
        let path = format!("{name}.sql");
        read_sql::fold(&mut schema, &SqlFile { path: &path, text: &text })?;
    }
    Arc::make_mut(&mut schema).version = version(connection)?;
    Ok(schema)
}

/// Commits; foreign keys that were deferred are tested here.
fn commit(transaction: &Transaction<'_>, schema: &Schema, file: &SqlFile<'_>) -> Result<(), MigrationError> {
    let at_end = |error| located(file, (file.text.len(), 0), error);
    // SQLite may have lost count of these where rows of one statement referred to each other.
    for relation in schema.relations.values() {
        for key in relation.foreign_keys.iter().filter(|key| key.initially_deferred) {
            if let Some(error) = missing_parent(transaction, schema, relation, key, "").map_err(at_end)? {
                return Err(at_end(error.into()));
            }
        }
    }
    transaction.execute_batch("COMMIT").map_err(|error| {
        let broken = super::error::is_constraint(&error).then(|| broken_reference(transaction, schema)).flatten();
        let error = broken.map_or_else(|| engine_error(error), EngineError::from);
        at_end(error)
    })
}

/// The error of the statement at `place`, an offset and a length.
fn located(file: &SqlFile<'_>, place: (usize, usize), error: EngineError) -> MigrationError {
    let (sqlstate, message, help) = match error {
        EngineError::Database(error) => {
            let message = match error.details {
                Some(details) => format!("{}: {details}", error.message),
                None => error.message,
            };
            (Some(error.sqlstate.into_owned()), message, error.hint)
        }
        // Its words end with the whole statement that SQLite was given.
        EngineError::Internal { reason } => {
            let words = reason.split(" in ").next().unwrap_or_default();
            let not_immutable = |what: &str| (Some("42P17".to_owned()), what.to_owned(), None);
            match reason.split_once("non-deterministic functions prohibited in ").map(|(_, place)| place) {
                Some(place) if place.starts_with("generated") => {
                    not_immutable("generation expression is not immutable")
                }
                Some(place) if place.starts_with("index") => {
                    not_immutable("functions in index expression must be marked IMMUTABLE")
                }
                Some(place) if place.starts_with("CHECK") => (
                    Some("0A000".to_owned()),
                    "a check that asks for the time or the caller works only on PostgreSQL".to_owned(),
                    Some("test it in a policy, `with check (…)`, or leave it out".to_owned()),
                ),
                Some(_) | None => (None, format!("SQLite cannot do this: {words}"), None),
            }
        }
        away @ (EngineError::RowCount { .. }
        | EngineError::SchemaChanged
        | EngineError::Unavailable { .. }
        | EngineError::Busy { .. }
        | EngineError::GivenUp
        | EngineError::KeyReused
        | EngineError::KeyInUse { .. }
        | EngineError::NoKeys { .. }) => {
            return away.into();
        }
    };
    SqlError {
        path: file.path.to_owned(),
        source_text: file.text.to_owned(),
        offset: place.0,
        length: place.1,
        sqlstate,
        message,
        help,
    }
    .into()
}

/// Carries out the steps of one file within its transaction.
struct Runner<'a> {
    connection: &'a SqliteConnection,
    /// Migrations run as their owner, with no claims.
    session: Session,
    file: SqlFile<'a>,
}

impl<'a> Runner<'a> {
    fn new(connection: &'a SqliteConnection, file: SqlFile<'a>) -> Self {
        Self { connection, session: owner(), file }
    }

    fn run(&self, steps: &[Step]) -> Result<(), MigrationError> {
        for step in steps {
            let (place, result) = match step {
                Step::Define { before, after, conversions, offset, length } => {
                    self.connection.procedures.forget();
                    let change = SchemaChange { before, after, conversions };
                    let result =
                        compare::follow(&self.connection.sql, &mut self.connection.sequences.borrow_mut(), &change);
                    ((*offset, *length), result)
                }
                Step::Write { schema, statement, offset, length } => {
                    ((*offset, *length), self.write(schema, statement))
                }
                Step::Copy { schema, relation, columns, format, rows, offset, length } => {
                    let copy = CopyRows { schema, relation: schema.relation(*relation), columns, format };
                    let text = self.file.text.get(rows.clone()).unwrap_or_default();
                    match self.copy(&copy, text) {
                        Ok(()) => ((*offset, *length), Ok(())),
                        Err(fault) => {
                            let place = fault.place.map(|(line, length)| (rows.start + line, length));
                            (place.unwrap_or((*offset, *length)), Err(fault.error))
                        }
                    }
                }
            };
            result.map_err(|error| located(&self.file, place, error))?;
        }
        Ok(())
    }

    /// Writes row by row, where triggers look at them.
    fn through_triggers(&self, schema: &Schema, statement: &Statement) -> Result<(), EngineError> {
        let request = Request {
            connection: self.connection,
            session: &self.session,
            now: self.connection.clock.timestamptz(),
            zone: None,
        };
        let query = plan_statement(schema, statement.clone(), &self.session.role);
        write_statement(request, schema, &query)
    }

    fn write(&self, schema: &Schema, statement: &Statement) -> Result<(), EngineError> {
        if let Statement::Insert { relation, columns, overriding, .. } = statement {
            refuse_generated(schema.relation(*relation), columns, *overriding)?;
        }
        if fires(schema, statement) {
            return self.through_triggers(schema, statement);
        }
        match statement {
            Statement::Insert { relation, columns, rows, conflict, .. } => {
                let relation = schema.relation(*relation);
                let rows = match rows {
                    Some(rows) => self.rows_of(schema, rows)?,
                    None => vec![Vec::new()],
                };
                let target = Target { schema, relation, columns, conflict: conflict.as_ref() };
                insert_rows(&self.connection.sql, &mut self.connection.sequences.borrow_mut(), &target, rows)
                    .map_err(|fault| fault.error)
            }
            Statement::Update { relation, assignments, .. } => {
                let relation = schema.relation(*relation);
                self.execute(schema, relation, statement)?;
                let assigned = assignments.iter().map(|(id, _)| relation.column_by_id(*id));
                load::fit_sizes(&self.connection.sql, &name_of(relation), assigned)
            }
            Statement::Delete { relation, .. } => self.execute(schema, schema.relation(*relation), statement),
            Statement::Select(select) => self.select(schema, select),
        }
    }

    fn execute(&self, schema: &Schema, relation: &Relation, statement: &Statement) -> Result<(), EngineError> {
        let mut renderer = Renderer::new(schema, Dialect::Sqlite, Mode::Definition);
        renderer.statement(statement);
        let sql = renderer.finish().sql;
        let refused = |error| load::statement_error(&self.connection.sql, schema, (relation, &sql), error);
        self.connection.sql.execute(&sql, ()).map(drop).map_err(refused)
    }

    fn copy(&self, copy: &CopyRows<'_>, text: &str) -> Result<(), CopyFault> {
        if !triggers::any(copy.relation) {
            let sequences = &mut self.connection.sequences.borrow_mut();
            return copy::load(&self.connection.sql, sequences, &self.connection.clock, (copy, text));
        }
        let values = copy::values(copy, text, &self.connection.clock)?;
        if values.is_empty() {
            return Ok(());
        }
        let statement = Statement::Insert {
            relation: copy.relation.id,
            columns: copy.columns.to_vec(),
            rows: Some(Select { values, ..Select::default() }),
            overriding: true,
            conflict: None,
        };
        self.through_triggers(copy.schema, &statement).map_err(|error| CopyFault { place: None, error })
    }

    /// The rows of a select, as SQLite keeps their values.
    fn rows_of(&self, schema: &Schema, select: &Select) -> Result<Vec<Vec<Cell>>, EngineError> {
        if let Some(rows) = known_rows(select) {
            return Ok(rows);
        }
        let mut statement = self.connection.sql.prepare(&select_definition(schema, select)).map_err(engine_error)?;
        let width = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..width).map(|index| row.get(index)).collect();
        statement.query_map((), row).and_then(Iterator::collect).map_err(engine_error)
    }

    /// A select is run for its effect: that of `setval` and `nextval`, which only stand for themselves here.
    fn select(&self, schema: &Schema, select: &Select) -> Result<(), EngineError> {
        for output in &select.outputs {
            let Expr::Call { function, args, .. } = &output.expr else { continue };
            if !matches!(&**function, "setval" | "nextval") {
                continue;
            }
            let outputs = args.iter().map(|arg| SelectOutput { name: String::new(), expr: arg.clone() }).collect();
            let args = Select { outputs, ..select.clone() };
            for row in self.rows_of(schema, &args)? {
                self.move_sequence(schema, &row)?;
            }
        }
        let is_sequence = |output: &SelectOutput| matches!(&output.expr, Expr::Call { function, .. } if matches!(&**function, "setval" | "nextval"));
        let others: Vec<SelectOutput> = select.outputs.iter().filter(|output| !is_sequence(output)).cloned().collect();
        if others.is_empty() && !select.outputs.is_empty() {
            return Ok(());
        }
        self.rows_of(schema, &Select { outputs: others, ..select.clone() }).map(drop)
    }

    fn move_sequence(&self, schema: &Schema, args: &[Cell]) -> Result<(), EngineError> {
        let Some(Cell::Text(name)) = args.first() else { return Ok(()) };
        let sequence = find_sequence(schema, name)?;
        match (args.get(1), args.get(2)) {
            (Some(Cell::Integer(value)), called) => {
                let called = called != Some(&Cell::Integer(0));
                self.connection.sequences.borrow_mut().set(&self.connection.sql, &sequence, *value, called)
            }
            // As in PostgreSQL, `setval` of null changes nothing.
            (Some(_), _) => Ok(()),
            (None, _) => self.connection.sequences.borrow_mut().take(&self.connection.sql, &sequence, 1).map(drop),
        }
    }
}

/// Whether a statement may fire a trigger.
fn fires(schema: &Schema, statement: &Statement) -> bool {
    match statement {
        Statement::Insert { relation, .. } => triggers::any(schema.relation(*relation)),
        Statement::Update { relation, .. } | Statement::Delete { relation, .. } => {
            may_fire(schema, schema.relation(*relation))
        }
        Statement::Select(_) => false,
    }
}

/// Rows that need no database to be known.
fn known_rows(select: &Select) -> Option<Vec<Vec<Cell>>> {
    let plain = select.with.is_empty() && select.combined.is_empty() && select.order.is_empty();
    if select.values.is_empty() || !plain || select.limit.is_some() || select.offset.is_some() {
        return None;
    }
    let cell = |expr: &Expr| match expr {
        Expr::Value { value, .. } => Some(to_sql(value.clone())),
        _ => None,
    };
    select.values.iter().map(|row| row.iter().map(cell).collect()).collect()
}

fn refuse_generated(relation: &Relation, columns: &[ColumnId], overriding: bool) -> Result<(), DatabaseError> {
    for id in columns {
        let column = relation.column_by_id(*id);
        let message = || format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
        match &column.default {
            Some(DefaultValue::Generated(_)) => {
                let details = format!("Column \"{}\" is a generated column.", column.name);
                return Err(DatabaseError::new("428C9", message()).details(details));
            }
            Some(DefaultValue::Identity { always: true, .. }) if !overriding => {
                let details = format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name);
                let hint = "Use OVERRIDING SYSTEM VALUE to override.";
                return Err(DatabaseError::new("428C9", message()).details(details).hint(hint));
            }
            Some(
                DefaultValue::Identity { .. }
                | DefaultValue::Expr(_)
                | DefaultValue::Sequence { .. }
                | DefaultValue::Engine(_),
            )
            | None => {}
        }
    }
    Ok(())
}

/// A sequence by its schema and name with a dot between.
fn find_sequence(schema: &Schema, text: &str) -> Result<sequences::SequenceOf, DatabaseError> {
    let found = schema.sequences.iter().find(|((namespace, name), _)| {
        text.strip_prefix(namespace.as_str()).and_then(|rest| rest.strip_prefix('.')) == Some(name)
    });
    found
        .map(|(name, sequence)| sequences::named(name, Some(sequence)))
        .ok_or_else(|| DatabaseError::new("42P01", format!("relation \"{text}\" does not exist")))
}
