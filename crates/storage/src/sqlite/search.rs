//! The indexes of words: for each an FTS5 table of lexemes, which triggers of SQLite's keep as the rows are. They see
//! every write, also what foreign keys and other programs do.

use std::collections::BTreeSet;

use roadbed_plan::EngineError;
use roadbed_plan::expr::{Expr, SourceId};
use roadbed_plan::schema::{ColumnId, DefaultValue, Relation, Schema};
use rusqlite::Connection;

use super::compare::name_of;
use super::define::rowid_column;
use super::error::engine_error;
use crate::sql::{Dialect, Mode, Renderer, SearchIndex, WORDS, quote_identifier as quote, rowid_name, search_indexes};

/// What a table has for its indexes of words.
#[derive(Debug, Default, PartialEq)]
pub(super) struct SearchTables(Vec<SearchTable>);

#[derive(Debug, PartialEq)]
struct SearchTable {
    index: SearchIndex,
    /// Reads what is indexed of the rows that exist.
    fill: String,
    triggers: Vec<Trigger>,
}

#[derive(Debug, PartialEq)]
struct Trigger {
    name: String,
    text: String,
}

impl SearchTables {
    pub(super) fn of(schema: &Schema, relation: &Relation) -> Self {
        Self(search_indexes(relation).into_iter().map(|index| search_table(schema, relation, index)).collect())
    }

    /// Drops what is not in `after` as it is here, and all triggers: they name columns of the table.
    pub(super) fn drop_before(&self, connection: &Connection, after: &Self, copied: bool) -> Result<(), EngineError> {
        for table in &self.0 {
            for trigger in &table.triggers {
                execute(connection, &format!("DROP TRIGGER {}", quote(&trigger.name)))?;
            }
            if copied || !after.has(&table.index) {
                execute(connection, &format!("DROP TABLE {}", quote(&table.index.table)))?;
            }
        }
        Ok(())
    }

    /// Drops everything of a table that has gone with its triggers.
    pub(super) fn drop_tables(&self, connection: &Connection) -> Result<(), EngineError> {
        self.0.iter().try_for_each(|table| execute(connection, &format!("DROP TABLE {}", quote(&table.index.table))))
    }

    /// Makes and fills what was not in `before`, and all triggers.
    pub(super) fn create_after(&self, connection: &Connection, before: &Self, copied: bool) -> Result<(), EngineError> {
        for table in &self.0 {
            if copied || !before.has(&table.index) {
                execute(connection, &create_text(&table.index))?;
                execute(connection, &table.fill)?;
            }
            for trigger in &table.triggers {
                execute(connection, &trigger.text)?;
            }
        }
        Ok(())
    }

    fn has(&self, index: &SearchIndex) -> bool {
        self.0.iter().any(|table| table.index == *index)
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), EngineError> {
    connection.execute_batch(sql).map_err(engine_error)
}

/// Neither the texts nor the places of words are kept: the row has them.
fn create_text(index: &SearchIndex) -> String {
    format!(
        "CREATE VIRTUAL TABLE {} USING fts5({WORDS}, content='', contentless_delete=1, detail=none, tokenize='ascii')",
        quote(&index.table)
    )
}

fn search_table(schema: &Schema, relation: &Relation, index: SearchIndex) -> SearchTable {
    let (table, words) = (quote(&name_of(relation)), quote(&index.table));
    let rowid = rowid_name(relation);
    let new = words_of(schema, relation, &index.vector, "new");
    let insert = format!("INSERT INTO {words} (rowid, {WORDS}) VALUES (new.{rowid}, {new});");
    let trigger = |event: &str, when: &str, body: &str| {
        let name = format!("{} {event}", index.table);
        let text = format!("CREATE TRIGGER {} AFTER {when} ON {table} BEGIN {body} END", quote(&name));
        Trigger { name, text }
    };
    let changed = columns_read(relation, &index.vector);
    let differs: Vec<String> = changed
        .iter()
        .map(|id| quote(&relation.column_by_id(*id).name))
        .map(|column| format!("old.{column} IS NOT new.{column}"))
        .collect();
    let moved = if rowid_column(relation).is_some() { format!("old.{rowid} <> new.{rowid}") } else { "0".to_owned() };
    let update = {
        let name = format!("{} update", index.table);
        let text = format!(
            "CREATE TRIGGER {} AFTER UPDATE ON {table} WHEN {moved}{}{} BEGIN \
             DELETE FROM {words} WHERE rowid = old.{rowid}; {insert} END",
            quote(&name),
            if differs.is_empty() { "" } else { " OR " },
            differs.join(" OR "),
        );
        Trigger { name, text }
    };
    let remove = format!("DELETE FROM {words} WHERE rowid = old.{rowid};");
    let fill = format!(
        "INSERT INTO {words} (rowid, {WORDS}) SELECT {rowid}, {} FROM {table}",
        words_of(schema, relation, &index.vector, "")
    );
    let triggers = vec![trigger("insert", "INSERT", &insert), update, trigger("delete", "DELETE", &remove)];
    SearchTable { index, fill, triggers }
}

/// The lexemes of a row, as the index takes them.
fn words_of(schema: &Schema, relation: &Relation, vector: &Expr, row: &str) -> String {
    let mut renderer = Renderer::new(schema, Dialect::Sqlite, Mode::Definition);
    renderer.set_source(SourceId::ROW, relation.id, row);
    renderer.typed_call("search_words", std::slice::from_ref(vector));
    renderer.finish().sql
}

/// The columns that an expression reads.
fn columns_read(relation: &Relation, expr: &Expr) -> BTreeSet<ColumnId> {
    let mut found = BTreeSet::new();
    expr.walk(&mut |part| {
        if let Expr::Column { source: SourceId::ROW, column, .. } = part {
            match &relation.column_by_id(*column).default {
                // Two long vectors take longer to compare than what they are made of.
                Some(DefaultValue::Generated(expr)) => found.extend(columns_read(relation, expr)),
                _ => drop(found.insert(*column)),
            }
        }
    });
    found
}
