//! PostgreSQL's functions, operators and collations on an SQLite connection, under the names that `crate::sql` writes.
//!
//! A failure keeps its SQLSTATE on the way through SQLite: it travels as the message's text, and
//! [`decode_error`] reads it back.

mod aggregates;
mod arrays;
mod call;
mod casts;
mod compare;
mod digests;
mod formatting;
mod json;
mod json_tree;
mod numbers;
mod patterns;
mod search;
mod session;
#[cfg(test)]
mod tests;
mod texts;
mod times;

use roadbed_plan::{Clock, DatabaseError, Value};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value as SqlValue;

pub(crate) use session::{ConnectionSession, session_value};

/// What begins the message of an error that is ours.
const OURS: &str = "roadbed:";

/// Functions whose answer depends on their arguments alone, so that indexes and checks may use them.
const PURE: FunctionFlags =
    FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC).union(FunctionFlags::SQLITE_INNOCUOUS);

/// Functions that answer differently each time, or for each caller; defaults, views and triggers use them.
const CHANGING: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_INNOCUOUS);

/// Makes the functions and collations known to `connection`. Those that ask who calls read `session`.
///
/// # Errors
/// When SQLite has no memory for them.
pub(crate) fn register(connection: &Connection, session: &ConnectionSession, clock: &Clock) -> rusqlite::Result<()> {
    session::register(connection, session, clock)?;
    compare::register(connection)?;
    patterns::register(connection)?;
    numbers::register(connection)?;
    casts::register(connection, clock)?;
    aggregates::register(connection)?;
    for list in
        [arrays::FUNCTIONS, json::FUNCTIONS, numbers::FUNCTIONS, search::FUNCTIONS, texts::FUNCTIONS, times::FUNCTIONS]
    {
        for function in list {
            call::register(connection, function, clock)?;
        }
    }
    Ok(())
}

/// The error of a function of ours that made a statement fail; `None` when it failed by itself.
pub(crate) fn decode_error(error: &rusqlite::Error) -> Option<DatabaseError> {
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        _ => return None,
    };
    // SQLite may put words of its own before what a function said.
    let (_, encoded) = message.split_once(OURS)?;
    let mut values = serde_json::Deserializer::from_str(encoded).into_iter();
    let (sqlstate, message, details, hint): (String, String, Option<String>, Option<String>) = values.next()?.ok()?;
    Some(DatabaseError { sqlstate: sqlstate.into(), message, details, hint })
}

fn encode_error(error: &DatabaseError) -> String {
    let DatabaseError { sqlstate, message, details, hint } = error;
    format!("{OURS}{}", serde_json::json!([sqlstate, message, details, hint]))
}

/// `error` as a user function returns it.
fn failure(error: &DatabaseError) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(encode_error(error).into())
}

/// What a user function returns.
fn answer(value: Result<Value, DatabaseError>) -> rusqlite::Result<SqlValue> {
    value.map(to_sql).map_err(|error| failure(&error))
}

/// A canonical value as SQLite keeps it.
pub(crate) fn to_sql(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Bool(bool) => SqlValue::Integer(i64::from(bool)),
        Value::Int(int) => SqlValue::Integer(int),
        // SQLite has no NaN, but its texts sort above its numbers and equal themselves, as NaN does in PostgreSQL.
        Value::Float(float) if float.is_nan() => SqlValue::Text("NaN".to_owned()),
        Value::Float(float) => SqlValue::Real(float),
        Value::Text(text) => SqlValue::Text(text.into()),
        Value::Bytes(bytes) => SqlValue::Blob(bytes.into()),
    }
}
