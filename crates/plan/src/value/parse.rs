//! From text to canonical values, as PostgreSQL's input functions read it and with their errors.

use super::array::parse_array;
use super::datetime::{parse_date, parse_time, parse_timestamp, parse_timestamptz};
use super::fault::{INVALID_PARAMETER, INVALID_TEXT, OUT_OF_RANGE, invalid_syntax, is_space, refuse_null_byte, trim};
use super::interval::Interval;
use super::json_syntax::{check_json, normalize_jsonb};
use super::{EnumType, Type, Value, numeric, search};
use crate::clock::Clock;
use crate::error::DatabaseError;

/// Reads `text` as a value of `ty`. The clock is asked for `now`, `today` and their like.
pub fn parse(text: &str, ty: &Type, clock: &Clock) -> Result<Value, DatabaseError> {
    refuse_null_byte(text)?;
    match ty {
        Type::Bool => parse_bool(text).map(Value::Bool),
        Type::Int2 => parse_int(text, ty, i16::MIN.into(), i16::MAX.into()),
        Type::Int4 => parse_int(text, ty, i32::MIN.into(), i32::MAX.into()),
        Type::Int8 => parse_int(text, ty, i64::MIN, i64::MAX),
        Type::Float4 => parse_float4(text),
        Type::Float8 => parse_float8(text),
        Type::Numeric(size) => numeric::canonical(text, *size).map(Value::Text),
        Type::Text | Type::Unknown => Ok(Value::text(text)),
        Type::Other(name) => search::canonical(name, text).map(Value::text),
        Type::Varchar(length) => parse_varchar(text, *length),
        Type::Char(length) => parse_char(text, *length),
        Type::Uuid => parse_uuid(text),
        Type::Date => parse_date(text, clock).map(Value::Int),
        Type::Time => parse_time(text, clock).map(Value::Int),
        Type::Timestamp => parse_timestamp(text, clock).map(Value::Int),
        Type::Timestamptz => parse_timestamptz(text, clock).map(Value::Int),
        Type::Interval => Ok(Value::text(Interval::parse(text)?.to_string())),
        Type::Json => check_json(text).map(|()| Value::text(text)),
        Type::Jsonb => normalize_jsonb(text).map(Value::text),
        Type::Bytea => parse_bytea(text),
        Type::Enum(labels) => parse_enum(text, labels, ty),
        Type::Domain(domain) => parse(text, &domain.base, clock),
        Type::Array(item) => parse_array(text, item, clock),
    }
}

fn parse_bool(text: &str) -> Result<bool, DatabaseError> {
    let word = trim(text).to_ascii_lowercase();
    let prefixes = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    if prefixes("true", 1) || prefixes("yes", 1) || prefixes("on", 2) || word == "1" {
        Ok(true)
    } else if prefixes("false", 1) || prefixes("no", 1) || prefixes("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid_syntax("boolean", text))
    }
}

fn parse_int(text: &str, ty: &Type, least: i64, most: i64) -> Result<Value, DatabaseError> {
    let trimmed = text.trim_start_matches(is_space);
    let (negative, digits) = match trimmed.as_bytes() {
        [b'-', ..] => (true, &trimmed[1..]),
        [b'+', ..] => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let mut value: i128 = 0;
    for digit in digits[..end].bytes() {
        value = value * 10 + i128::from(digit - b'0');
        let signed = if negative { -value } else { value };
        // Junk after too many digits is not looked at.
        if signed < least.into() || signed > most.into() {
            let message = format!("value \"{text}\" is out of range for type {}", ty.sql_name());
            return Err(DatabaseError::new(OUT_OF_RANGE, message));
        }
    }
    if end == 0 || !digits[end..].chars().all(is_space) {
        return Err(invalid_syntax(&ty.sql_name(), text));
    }
    Ok(Value::Int(if negative { -value } else { value } as i64))
}

fn parse_float4(text: &str) -> Result<Value, DatabaseError> {
    let number = float_text(text).ok_or_else(|| invalid_syntax("real", text))?;
    let value: f32 = number.parse().map_err(|_| invalid_syntax("real", text))?;
    check_float_range(number, value.into(), "real")?;
    Ok(Value::Float(value.into()))
}

fn parse_float8(text: &str) -> Result<Value, DatabaseError> {
    let number = float_text(text).ok_or_else(|| invalid_syntax("double precision", text))?;
    let value: f64 = number.parse().map_err(|_| invalid_syntax("double precision", text))?;
    check_float_range(number, value, "double precision")?;
    Ok(Value::Float(value))
}

fn float_text(text: &str) -> Option<&str> {
    let number = trim(text);
    (!number.is_empty()).then_some(number)
}

fn check_float_range(number: &str, value: f64, type_name: &str) -> Result<(), DatabaseError> {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.bytes().any(|byte| byte.is_ascii_digit());
    let vanished = value == 0.0 && mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    if (value.is_infinite() && digits) || vanished {
        return Err(DatabaseError::new(OUT_OF_RANGE, format!("\"{number}\" is out of range for type {type_name}")));
    }
    Ok(())
}

/// Spaces beyond the length are dropped, anything else there is refused.
pub(crate) fn fit_length<'a>(text: &'a str, length: u32, type_name: &str) -> Result<&'a str, DatabaseError> {
    let Some((end, _)) = text.char_indices().nth(length as usize) else { return Ok(text) };
    if text[end..].bytes().all(|byte| byte == b' ') {
        return Ok(&text[..end]);
    }
    Err(DatabaseError::new("22001", format!("value too long for type {type_name}({length})")))
}

/// Blank-pads to `length` characters.
pub(crate) fn pad(text: &str, length: u32) -> String {
    let missing = (length as usize).saturating_sub(text.chars().count());
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', missing));
    padded
}

fn parse_varchar(text: &str, length: Option<u32>) -> Result<Value, DatabaseError> {
    match length {
        Some(length) => fit_length(text, length, "character varying").map(Value::text),
        None => Ok(Value::text(text)),
    }
}

fn parse_char(text: &str, length: Option<u32>) -> Result<Value, DatabaseError> {
    match length {
        Some(length) => Ok(Value::text(pad(fit_length(text, length, "character")?, length))),
        None => Ok(Value::text(text)),
    }
}

fn parse_uuid(text: &str) -> Result<Value, DatabaseError> {
    let invalid = || invalid_syntax("uuid", text);
    let mut rest = text.as_bytes();
    let braced = rest.first() == Some(&b'{');
    if braced {
        rest = &rest[1..];
    }
    let mut canonical = String::with_capacity(36);
    for index in 0..16 {
        let [high, low, after @ ..] = rest else { return Err(invalid()) };
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            return Err(invalid());
        }
        if matches!(index, 4 | 6 | 8 | 10) {
            canonical.push('-');
        }
        canonical.push(high.to_ascii_lowercase() as char);
        canonical.push(low.to_ascii_lowercase() as char);
        rest = after;
        if index % 2 == 1 && index < 15 && rest.first() == Some(&b'-') {
            rest = &rest[1..];
        }
    }
    let closed = if braced { rest == b"}" } else { rest.is_empty() };
    if closed { Ok(Value::text(canonical)) } else { Err(invalid()) }
}

fn parse_bytea(text: &str) -> Result<Value, DatabaseError> {
    let bytes = match text.strip_prefix("\\x") {
        Some(hex) => parse_hex(hex)?,
        None => parse_escaped(text)?,
    };
    Ok(Value::Bytes(bytes.into()))
}

fn parse_hex(hex: &str) -> Result<Vec<u8>, DatabaseError> {
    let digit = |c: char| {
        let fault = || DatabaseError::new(INVALID_PARAMETER, format!("invalid hexadecimal digit: \"{c}\""));
        c.to_digit(16).ok_or_else(fault)
    };
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    let mut rest = hex.chars();
    while let Some(high) = rest.next() {
        if matches!(high, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(high)?;
        let odd = || DatabaseError::new(INVALID_PARAMETER, "invalid hexadecimal data: odd number of digits");
        let low = digit(rest.next().ok_or_else(odd)?)?;
        bytes.push((high * 16 + low) as u8);
    }
    Ok(bytes)
}

fn parse_escaped(text: &str) -> Result<Vec<u8>, DatabaseError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(bytes),
            [b'\\', b'\\', after @ ..] => {
                bytes.push(b'\\');
                after
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                after
            }
            [b'\\', ..] => return Err(DatabaseError::new(INVALID_TEXT, "invalid input syntax for type bytea")),
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        };
    }
}

fn parse_enum(text: &str, labels: &EnumType, ty: &Type) -> Result<Value, DatabaseError> {
    if labels.labels.iter().any(|label| label == text) {
        return Ok(Value::text(text));
    }
    Err(DatabaseError::new(INVALID_TEXT, format!("invalid input value for enum {}: \"{text}\"", ty.sql_name())))
}
