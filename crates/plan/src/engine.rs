//! What every engine can do. The trait lives here, is implemented in `roadbed-storage`, and meets its users
//! only where the program is assembled.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::DatabaseError;
use crate::health::{Health, Needs};
use crate::plan::{Plan, Shape};
use crate::planner::RowProbe;
use crate::schema::Schema;
use crate::transaction::{Finished, Transaction};

/// One database.
#[async_trait]
pub trait Engine: Send + Sync + std::fmt::Debug {
    /// `sqlite`, `postgres`, …
    fn name(&self) -> &'static str;

    fn capabilities(&self) -> Capabilities;

    /// Carries out one plan in one transaction.
    ///
    /// # Errors
    /// When the database refuses, is away, or takes too long; nothing of the plan stays then.
    async fn execute(&self, plan: &Plan) -> Result<Outcome, EngineError>;

    /// Carries out the plans of a sequence in one transaction, each as soon as the one before it has given its outcome;
    /// or gives the answer that was kept under the transaction's claim.
    ///
    /// # Errors
    /// As [`Engine::execute`], for any of the plans; nothing of any of them stays then.
    async fn transact(&self, transaction: &Transaction) -> Result<Finished, EngineError>;

    /// Tests policies one by one, to explain what they do; changes nothing. Only asked of engines that enforce access
    /// themselves.
    ///
    /// # Errors
    /// When a policy fails, or the rows cannot be read by the owner.
    async fn probe(&self, probe: &RowProbe) -> Result<Vec<ProbedRow>, EngineError> {
        let relation = &probe.schema.relation(probe.node.relation).name;
        Err(EngineError::Internal { reason: format!("the policies of `{relation}` are the planner's to apply") })
    }

    /// What exists now: read from the catalogs, or the fold of the migrations that were applied.
    async fn schema(&self) -> Result<Schema, MigrationError>;

    /// The migrations that were applied, in their order.
    async fn applied(&self) -> Result<Vec<AppliedMigration>, MigrationError>;

    /// Applies what is new, each file in its own transaction, under a lock that other servers respect.
    /// Returns the names of those applied now.
    ///
    /// # Errors
    /// When a file that was applied has changed or is gone, or when one cannot be applied: it leaves nothing behind.
    async fn migrate(&self, migrations: &[Migration]) -> Result<Vec<String>, MigrationError>;

    /// Runs a seed file in one transaction.
    async fn seed(&self, script: &Migration) -> Result<(), MigrationError>;

    /// How busy the engine is now.
    fn load(&self) -> Load {
        Load::default()
    }

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), EngineError>;

    /// How the database is, and what of `needs` it does not have. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be asked.
    async fn health(&self, needs: &Needs) -> Result<Health, EngineError> {
        let _ = needs;
        self.ping().await?;
        Ok(Health { version: self.name().to_owned(), ..Health::default() })
    }

    /// Finishes what is running and closes.
    async fn close(&self);
}

/// What an engine does by itself, so that the planner leaves it alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Has roles, grants and row policies: the plan carries none.
    pub enforces_access: bool,
    /// Reads literals of any of its types: the planner leaves the caller's text as it is.
    pub reads_literals: bool,
    /// Tells the plans of all statements in every form; otherwise those of reads, as text.
    pub explains_all: bool,
}

/// How busy an engine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Connections that work for a request, or reading threads that do.
    pub in_use: usize,
    /// As many as there can be.
    pub size: usize,
    /// Requests that wait for one of them.
    pub waiting: usize,
    /// Writes that wait for the one writer; `None` where each connection writes.
    pub writes_waiting: Option<usize>,
}

/// A migration or seed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The file's name, less `.sql`.
    pub name: String,
    /// How messages call it: its path.
    pub path: String,
    pub sql: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMigration {
    pub name: String,
    /// SHA-256 of the text, hexadecimal.
    pub checksum: String,
    /// Microseconds since the Unix epoch.
    pub applied_at: i64,
}

impl Migration {
    /// SHA-256 of the text, hexadecimal.
    pub fn checksum(&self) -> String {
        use sha2::{Digest, Sha256};
        Sha256::digest(self.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Those of `files` that were not applied yet, in the order of their names.
///
/// # Errors
/// When the files do not continue what was applied: one of those was changed or is gone, or a new one sorts before it.
pub fn pending_migrations<'m>(
    applied: &[AppliedMigration],
    files: &'m [Migration],
) -> Result<Vec<&'m Migration>, MigrationError> {
    for earlier in applied {
        let Some(file) = files.iter().find(|file| file.name == earlier.name) else {
            return Err(MigrationError::Gone { name: earlier.name.clone() });
        };
        if file.checksum() != earlier.checksum {
            return Err(MigrationError::Changed { name: file.name.clone(), path: file.path.clone() });
        }
    }
    let latest = applied.iter().map(|earlier| earlier.name.as_str()).max();
    let is_new = |file: &&Migration| applied.iter().all(|earlier| earlier.name != file.name);
    let mut pending: Vec<&Migration> = files.iter().filter(is_new).collect();
    pending.sort_by(|a, b| a.name.cmp(&b.name));
    match (pending.first(), latest) {
        (Some(first), Some(latest)) if first.name.as_str() < latest => {
            Err(MigrationError::OutOfOrder { name: first.name.clone(), latest: latest.to_owned() })
        }
        _ => Ok(pending),
    }
}

/// What an engine gave back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A JSON array of the rows; empty when none were asked for.
    pub body: Bytes,
    /// Rows in `body`; of a write, rows written.
    pub rows: u64,
    /// All rows that match, limit and offset aside, where it was asked for.
    pub total: Option<u64>,
    /// Of an insert: rows that are new rather than merged.
    pub inserted: u64,
    /// Of an insert of one row that asked for its key: columns and values as text.
    pub key: Vec<(String, String)>,
    /// What stands in `body`.
    pub shape: Shape,
    /// What the database's own functions want of the response.
    pub response: ResponseWishes,
}

/// `response.status` and `response.headers`, as functions have set them for the transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseWishes {
    pub status: Option<String>,
    /// A JSON array of objects with one key each.
    pub headers: Option<String>,
}

/// One row that was asked for to explain policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbedRow {
    /// Its key, as a JSON object.
    pub key: String,
    /// What became of each condition; `None` is null.
    pub holds: Vec<Option<bool>>,
}

/// Why an engine did not carry out a plan.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// [`crate::query::RowsWanted`] was not met; nothing was changed.
    #[error("{found} rows")]
    RowCount { found: u64 },
    /// The database is away.
    #[error("the database cannot be reached: {reason}")]
    Unavailable { reason: String, retry_after: Duration },
    /// Migrations were applied since the plan was made; nothing was done. [`crate::Database::run`] plans again.
    #[error("the schema has changed")]
    SchemaChanged,
    /// No connection or place in the queue became free in time.
    #[error("too many requests are waiting")]
    Busy { retry_after: Duration },
    /// A sequence said that it ends; it knows why.
    #[error("given up")]
    GivenUp,
    /// The claimed key stands for another request.
    #[error("the key was used for another request")]
    KeyReused,
    /// The request that the claimed key stands for is being carried out.
    #[error("a request with this key is running")]
    KeyInUse { retry_after: Duration },
    /// The database has no place to keep answers under keys.
    #[error("answers cannot be kept: {help}")]
    NoKeys { help: String },
    /// A fault of ours or of the disk; `reason` is for the log.
    #[error("internal error: {reason}")]
    Internal { reason: String },
}

/// Why migrations were not applied.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MigrationError {
    #[error("migration `{name}` was changed after it was applied")]
    Changed { name: String, path: String },
    #[error("migration `{name}` was applied, but its file is gone")]
    Gone { name: String },
    /// A new file that sorts before one that was applied.
    #[error("migration `{name}` sorts before `{latest}`, which was applied")]
    OutOfOrder { name: String, latest: String },
    #[error(transparent)]
    Sql(Box<SqlError>),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A statement in a file that cannot be carried out, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// How the file is called.
    pub path: String,
    /// The file's whole text, for the excerpt.
    pub source_text: String,
    /// Where the construct stands, in bytes.
    pub offset: usize,
    pub length: usize,
    pub sqlstate: Option<String>,
    pub message: String,
    pub help: Option<String>,
}

impl SqlError {
    /// Line and column of the construct, both from 1; the column counts characters.
    pub fn position(&self) -> (usize, usize) {
        let before = self.source_text.get(..self.offset).unwrap_or(&self.source_text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

impl From<SqlError> for MigrationError {
    fn from(error: SqlError) -> Self {
        Self::Sql(Box::new(error))
    }
}
