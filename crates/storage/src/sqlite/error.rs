//! SQLite's failures in the engine's words. Constraints have `diagnose`; here is everything else.

use std::time::Duration;

use roadbed_plan::{DatabaseError, EngineError};
use rusqlite::ffi::ErrorCode;

use super::functions;

/// How long a caller that was turned away should wait.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What went wrong in a statement that was expected to work.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`, which gives it away")]
pub(super) fn internal(error: rusqlite::Error) -> EngineError {
    EngineError::Internal { reason: error.to_string() }
}

pub(super) fn busy() -> EngineError {
    EngineError::Busy { retry_after: RETRY_AFTER }
}

/// The answer to a caller whose statement failed with `error`.
pub(super) fn engine_error(error: rusqlite::Error) -> EngineError {
    if let Some(error) = functions::decode_error(&error) {
        return error.into();
    }
    let rusqlite::Error::SqliteFailure(failure, message) = &error else { return internal(error) };
    match failure.code {
        ErrorCode::OperationInterrupted => timeout().into(),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => busy(),
        ErrorCode::TooBig => DatabaseError::new("54000", "a value or statement is too long").into(),
        _ => match message.as_deref() {
            Some("integer overflow") => DatabaseError::new("22003", "bigint out of range").into(),
            Some(message) if is_too_deep(message) => DatabaseError::new("54001", "stack depth limit exceeded").into(),
            Some(message) if message.starts_with("too many columns") => {
                DatabaseError::new("54011", "target lists can have at most 1664 entries").into()
            }
            // Terms of an order, tables of a join, values: PostgreSQL has no such limits.
            Some(message) if message.starts_with("too many ") || message.starts_with("at most ") => {
                DatabaseError::new("54000", format!("the request is too complex: {message}")).into()
            }
            Some(_) | None => internal(error),
        },
    }
}

fn is_too_deep(message: &str) -> bool {
    message.starts_with("Expression tree is too large")
        || message.starts_with("parser stack overflow")
        || is_long_chain(message)
}

fn is_long_chain(message: &str) -> bool {
    message.contains("nested too deep") || message.contains("levels of trigger recursion")
}

/// Whether SQLite gave up on a chain of cascades. Its own limit is a thousand; PostgreSQL has none.
pub(super) fn is_too_long_a_chain(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(_, Some(message)) if is_long_chain(message))
}

pub(super) fn timeout() -> DatabaseError {
    DatabaseError::new("57014", "canceling statement due to statement timeout")
}

/// Whether `error` is [`timeout`].
pub(super) fn is_timeout(error: &EngineError) -> bool {
    matches!(error, EngineError::Database(error) if error.sqlstate == "57014")
}

/// Whether SQLite refused the rows rather than the statement.
pub(super) fn is_constraint(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::ConstraintViolation)
        && functions::decode_error(error).is_none()
}
