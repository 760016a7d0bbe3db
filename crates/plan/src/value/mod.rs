//! Values in their canonical form and the types that give them meaning.
//!
//! A value carries no type of its own: the column or expression it belongs to does. `parse` reads what
//! PostgreSQL's input functions read, `format` and `json` write what its output functions write.

pub mod arithmetic;
mod array;
mod calendar;
mod cast;
mod datetime;
mod datetime_words;
mod fault;
mod format;
mod interval;
mod json;
mod json_syntax;
mod numeric;
mod parse;
mod regex;
pub mod search;
#[cfg(test)]
mod tests;
mod types;
mod zone;

pub use self::regex::{RegexOptions, regex, regex_with};
pub use array::array_items;
pub use cast::cast;
pub use format::{to_text, write_text};
pub use json::{from_json, from_json_member, write_json, write_json_string};
pub use parse::parse;
pub use types::{DomainCheck, DomainType, EnumType, Type};
pub use zone::Zone;

/// One value in the canonical form of its [`Type`].
///
/// | type | form |
/// | --- | --- |
/// | `bool` | `Bool` |
/// | `int2` `int4` `int8` | `Int` |
/// | `float4` `float8` | `Float` (a `float4` is kept rounded to its precision) |
/// | `numeric` | `Text`, PostgreSQL's output form with its scale kept (`1.50`), also `NaN`, `Infinity` |
/// | `text` `varchar` `char` enums | `Text` |
/// | `uuid` | `Text`, lower case with hyphens |
/// | `json` | `Text` as written; `jsonb`: `Text` in PostgreSQL's normalized form |
/// | `interval` | `Text`, PostgreSQL's output form (`1 day 02:00:00`) |
/// | arrays | `Text`, a JSON array as PostgreSQL's `to_json` writes it |
/// | `date` | `Int`, days since 2000-01-01; `i32::MIN`/`i32::MAX` are the infinities |
/// | `time` | `Int`, microseconds since midnight |
/// | `timestamp` `timestamptz` | `Int`, microseconds since 2000-01-01 00:00 (UTC); `i64::MIN`/`i64::MAX` are the infinities |
/// | `bytea` | `Bytes` |
///
/// These are also the forms that PostgreSQL's binary protocol uses for dates and times, and those in which
/// SQLite stores them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
}

impl Value {
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}
