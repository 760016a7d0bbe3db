//! What PostgreSQL and its driver report, in the words that every engine uses.

use std::io;
use std::time::Duration;

use roadbed_plan::{DatabaseError, EngineError};
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

/// What a caller is told to wait when nothing better is known.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What went wrong with a statement.
pub(super) fn engine_error(error: &Error) -> EngineError {
    if is_away(error) {
        return unavailable(reason(error));
    }
    match error.as_db_error() {
        Some(refusal) => EngineError::Database(database_error(refusal)),
        None => EngineError::Internal { reason: reason(error) },
    }
}

/// What went wrong with opening a connection: whatever it was, the database cannot be used now.
pub(super) fn unavailable(reason: String) -> EngineError {
    EngineError::Unavailable { reason, retry_after: RETRY_AFTER }
}

/// Whether the connection is lost, or the server is about to close it.
pub(super) fn is_away(error: &Error) -> bool {
    if let Some(code) = error.code().map(|code| code.code()) {
        // Class 08: connection exceptions. 57P01 to 57P05: the server shuts down, crashed, is starting, dropped the
        // database or the session. 53300: it has no place for another connection. 25P03: the transaction idled too long.
        return code.starts_with("08") || code.starts_with("57P") || code == "53300" || code == "25P03";
    }
    let source = std::error::Error::source(error);
    error.is_closed() || source.is_some_and(|source| source.is::<io::Error>())
}

/// Whether the error only says that an earlier statement of the same transaction failed.
pub(super) fn is_consequence(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code() == "25P02")
}

/// Whether a prepared statement may be out of date, so that preparing it anew can help.
pub(super) fn may_be_stale(error: &Error) -> bool {
    error.code().map(|code| code.code()).is_some_and(|code| {
        // 0A000: "cached plan must not change result type". 26000: the statement is gone. Class 42 less missing
        // rights: a name or type that it was prepared with has changed.
        code == "0A000" || code == "26000" || (code.starts_with("42") && code != "42501")
    })
}

fn database_error(refusal: &DbError) -> DatabaseError {
    DatabaseError {
        sqlstate: refusal.code().code().to_owned().into(),
        message: refusal.message().to_owned(),
        details: refusal.detail().map(str::to_owned),
        hint: refusal.hint().map(str::to_owned),
    }
}

/// The error with its causes, for the log.
pub(super) fn reason(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // The driver's own text ends with its direct cause already.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
