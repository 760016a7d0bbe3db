//! Answers that are kept under keys, beside what their requests wrote. No name of the API leads to the table.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use roadbed_plan::EngineError;
use roadbed_plan::transaction::{Claim, RETRY_AFTER};
use rusqlite::{Connection, OptionalExtension};

use super::error::{engine_error, internal};

pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS \"roadbed.answers\" (caller BLOB NOT NULL, \
    key TEXT NOT NULL, request BLOB NOT NULL, answer BLOB NOT NULL, expires_at INTEGER NOT NULL, \
    PRIMARY KEY (caller, key)) WITHOUT ROWID; \
    CREATE INDEX IF NOT EXISTS \"roadbed.answers_expires_at\" ON \"roadbed.answers\" (expires_at)";

/// Expired answers that go with each new one.
const SWEPT: i64 = 100;

/// The answer that was kept for the claim's request.
///
/// # Errors
/// When its key stands for another request.
pub(super) fn find(connection: &Connection, claim: &Claim) -> Result<Option<Vec<u8>>, EngineError> {
    let sql = "SELECT request, answer FROM \"roadbed.answers\" WHERE caller = ?1 AND key = ?2 AND expires_at > ?3";
    let mut statement =
        connection.prepare_cached(sql).map_err(|error| match error.to_string().contains("no such table") {
            true => EngineError::NoKeys { help: "apply the migrations once more to make their table".into() },
            false => internal(error),
        })?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?));
    let found = statement.query_row((claim.caller, &claim.key, claim.now), row).optional().map_err(engine_error)?;
    match found {
        Some((request, _)) if request != claim.request => Err(EngineError::KeyReused),
        Some((_, answer)) => Ok(Some(answer)),
        None => Ok(None),
    }
}

/// Keeps the answer to the claim's request, and drops some whose time is over.
pub(super) fn keep(connection: &Connection, claim: &Claim, answer: &[u8]) -> Result<(), EngineError> {
    let sweep = "DELETE FROM \"roadbed.answers\" WHERE (caller, key) IN \
        (SELECT caller, key FROM \"roadbed.answers\" WHERE expires_at <= ?1 LIMIT ?2)";
    let keep = "INSERT OR REPLACE INTO \"roadbed.answers\" (caller, key, request, answer, expires_at) \
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let run = || -> rusqlite::Result<()> {
        connection.prepare_cached(sweep)?.execute((claim.now, SWEPT))?;
        let values = (claim.caller, &claim.key, claim.request, answer, claim.expires_at);
        connection.prepare_cached(keep)?.execute(values)?;
        Ok(())
    };
    run().map_err(engine_error)
}

/// The callers' keys under which this process is working.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashSet<([u8; 32], String)>>);

/// A key is taken as long as this lives.
#[derive(Debug)]
pub(super) struct Entered<'r> {
    running: &'r Running,
    key: ([u8; 32], String),
}

impl Running {
    /// # Errors
    /// When somebody is working under the key.
    pub(super) fn enter(&self, claim: &Claim) -> Result<Entered<'_>, EngineError> {
        let key = (claim.caller, claim.key.clone());
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        if is_new {
            Ok(Entered { running: self, key })
        } else {
            Err(EngineError::KeyInUse { retry_after: RETRY_AFTER })
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
