//! Makes SQLite's tables, indexes and views follow a changed schema.
//!
//! SQLite keeps each object's text in `sqlite_schema`. Where rows stay as they lie (names, constraints, defaults) only
//! the texts change, in the way that SQLite's page on `alter table` describes; where the layout changes, rows are
//! copied into a new table. What is new is then tested on the rows, with PostgreSQL's errors.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use roadbed_plan::EngineError;
use roadbed_plan::schema::read_sql::Conversion;
use roadbed_plan::schema::{Column, Relation, RelationId, Schema};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::define::{self, IndexText, TableText, default_expr, definition, object_name, rowid_column};
use super::error::{engine_error, internal, is_constraint};
use super::load::fit_sizes;
use super::search::SearchTables;
use super::sequences::{self, Sequences, sequence_of};
use super::validate;
use crate::sql::quote_identifier as quote;

/// From one schema to the next.
pub(super) struct SchemaChange<'a> {
    pub(super) before: &'a Schema,
    pub(super) after: &'a Schema,
    pub(super) conversions: &'a [Conversion],
}

/// Changes what exists from `change.before` to `change.after`. To be called within a transaction.
///
/// # Errors
/// When existing rows do not fit, or SQLite cannot keep what was declared; the transaction is of no use then.
pub(super) fn follow(
    connection: &Connection,
    sequences: &mut Sequences,
    change: &SchemaChange<'_>,
) -> Result<(), EngineError> {
    let difference = Difference::between(change)?;
    sequences::follow(connection, change.before, change.after).map_err(internal)?;
    if difference.is_empty() {
        return Ok(());
    }
    // Dropping and replacing tables must not act on the rows that refer to them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false).map_err(internal)?;
    let result = Follower { connection, change, edits: Vec::new() }.run(sequences, &difference);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true).map_err(internal)?;
    result
}

/// What two schemas do not have in common, as far as SQLite knows of it.
#[derive(Default)]
struct Difference<'a> {
    /// Names of views to drop.
    old_views: Vec<String>,
    /// Texts of views to make.
    new_views: Vec<String>,
    dropped: Vec<(String, SearchTables)>,
    created: Vec<(&'a Relation, TableText, Vec<IndexText>, SearchTables)>,
    changed: Vec<TableChange<'a>>,
}

/// A table that exists in both schemas, and not in the same form.
pub(super) struct TableChange<'a> {
    pub(super) before: &'a Relation,
    pub(super) after: &'a Relation,
    old: TableText,
    new: TableText,
    old_indexes: Vec<IndexText>,
    new_indexes: Vec<IndexText>,
    old_search: SearchTables,
    new_search: SearchTables,
    /// The rows must be copied into a new table.
    copied: bool,
}

impl<'a> Difference<'a> {
    fn between(change: &SchemaChange<'a>) -> Result<Self, EngineError> {
        let mut difference = Self::default();
        for id in affected(change) {
            match (change.before.relations.get(&id), change.after.relations.get(&id)) {
                (Some(old), Some(new)) if old.is_view() || new.is_view() => {
                    difference.view(change, Some((old, new)))?
                }
                (Some(old), Some(new)) => difference.table(change, old, new)?,
                (Some(old), None) if old.is_view() => difference.old_views.push(name_of(old)),
                (Some(old), None) => difference.dropped.push((name_of(old), SearchTables::of(change.before, old))),
                (None, Some(new)) if new.is_view() => difference.new_views.push(define::view(change.after, new)?.1),
                (None, Some(new)) => {
                    let table = define::table(change.after, new)?;
                    let (indexes, search) = (define::indexes(change.after, new), SearchTables::of(change.after, new));
                    difference.created.push((new.as_ref(), table, indexes, search));
                }
                (None, None) => {}
            }
        }
        Ok(difference)
    }

    fn view(
        &mut self,
        change: &SchemaChange<'a>,
        views: Option<(&Arc<Relation>, &Arc<Relation>)>,
    ) -> Result<(), EngineError> {
        let Some((old, new)) = views else { return Ok(()) };
        let (old_name, old_text) = define::view(change.before, old)?;
        let (_, new_text) = define::view(change.after, new)?;
        if old_text != new_text {
            self.old_views.push(old_name);
            self.new_views.push(new_text);
        }
        Ok(())
    }

    fn table(
        &mut self,
        change: &SchemaChange<'a>,
        before: &'a Relation,
        after: &'a Relation,
    ) -> Result<(), EngineError> {
        let (old, new) = (define::table(change.before, before)?, define::table(change.after, after)?);
        let old_indexes = define::indexes(change.before, before);
        let new_indexes = define::indexes(change.after, after);
        let converted = change.conversions.iter().any(|conversion| conversion.relation == after.id);
        let copied = converted || !keeps_rows(&old, &new, after);
        let same_indexes = old_indexes.len() == new_indexes.len()
            && old_indexes.iter().zip(&new_indexes).all(|(a, b)| a.text == b.text && a.entries == b.entries);
        let (old_search, new_search) = (SearchTables::of(change.before, before), SearchTables::of(change.after, after));
        if copied || old.text != new.text || !same_indexes || old_search != new_search {
            self.changed.push(TableChange {
                before,
                after,
                old,
                new,
                old_indexes,
                new_indexes,
                old_search,
                new_search,
                copied,
            });
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.old_views.is_empty()
            && self.new_views.is_empty()
            && self.dropped.is_empty()
            && self.created.is_empty()
            && self.changed.is_empty()
    }
}

/// Relations whose texts may differ. Names stand in the texts of other relations, so a renaming affects all.
fn affected(change: &SchemaChange<'_>) -> BTreeSet<RelationId> {
    let (before, after) = (&change.before.relations, &change.after.relations);
    let mut ids: BTreeSet<_> = change.conversions.iter().map(|conversion| conversion.relation).collect();
    let mut renamed = false;
    for (id, old) in before {
        match after.get(id) {
            Some(new) if Arc::ptr_eq(old, new) => {}
            Some(new) => {
                ids.insert(*id);
                renamed |= !same_names(old, new);
            }
            None => drop(ids.insert(*id)),
        }
    }
    if renamed {
        ids.extend(before.keys());
    }
    ids.extend(after.keys().filter(|id| !before.contains_key(id)));
    ids
}

fn same_names(old: &Relation, new: &Relation) -> bool {
    let renamed = |column: &Column| new.columns.iter().any(|other| other.id == column.id && other.name != column.name);
    old.schema == new.schema && old.name == new.name && !old.columns.iter().any(renamed)
}

/// Whether rows of the old table can be read as rows of the new one: the layout is the same, but for new columns at
/// its end that are null.
fn keeps_rows(old: &TableText, new: &TableText, after: &Relation) -> bool {
    let Some((kept, added)) = new.layout.split_at_checked(old.layout.len()) else { return false };
    let same = kept.iter().zip(&old.layout).all(|(new, old)| {
        // Values that were generated stay when the expression is dropped.
        let generated = new.generated.is_none() || new.generated == old.generated;
        new.id == old.id && new.declared == old.declared && new.rowid == old.rowid && generated
    });
    let empty = |column: &Column| default_expr(column).is_none() && column.default.is_none();
    same && added.iter().all(|stored| empty(after.column_by_id(stored.id)))
}

pub(super) fn name_of(relation: &Relation) -> String {
    object_name(&relation.schema, &relation.name)
}

/// One row of `sqlite_schema` to change.
struct Edit {
    kind: &'static str,
    old_name: String,
    new_name: String,
    table: String,
    text: String,
}

struct Follower<'a> {
    connection: &'a Connection,
    change: &'a SchemaChange<'a>,
    edits: Vec<Edit>,
}

impl Follower<'_> {
    fn run(mut self, sequences: &mut Sequences, difference: &Difference<'_>) -> Result<(), EngineError> {
        for view in &difference.old_views {
            self.execute(&format!("DROP VIEW {}", quote(view)))?;
        }
        let mut new_indexes = Vec::new();
        for change in &difference.changed {
            new_indexes.extend(self.drop_indexes(change)?.into_iter().map(|index| (change.after, index)));
        }
        for change in &difference.changed {
            change.old_search.drop_before(self.connection, &change.new_search, change.copied)?;
        }
        for (table, search) in &difference.dropped {
            self.execute(&format!("DROP TABLE {}", quote(table)))?;
            search.drop_tables(self.connection)?;
        }
        for change in &difference.changed {
            self.change_table(sequences, change)?;
        }
        self.write_edits()?;
        for (relation, table, indexes, _) in &difference.created {
            self.execute(&table.text)?;
            new_indexes.extend(indexes.iter().map(|index| (*relation, index)));
        }
        for (relation, index) in new_indexes {
            self.create_index(relation, index)?;
        }
        for change in &difference.changed {
            validate::constraints(self.connection, self.change.after, change)?;
            change.new_search.create_after(self.connection, &change.old_search, change.copied)?;
        }
        for (_, _, _, search) in &difference.created {
            search.create_after(self.connection, &SearchTables::default(), false)?;
        }
        for view in &difference.new_views {
            self.execute(view)?;
        }
        Ok(())
    }

    fn execute(&self, sql: &str) -> Result<(), EngineError> {
        self.connection.execute_batch(sql).map_err(engine_error)
    }

    /// Drops the indexes that are gone, edits those that only changed in their words, and returns those to be made.
    fn drop_indexes<'c>(&mut self, change: &'c TableChange<'_>) -> Result<Vec<&'c IndexText>, EngineError> {
        if change.copied {
            return Ok(change.new_indexes.iter().collect());
        }
        let mut left: Vec<&IndexText> = change.old_indexes.iter().collect();
        let mut made = Vec::new();
        for new in &change.new_indexes {
            let same_entries = |old: &&IndexText| old.entries == new.entries;
            let found = left
                .iter()
                .position(|old| same_entries(old) && old.name == new.name)
                .or_else(|| left.iter().position(same_entries));
            let Some(found) = found else {
                made.push(new);
                continue;
            };
            let old = left.remove(found);
            if old.text != new.text {
                self.edits.push(Edit {
                    kind: "index",
                    old_name: old.name.clone(),
                    new_name: new.name.clone(),
                    table: change.new.name.clone(),
                    text: new.text.clone(),
                });
            }
        }
        for old in left {
            self.execute(&format!("DROP INDEX {}", quote(&old.name)))?;
        }
        Ok(made)
    }

    fn change_table(&mut self, sequences: &mut Sequences, change: &TableChange<'_>) -> Result<(), EngineError> {
        let old_name = if change.copied {
            let copied = self.copy_rows(sequences, change)?;
            validate::not_null(self.connection, change, &copied, |column| Some(column.name.clone()))?;
            copied
        } else {
            let old_column = |column: &Column| change.before.columns.iter().find(|old| old.id == column.id);
            let name_in = |column: &Column| old_column(column).map(|old| old.name.clone());
            validate::not_null(self.connection, change, &change.old.name, name_in)?;
            change.old.name.clone()
        };
        if old_name != change.new.name || change.old.text != change.new.text {
            self.edits.push(Edit {
                kind: "table",
                old_name,
                new_name: change.new.name.clone(),
                table: change.new.name.clone(),
                text: change.new.text.clone(),
            });
        }
        Ok(())
    }

    /// Copies a table's rows into a new one, drops the old, and returns the name of the new.
    fn copy_rows(&self, sequences: &mut Sequences, change: &TableChange<'_>) -> Result<String, EngineError> {
        validate::rowid_not_null(self.connection, change)?;
        let name = format!("roadbed.rebuild.{}", change.after.id.0);
        self.execute(&define::bare_table(self.change.after, change.after, &name)?)?;
        let mut columns = Vec::new();
        let mut values = Vec::new();
        for column in change.after.columns.iter().filter(|column| !column.is_generated()) {
            columns.push(quote(&column.name));
            values.push(self.copied_value(sequences, change, column)?);
        }
        if !columns.is_empty() {
            let (columns, values) = (columns.join(", "), values.join(", "));
            let (new, old) = (quote(&name), quote(&change.old.name));
            let sql = format!("INSERT INTO {new} ({columns}) SELECT {values} FROM {old}");
            self.connection.execute(&sql, ()).map_err(|error| match rowid_column(change.after) {
                Some(key) if is_constraint(&error) => validate::duplicated_key(self.connection, change, key, &values),
                Some(_) | None => engine_error(error),
            })?;
        }
        let converted = change.after.columns.iter().filter(|column| self.conversion(change, column).is_some());
        fit_sizes(self.connection, &name, converted)?;
        self.execute(&format!("DROP TABLE {}", quote(&change.old.name)))?;
        Ok(name)
    }

    fn conversion(&self, change: &TableChange<'_>, column: &Column) -> Option<&Conversion> {
        let asked = |conversion: &&Conversion| conversion.relation == change.after.id && conversion.column == column.id;
        self.change.conversions.iter().find(asked)
    }

    fn copied_value(
        &self,
        sequences: &mut Sequences,
        change: &TableChange<'_>,
        column: &Column,
    ) -> Result<String, EngineError> {
        if let Some(conversion) = self.conversion(change, column) {
            return Ok(definition(self.change.before, change.before, &conversion.using));
        }
        if let Some(old) = change.before.columns.iter().find(|old| old.id == column.id) {
            return Ok(quote(&old.name));
        }
        if let Some(sequence) = sequence_of(self.change.after, change.after, column) {
            let count = format!("SELECT count(*) FROM {}", quote(&change.old.name));
            let count: i64 = self.connection.query_row(&count, (), |row| row.get(0)).map_err(internal)?;
            if count == 0 {
                return Ok("NULL".into());
            }
            let first = sequences.take(self.connection, &sequence, usize::try_from(count).unwrap_or(usize::MAX))?;
            return Ok(format!("{first} + (row_number() OVER () - 1) * {}", sequence.increment));
        }
        Ok(default_expr(column).map_or_else(|| "NULL".into(), |expr| definition(self.change.after, change.after, expr)))
    }

    fn create_index(&self, relation: &Relation, index: &IndexText) -> Result<(), EngineError> {
        self.connection.execute_batch(&index.text).map_err(|error| {
            if is_constraint(&error) {
                validate::duplicated_entry(self.connection, self.change.after, relation, index)
            } else {
                engine_error(error)
            }
        })
    }

    fn write_edits(&self) -> Result<(), EngineError> {
        if self.edits.is_empty() {
            return Ok(());
        }
        self.connection.pragma_update(None, "writable_schema", true).map_err(internal)?;
        let result = self.edit_schema();
        // Reads the schema again, and ends the licence to write it.
        self.connection.execute_batch("PRAGMA writable_schema = RESET").map_err(internal)?;
        result.map_err(internal)
    }

    fn edit_schema(&self) -> rusqlite::Result<()> {
        let mut listed = self.connection.prepare("SELECT type || ' ' || name, rowid FROM sqlite_schema")?;
        // By rowid, because names may be swapped.
        let places: HashMap<String, i64> =
            listed.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let sql = "UPDATE sqlite_schema SET name = ?1, tbl_name = ?2, sql = ?3 WHERE rowid = ?4";
        let mut update = self.connection.prepare(sql)?;
        for edit in &self.edits {
            let place = places.get(&format!("{} {}", edit.kind, edit.old_name));
            update.execute((&edit.new_name, &edit.table, &edit.text, place))?;
        }
        let version: i64 = self.connection.query_row("PRAGMA schema_version", (), |row| row.get(0))?;
        self.connection.execute_batch(&format!("PRAGMA schema_version = {}", version + 1))
    }
}
