//! One connection: how it is opened, what its session starts with, and the statements prepared on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::sql::{quote_identifier, quote_text};
use tokio_postgres::{Client, Config, Error, NoTls, Statement};

/// Most statements kept prepared on one connection for one role.
const PREPARED_LIMIT: usize = 256;

/// Says who asks, for the transaction that is running and no longer.
const SET_CALLER: &str = "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true), \
     set_config('request.method', $3, true), set_config('request.path', $4, true), \
     set_config('request.headers', $5, true), set_config('request.cookies', $6, true), \
     set_config('search_path', $7, true), set_config('timezone', $8, true)";

/// An open connection with its prepared statements.
pub(super) struct Connection {
    pub(super) client: Client,
    /// Tells the server who asks; prepared on every connection.
    pub(super) set_caller: Statement,
    pub(super) prepared: Prepared,
}

impl Connection {
    pub(super) async fn open(config: &Config, session: &str) -> Result<Self, Error> {
        let client = open_client(config).await?;
        client.batch_execute(session).await?;
        let set_caller = client.prepare(SET_CALLER).await?;
        Ok(Self { client, set_caller, prepared: Prepared::default() })
    }
}

/// Opens a connection as the server gives it, with nothing set.
pub(super) async fn open_client(config: &Config) -> Result<Client, Error> {
    let (client, connection) = Box::pin(config.connect(NoTls)).await?;
    // The task ends when the client is dropped or the connection is lost.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to PostgreSQL ended");
        }
    });
    Ok(client)
}

/// What the session of a pooled connection starts with.
///
/// Without a transaction that was begun as writing one, nothing can be written: should `begin` ever fail alone, what
/// follows it in the same flight cannot write with the rights of the login role.
pub(super) fn session_settings(statement_timeout: Duration, search_path: &str) -> String {
    format!(
        "set default_transaction_read_only = on; set statement_timeout = {}; \
         set idle_in_transaction_session_timeout = 60000; set timezone = 'UTC'; set datestyle = 'ISO, MDY'; \
         set intervalstyle = 'postgres'; set bytea_output = 'hex'; set standard_conforming_strings = on; \
         select set_config('search_path', {}, false)",
        statement_timeout.as_millis(),
        quote_text(search_path)
    )
}

/// `names` as a value of `search_path`.
pub(super) fn search_path<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut path = String::new();
    for name in names {
        if !path.is_empty() {
            path.push_str(", ");
        }
        path.push_str(&quote_identifier(name));
    }
    path
}

/// Statements prepared on one connection, the least recently used making room for new ones.
///
/// PostgreSQL checks the right to a schema when it reads a statement, not when it runs it; so each role prepares its own.
#[derive(Default)]
pub(super) struct Prepared {
    by_role: HashMap<Arc<str>, HashMap<Box<str>, Kept>>,
    uses: u64,
    generation: u64,
}

struct Kept {
    statement: Statement,
    last_use: u64,
}

impl Prepared {
    pub(super) fn get(&mut self, role: &str, sql: &str) -> Option<Statement> {
        self.uses += 1;
        let kept = self.by_role.get_mut(role)?.get_mut(sql)?;
        kept.last_use = self.uses;
        Some(kept.statement.clone())
    }

    pub(super) fn put(&mut self, role: &Arc<str>, sql: &str, statement: Statement) {
        self.uses += 1;
        let statements = self.by_role.entry(Arc::clone(role)).or_default();
        if statements.len() >= PREPARED_LIMIT {
            let oldest = statements.iter().min_by_key(|(_, kept)| kept.last_use).map(|(sql, _)| sql.clone());
            if let Some(oldest) = oldest {
                statements.remove(&oldest);
            }
        }
        statements.insert(sql.into(), Kept { statement, last_use: self.uses });
    }

    pub(super) fn remove(&mut self, role: &str, sql: &str) {
        if let Some(statements) = self.by_role.get_mut(role) {
            statements.remove(sql);
        }
    }

    /// Forgets everything: something of it is out of date.
    pub(super) fn clear(&mut self) {
        self.by_role.clear();
    }

    /// Forgets everything when the schema was read again since.
    pub(super) fn follow(&mut self, generation: u64) {
        if self.generation != generation {
            self.generation = generation;
            self.by_role.clear();
        }
    }
}
