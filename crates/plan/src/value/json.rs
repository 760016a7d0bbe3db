//! Values in JSON: written as PostgreSQL's `row_to_json` prints them, read as its `json_to_recordset` does.
//! Writing is the hot path of every answer.

use serde_json::value::RawValue;

use super::array::array_from_json;
use super::fault::refuse_null_byte;
use super::format::{write_date, write_float4, write_float8, write_hex, write_int, write_time, write_timestamp};
use super::json_syntax::{check_json, decode_string, normalize_jsonb};
use super::parse::parse;
use super::{Type, Value};
use crate::clock::Clock;
use crate::error::DatabaseError;

/// Writes a value as PostgreSQL's `row_to_json` prints it.
pub fn write_json(out: &mut Vec<u8>, value: &Value, ty: &Type) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => write_bool(out, *value),
        Value::Int(value) => write_int_json(out, *value, ty.base()),
        Value::Float(value) => write_float_json(out, *value, ty.base()),
        Value::Text(text) => write_text_json(out, text, ty.base()),
        Value::Bytes(bytes) => {
            out.extend_from_slice(b"\"\\\\x");
            write_hex(out, bytes);
            out.push(b'"');
        }
    }
}

/// Writes a JSON string with PostgreSQL's escapes.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut written = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..index]);
        written = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => {
                out.extend_from_slice(b"\\u00");
                write_hex(out, &[control]);
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

/// Reads a member of a request's JSON object as `json_to_recordset` does for a column of type `ty`.
pub fn from_json(raw: &RawValue, ty: &Type, clock: &Clock) -> Result<Value, DatabaseError> {
    from_json_text(raw.get(), ty, clock)
}

/// As [`from_json`]; an error in an array's shape names the member, as PostgreSQL's hint does.
pub fn from_json_member(name: &str, raw: &RawValue, ty: &Type, clock: &Clock) -> Result<Value, DatabaseError> {
    from_json_text(raw.get(), ty, clock).map_err(|error| match (error.message.as_str(), &error.hint) {
        ("expected JSON array", None) => error.hint(format!("See the value of key \"{name}\".")),
        ("expected JSON array", Some(hint)) => {
            let hint = format!("{} of key \"{name}\".", hint.trim_end_matches('.'));
            error.hint(hint)
        }
        _ => error,
    })
}

/// As [`from_json`], from valid JSON text without space around it.
pub(crate) fn from_json_text(raw: &str, ty: &Type, clock: &Clock) -> Result<Value, DatabaseError> {
    if raw == "null" {
        return refuse_domain_null(ty);
    }
    match ty {
        Type::Domain(domain) => from_json_text(raw, &domain.base, clock),
        // PostgreSQL takes a string apart and writes it anew, escapes and all.
        Type::Json if raw.starts_with('"') => {
            let mut out = Vec::with_capacity(raw.len());
            write_json_string(&mut out, &decode_string(raw)?);
            Ok(Value::text(String::from_utf8(out).unwrap_or_default()))
        }
        Type::Json => check_json(raw).map(|()| Value::text(raw)),
        Type::Jsonb => normalize_jsonb(raw).map(Value::text),
        _ if raw.starts_with('"') => {
            let text = decode_string(raw)?;
            match ty {
                Type::Text => {
                    refuse_null_byte(&text)?;
                    Ok(Value::Text(text.into()))
                }
                _ => parse(&text, ty, clock),
            }
        }
        Type::Array(item) => array_from_json(raw, item, clock),
        _ => parse(raw, ty, clock),
    }
}

pub(crate) fn refuse_domain_null(ty: &Type) -> Result<Value, DatabaseError> {
    match ty {
        Type::Domain(domain) if domain.not_null => {
            let message = format!("domain {} does not allow null values", ty.sql_name());
            Err(DatabaseError::new("23502", message))
        }
        Type::Domain(domain) => refuse_domain_null(&domain.base),
        _ => Ok(Value::Null),
    }
}

fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

fn write_int_json(out: &mut Vec<u8>, value: i64, ty: &Type) {
    match ty {
        Type::Bool => write_bool(out, value != 0),
        Type::Date => quoted(out, |out| write_date(out, value)),
        Type::Time => quoted(out, |out| write_time(out, value)),
        Type::Timestamp => quoted(out, |out| write_timestamp(out, value, b'T', "")),
        Type::Timestamptz => quoted(out, |out| write_timestamp(out, value, b'T', "+00:00")),
        Type::Float4 | Type::Float8 => write_float_json(out, value as f64, ty),
        Type::Text | Type::Varchar(_) | Type::Char(_) => quoted(out, |out| write_int(out, value)),
        _ => write_int(out, value),
    }
}

fn write_float_json(out: &mut Vec<u8>, value: f64, ty: &Type) {
    let write = |out: &mut Vec<u8>| match ty {
        Type::Float4 => write_float4(out, value as f32),
        _ => write_float8(out, value),
    };
    if value.is_finite() { write(out) } else { quoted(out, write) }
}

fn write_text_json(out: &mut Vec<u8>, text: &str, ty: &Type) {
    match ty {
        Type::Json | Type::Jsonb | Type::Array(_) => out.extend_from_slice(text.as_bytes()),
        Type::Numeric(_) if text.ends_with(|last: char| last.is_ascii_digit()) => {
            out.extend_from_slice(text.as_bytes());
        }
        _ => write_json_string(out, text),
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}
