//! Sequences: where `serial` and identity columns get their values.
//!
//! As in PostgreSQL, explicit values do not move a sequence, and a value that was given out is not given again,
//! even when its transaction was rolled back. SQLite rolls its table back, so this process remembers.

use std::collections::HashMap;

use roadbed_plan::schema::{Column, DefaultValue, Relation, Schema, Sequence};
use roadbed_plan::{DatabaseError, EngineError};
use rusqlite::{Connection, OptionalExtension};

use super::define::object_name;
use super::error::internal;

/// The table that holds them: `last_value` is the last one given out.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS \"roadbed.sequences\" \
    (name TEXT PRIMARY KEY, last_value INTEGER NOT NULL) WITHOUT ROWID";

/// The sequence behind a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SequenceOf {
    pub(super) name: String,
    pub(super) start: i64,
    pub(super) increment: i64,
}

/// The sequence that gives `column` its values; `None` for columns without one.
pub(super) fn sequence_of(schema: &Schema, relation: &Relation, column: &Column) -> Option<SequenceOf> {
    match column.default.as_ref()? {
        DefaultValue::Sequence { sequence } => Some(named(sequence, schema.sequences.get(sequence))),
        DefaultValue::Identity { start, increment, .. } => {
            let (schema_name, name) = identity_name(schema, relation, column);
            Some(SequenceOf { name: object_name(&schema_name, &name), start: *start, increment: *increment })
        }
        DefaultValue::Expr(_) | DefaultValue::Generated(_) | DefaultValue::Engine(_) => None,
    }
}

/// A sequence by its name.
pub(super) fn named(name: &(String, String), sequence: Option<&Sequence>) -> SequenceOf {
    SequenceOf {
        name: object_name(&name.0, &name.1),
        start: sequence.map_or(1, |sequence| sequence.start),
        increment: sequence.map_or(1, |sequence| sequence.increment),
    }
}

fn identity_name(schema: &Schema, relation: &Relation, column: &Column) -> (String, String) {
    let owner = Some((relation.id, column.id));
    let usual = (relation.schema.clone(), format!("{}_{}_seq", relation.name, column.name));
    if schema.sequences.get(&usual).is_some_and(|sequence| sequence.owner == owner) {
        return usual;
    }
    // A table or column that was renamed keeps its sequence's name.
    let owned = schema.sequences.iter().find(|(_, sequence)| sequence.owner == owner);
    owned.map_or(usual, |(name, _)| name.clone())
}

/// How far each sequence has come, as far as this process knows. Keep one for each connection that writes.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    last: HashMap<String, i64>,
}

impl Sequences {
    /// Takes `count` values and returns the first; the others follow at the sequence's increment.
    ///
    /// # Errors
    /// When the sequence is at its end or its table cannot be written.
    pub(super) fn take(
        &mut self,
        connection: &Connection,
        sequence: &SequenceOf,
        count: usize,
    ) -> Result<i64, EngineError> {
        let stored = last_value(connection, &sequence.name).map_err(internal)?;
        let last = further(stored, self.last.get(&sequence.name).copied(), sequence.increment);
        let steps = i64::try_from(count).unwrap_or(i64::MAX).max(1) - 1;
        let first = last.map_or(Some(sequence.start), |last| last.checked_add(sequence.increment));
        let end = first.and_then(|first| first.checked_add(steps.checked_mul(sequence.increment)?));
        let (Some(first), Some(end)) = (first, end) else { return Err(exhausted(&sequence.name).into()) };
        self.put(connection, &sequence.name, end)?;
        Ok(first)
    }

    /// `setval`: the next value is `value`, or the one after it when `called`.
    ///
    /// # Errors
    /// When the sequences' table cannot be written.
    pub(super) fn set(
        &mut self,
        connection: &Connection,
        sequence: &SequenceOf,
        value: i64,
        called: bool,
    ) -> Result<(), EngineError> {
        let last = if called { value } else { value.wrapping_sub(sequence.increment) };
        self.put(connection, &sequence.name, last)
    }

    /// Forgets what this process gave out: another connection has set the sequences.
    pub(super) fn forget(&mut self) {
        self.last.clear();
    }

    fn put(&mut self, connection: &Connection, name: &str, last: i64) -> Result<(), EngineError> {
        let sql = "INSERT INTO \"roadbed.sequences\" (name, last_value) VALUES (?1, ?2) \
             ON CONFLICT (name) DO UPDATE SET last_value = excluded.last_value";
        connection.prepare_cached(sql).and_then(|mut put| put.execute((name, last))).map_err(internal)?;
        match self.last.get_mut(name) {
            Some(known) => *known = last,
            None => drop(self.last.insert(name.to_owned(), last)),
        }
        Ok(())
    }
}

fn last_value(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT last_value FROM \"roadbed.sequences\" WHERE name = ?1")?
        .query_row((name,), |row| row.get(0))
        .optional()
}

fn further(stored: Option<i64>, known: Option<i64>, increment: i64) -> Option<i64> {
    match (stored, known) {
        (Some(a), Some(b)) => Some(if increment < 0 { a.min(b) } else { a.max(b) }),
        (a, b) => a.or(b),
    }
}

fn exhausted(name: &str) -> DatabaseError {
    DatabaseError::new("2200H", format!("nextval: reached maximum value of sequence \"{name}\" ({})", i64::MAX))
}

/// Makes the stored sequences follow a changed schema: renamed ones keep their values, dropped ones lose them.
pub(super) fn follow(connection: &Connection, before: &Schema, after: &Schema) -> rusqlite::Result<()> {
    for (name, sequence) in &before.sequences {
        if after.sequences.contains_key(name) {
            continue;
        }
        let old = object_name(&name.0, &name.1);
        let renamed = after.sequences.iter().find(|(other, kept)| {
            sequence.owner.is_some() && kept.owner == sequence.owner && !before.sequences.contains_key(*other)
        });
        match renamed {
            Some((new, _)) => connection.execute(
                "UPDATE OR REPLACE \"roadbed.sequences\" SET name = ?2 WHERE name = ?1",
                (&old, object_name(&new.0, &new.1)),
            )?,
            None => connection.execute("DELETE FROM \"roadbed.sequences\" WHERE name = ?1", (&old,))?,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLE).unwrap();
        connection
    }

    fn sequence(start: i64, increment: i64) -> SequenceOf {
        SequenceOf { name: "films_id_seq".into(), start, increment }
    }

    #[test]
    fn values_that_were_rolled_back_are_not_given_again() {
        let connection = connection();
        let mut sequences = Sequences::default();
        connection.execute_batch("BEGIN").unwrap();
        assert_eq!(sequences.take(&connection, &sequence(1, 1), 3).unwrap(), 1);
        connection.execute_batch("ROLLBACK").unwrap();
        assert_eq!(sequences.take(&connection, &sequence(1, 1), 1).unwrap(), 4);
    }

    #[test]
    fn another_process_is_heard_and_set_values_count() {
        let connection = connection();
        let (mut here, mut there) = (Sequences::default(), Sequences::default());
        assert_eq!(here.take(&connection, &sequence(10, -2), 1).unwrap(), 10);
        assert_eq!(there.take(&connection, &sequence(10, -2), 1).unwrap(), 8);
        assert_eq!(here.take(&connection, &sequence(10, -2), 1).unwrap(), 6);
        here.set(&connection, &sequence(10, -2), 100, false).unwrap();
        assert_eq!(here.take(&connection, &sequence(10, -2), 1).unwrap(), 100);
        here.set(&connection, &sequence(10, 1), i64::MAX, true).unwrap();
        assert!(here.take(&connection, &sequence(10, 1), 1).is_err());
    }
}
