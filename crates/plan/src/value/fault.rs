//! The errors that several of PostgreSQL's input functions and operators share.

use crate::error::DatabaseError;

pub(crate) const INVALID_TEXT: &str = "22P02";
pub(crate) const OUT_OF_RANGE: &str = "22003";
pub(crate) const DATETIME_FORMAT: &str = "22007";
pub(crate) const DATETIME_OVERFLOW: &str = "22008";
pub(crate) const INVALID_PARAMETER: &str = "22023";

/// `invalid input syntax for type integer: "abc"`
pub(crate) fn invalid_syntax(type_name: &str, text: &str) -> DatabaseError {
    DatabaseError::new(INVALID_TEXT, format!("invalid input syntax for type {type_name}: \"{text}\""))
}

/// `integer out of range`
pub(crate) fn out_of_range(type_name: &str) -> DatabaseError {
    DatabaseError::new(OUT_OF_RANGE, format!("{type_name} out of range"))
}

pub(crate) fn division_by_zero() -> DatabaseError {
    DatabaseError::new("22012", "division by zero")
}

pub(crate) fn timestamp_out_of_range() -> DatabaseError {
    DatabaseError::new(DATETIME_OVERFLOW, "timestamp out of range")
}

pub(crate) fn interval_out_of_range() -> DatabaseError {
    DatabaseError::new(DATETIME_OVERFLOW, "interval out of range")
}

/// PostgreSQL's text can hold every character but this one.
pub(crate) fn refuse_null_byte(text: &str) -> Result<(), DatabaseError> {
    if text.as_bytes().contains(&0) {
        return Err(DatabaseError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(())
}

/// The white space that C's `isspace` knows.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}
