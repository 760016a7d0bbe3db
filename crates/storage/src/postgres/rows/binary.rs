//! The binary form of each type that arrives in it.
//!
//! A value that is shorter than its type says is written as null: the server does not send such, and an answer is
//! still well-formed if one ever does.

use roadbed_plan::value::{self, Type as ValueType, Value, Zone};
use tokio_postgres::types::{Kind, Type};

use super::write_string;

/// How a column's bytes are read.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::postgres) enum Form {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    /// Characters, for the types whose binary form is their text.
    Text,
    /// JSON text, which stands for itself.
    Json,
    /// A version byte, then JSON text.
    Jsonb,
    Uuid,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    /// A time that is shown in a zone of the caller's.
    Zoned(Box<Zone>),
    Interval,
    Bytea,
    Array(Box<Form>),
}

/// The form in which columns of this type arrive.
pub(in crate::postgres) fn form_of(ty: &Type) -> Form {
    match ty.kind() {
        Kind::Array(item) => return Form::Array(Box::new(form_of(item))),
        Kind::Domain(base) => return form_of(base),
        _ => {}
    }
    match ty.oid() {
        16 => Form::Bool,
        17 => Form::Bytea,
        20 => Form::Int8,
        21 => Form::Int2,
        23 => Form::Int4,
        26 => Form::Oid,
        114 => Form::Json,
        700 => Form::Float4,
        701 => Form::Float8,
        1082 => Form::Date,
        1083 => Form::Time,
        1114 => Form::Timestamp,
        1184 => Form::Timestamptz,
        1186 => Form::Interval,
        1700 => Form::Numeric,
        2950 => Form::Uuid,
        3802 => Form::Jsonb,
        _ => Form::Text,
    }
}

impl Form {
    /// The same, with times shown in `zone`.
    pub(in crate::postgres) fn in_zone(self, zone: Option<&Zone>) -> Self {
        match (self, zone) {
            (Self::Timestamptz, Some(zone)) => Self::Zoned(Box::new(zone.clone())),
            (Self::Array(item), Some(_)) => Self::Array(Box::new(item.in_zone(zone))),
            (form, _) => form,
        }
    }

    /// Appends the value as JSON.
    pub(in crate::postgres) fn write(&self, raw: &[u8], out: &mut Vec<u8>) {
        let written = match self {
            Self::Bool => {
                let text: &[u8] = if raw.first() == Some(&1) { b"true" } else { b"false" };
                out.extend_from_slice(text);
                Some(())
            }
            Self::Int2 => read_i16(raw).map(|number| write_int(i64::from(number), out)),
            Self::Int4 => read_i32(raw).map(|number| write_int(i64::from(number), out)),
            Self::Int8 => read_i64(raw).map(|number| write_int(number, out)),
            Self::Oid => read_i32(raw).map(|number| write_int(i64::from(number.cast_unsigned()), out)),
            Self::Float4 => raw.try_into().ok().map(|bytes| {
                let number = f64::from(f32::from_be_bytes(bytes));
                write_value(&Value::Float(number), &ValueType::Float4, out);
            }),
            Self::Float8 => raw.try_into().ok().map(|bytes| {
                write_value(&Value::Float(f64::from_be_bytes(bytes)), &ValueType::Float8, out);
            }),
            Self::Numeric => numeric_text(raw).map(|text| {
                let is_number = text.ends_with(|c: char| c.is_ascii_digit());
                if is_number { out.extend_from_slice(text.as_bytes()) } else { write_string(text.as_bytes(), out) }
            }),
            Self::Text => {
                write_string(raw, out);
                Some(())
            }
            Self::Json => {
                out.extend_from_slice(raw);
                Some(())
            }
            Self::Jsonb => raw.get(1..).map(|text| out.extend_from_slice(text)),
            Self::Uuid => raw.try_into().ok().map(|bytes| {
                let text = uuid::Uuid::from_bytes(bytes).hyphenated().to_string();
                write_string(text.as_bytes(), out);
            }),
            Self::Date => read_i32(raw).map(|days| write_value(&Value::Int(i64::from(days)), &ValueType::Date, out)),
            Self::Time => read_i64(raw).map(|time| write_value(&Value::Int(time), &ValueType::Time, out)),
            Self::Timestamp => read_i64(raw).map(|at| write_value(&Value::Int(at), &ValueType::Timestamp, out)),
            Self::Timestamptz => read_i64(raw).map(|at| write_value(&Value::Int(at), &ValueType::Timestamptz, out)),
            Self::Zoned(zone) => read_i64(raw).map(|at| zone.write_json(out, at)),
            Self::Interval => interval_text(raw).map(|text| write_string(text.as_bytes(), out)),
            Self::Bytea => {
                write_bytes(raw, out);
                Some(())
            }
            Self::Array(item) => write_array(item, raw, out),
        };
        if written.is_none() {
            out.extend_from_slice(b"null");
        }
    }
}

/// The value as the text that a URL or header shows: JSON less the quotes of a string.
pub(in crate::postgres) fn write_text(form: &Form, raw: &[u8]) -> String {
    let mut json = Vec::new();
    form.write(raw, &mut json);
    let text = String::from_utf8_lossy(&json).into_owned();
    match form {
        Form::Json | Form::Jsonb | Form::Array(_) => text,
        _ if text.starts_with('"') => serde_json::from_str(&text).unwrap_or(text),
        _ => text,
    }
}

fn write_int(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn write_value(value: &Value, ty: &ValueType, out: &mut Vec<u8>) {
    value::write_json(out, value, ty);
}

fn write_bytes(raw: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(raw.len() * 2 + 5);
    out.extend_from_slice(b"\"\\\\x");
    for byte in raw {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

/// Dimensions, a flag for nulls, the items' type, each dimension's length and lower bound, then the items with
/// their lengths.
fn write_array(item: &Form, raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let dimensions = usize::try_from(read_i32(raw.get(0..4)?)?).ok()?;
    let mut rest = raw.get(12..)?;
    let mut lengths = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        lengths.push(usize::try_from(read_i32(rest.get(0..4)?)?).ok()?);
        rest = rest.get(8..)?;
    }
    let start = out.len();
    let written = write_dimension(item, &lengths, &mut rest, out);
    if written.is_none() {
        out.truncate(start);
    }
    written
}

fn write_dimension(item: &Form, lengths: &[usize], rest: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.push(b'[');
    let (length, inner) = lengths.split_first().map_or((0, lengths), |(length, inner)| (*length, inner));
    for place in 0..length {
        if place > 0 {
            out.push(b',');
        }
        if !inner.is_empty() {
            write_dimension(item, inner, rest, out)?;
            continue;
        }
        let size = read_i32(rest.get(0..4)?)?;
        *rest = &rest[4..];
        match usize::try_from(size) {
            Ok(size) => {
                item.write(rest.get(..size)?, out);
                *rest = &rest[size..];
            }
            // -1 is null.
            Err(_) => out.extend_from_slice(b"null"),
        }
    }
    out.push(b']');
    Some(())
}

/// Base-10000 digits with the weight of the first, a sign, and the scale to show.
fn numeric_text(raw: &[u8]) -> Option<String> {
    let count = usize::try_from(read_i16(raw.get(0..2)?)?).ok()?;
    let weight = i32::from(read_i16(raw.get(2..4)?)?);
    let sign = read_i16(raw.get(4..6)?)?.cast_unsigned();
    let scale = usize::try_from(read_i16(raw.get(6..8)?)?).ok()?;
    let negative = match sign {
        0x0000 => false,
        0x4000 => true,
        0xd000 => return Some("Infinity".into()),
        0xf000 => return Some("-Infinity".into()),
        _ => return Some("NaN".into()),
    };
    let digits = raw.get(8..8 + count * 2)?;
    let digit = |place: i32| -> i16 {
        let index = usize::try_from(place).ok();
        index.and_then(|at| digits.get(at * 2..at * 2 + 2)).and_then(read_i16).unwrap_or(0)
    };
    let mut text = String::with_capacity(count * 4 + scale + 3);
    if negative {
        text.push('-');
    }
    if weight < 0 {
        text.push('0');
    }
    for place in 0..=weight {
        let group = digit(place);
        text.push_str(&if place == 0 { format!("{group}") } else { format!("{group:04}") });
    }
    if scale > 0 {
        text.push('.');
        let end = text.len() + scale;
        let mut place = weight + 1;
        while text.len() < end {
            text.push_str(&format!("{:04}", digit(place)));
            place += 1;
        }
        text.truncate(end);
    }
    Some(text)
}

/// `1 year 2 mons 3 days 04:05:06.7`: each part with its own sign, as the style `postgres` has it.
fn interval_text(raw: &[u8]) -> Option<String> {
    let micros = read_i64(raw.get(0..8)?)?;
    let days = read_i32(raw.get(8..12)?)?;
    let months = read_i32(raw.get(12..16)?)?;
    let mut text = String::new();
    let mut follows_negative = false;
    for (number, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if number == 0 {
            continue;
        }
        let space = if text.is_empty() { "" } else { " " };
        let plus = if follows_negative && number > 0 { "+" } else { "" };
        let plural = if number == 1 { "" } else { "s" };
        text.push_str(&format!("{space}{plus}{number} {unit}{plural}"));
        follows_negative = number < 0;
    }
    if micros == 0 && !text.is_empty() {
        return Some(text);
    }
    let space = if text.is_empty() { "" } else { " " };
    let sign = match (micros < 0, follows_negative) {
        (true, _) => "-",
        (false, true) => "+",
        (false, false) => "",
    };
    let size = micros.unsigned_abs();
    let (seconds, fraction) = (size / 1_000_000, size % 1_000_000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    text.push_str(&format!("{space}{sign}{hours:02}:{minutes:02}:{:02}", seconds % 60));
    if fraction > 0 {
        text.push_str(format!(".{fraction:06}").trim_end_matches('0'));
    }
    Some(text)
}

fn read_i16(raw: &[u8]) -> Option<i16> {
    raw.try_into().ok().map(i16::from_be_bytes)
}

fn read_i32(raw: &[u8]) -> Option<i32> {
    raw.try_into().ok().map(i32::from_be_bytes)
}

fn read_i64(raw: &[u8]) -> Option<i64> {
    raw.try_into().ok().map(i64::from_be_bytes)
}
