//! The migration between two schemas: what migrations have made so far, and what a folder declares.
//!
//! New things are written as they are declared, in the declared order; what exists is altered. After each phase the
//! statements are folded, and the next phase compares again, so that what a statement brings with it is seen.

mod facts;
mod phases;
mod sources;

use std::sync::Arc;

use super::Schema;
use super::read_sql::{PassedOver, SqlFile, review};
use crate::engine::SqlError;
use facts::{Fact, Facts, facts};
use sources::Sources;

/// A part of the migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    Statement(String),
    /// Loses data or breaks clients; written as a comment.
    Destructive(String),
    /// Something that people must do or decide.
    Note(String),
}

/// Compares what `migrations` make with what `declared` declares, both on top of `base`.
///
/// # Errors
/// When a file is not SQL, or the fold refuses a statement that was written.
#[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
pub fn diff(
    base: &SqlFile<'_>,
    (migrations, declared): (&[SqlFile<'_>], &[SqlFile<'_>]),
    allow_drop: bool,
) -> Result<Vec<Written>, SqlError> {
    let mut now = Arc::new(Schema::initial());
    let mut wanted = Arc::clone(&now);
    let mut made = Sources::default();
    let mut sources = Sources::default();
    for file in std::iter::once(base).chain(migrations) {
        made.read(&mut now, file)?;
    }
    for file in std::iter::once(base).chain(declared) {
        sources.read(&mut wanted, file)?;
    }
    let mut diff = Diff { now, wanted_facts: facts(&wanted), wanted, sources, allow_drop, written: Vec::new() };
    diff.hint_renames();
    let kept = diff.drop_triggers(&made.triggers)?;
    diff.clear_the_way()?;
    diff.roles_and_schemas()?;
    diff.declare()?;
    diff.constraints()?;
    diff.triggers(&kept)?;
    diff.drops()?;
    diff.policies()?;
    diff.owners_and_defaults()?;
    diff.revokes()?;
    diff.grants()?;
    diff.comments()?;
    diff.pass_over(&made.passed_over);
    diff.tell_the_rest();
    Ok(diff.written)
}

struct Diff {
    /// What the migrations and the statements so far make.
    now: Arc<Schema>,
    wanted: Arc<Schema>,
    wanted_facts: Facts,
    sources: Sources,
    allow_drop: bool,
    written: Vec<Written>,
}

impl Diff {
    #[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
    fn write(&mut self, statement: impl Into<String>) -> Result<(), SqlError> {
        let text = statement.into();
        let text = text.trim().trim_end_matches(';').to_owned() + ";";
        let passed_over = review(&mut self.now, &SqlFile { path: "the written migration", text: &text }, &mut |_| {})?;
        if let Some(PassedOver { reason, .. }) = passed_over.into_iter().next() {
            return Err(reason);
        }
        self.written.push(Written::Statement(text));
        Ok(())
    }

    /// Writes what loses something, as a comment unless that is allowed.
    #[expect(clippy::result_large_err, reason = "it happens once, and carries what the message shows")]
    fn destroy(&mut self, statement: String) -> Result<(), SqlError> {
        if self.allow_drop {
            return self.write(statement);
        }
        let destructive = Written::Destructive(statement + ";");
        if !self.written.contains(&destructive) {
            self.written.push(destructive);
        }
        Ok(())
    }

    fn note(&mut self, text: String) {
        let note = Written::Note(text);
        if !self.written.contains(&note) {
            self.written.push(note);
        }
    }

    fn now_facts(&self) -> Facts {
        facts(&self.now)
    }

    /// Facts that are declared and do not hold yet.
    fn missing(&self) -> Vec<Fact> {
        let now = self.now_facts();
        self.wanted_facts.keys().filter(|fact| !now.contains_key(*fact)).cloned().collect()
    }

    /// Facts that hold and are not declared.
    fn extra(&self) -> Vec<Fact> {
        self.now_facts().into_keys().filter(|fact| !self.wanted_facts.contains_key(fact)).collect()
    }

    /// Facts that are declared otherwise than they hold.
    fn changed(&self) -> Vec<Fact> {
        let now = self.now_facts();
        let differs =
            |(fact, text): (&Fact, &String)| now.get(fact).is_some_and(|old| old != text).then(|| fact.clone());
        self.wanted_facts.iter().filter_map(differs).collect()
    }

    /// What only PostgreSQL understands goes as it is declared.
    fn pass_over(&mut self, before: &[PassedOver]) {
        for passed in std::mem::take(&mut self.sources.passed_over) {
            if before.iter().all(|old| old.text != passed.text) {
                self.note("only PostgreSQL understands the next statement: look whether its place is right".into());
                self.written.push(Written::Statement(passed.text.trim_end_matches(';').to_owned() + ";"));
            }
        }
    }

    /// What could not be written, so that nobody takes the migration for whole.
    fn tell_the_rest(&mut self) {
        for fact in self.changed().into_iter().chain(self.missing()) {
            self.note(format!("by hand: {}", fact.describe()));
        }
    }
}
