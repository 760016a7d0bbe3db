//! Explicit casts between types, as PostgreSQL makes them.

use super::array::array_values;
use super::calendar::{
    DATE_EARLY, DATE_LATE, MICROS_PER_DAY, TIMESTAMP_EARLY, TIMESTAMP_LATE, join_timestamp, split_timestamp,
};
use super::fault::{DATETIME_OVERFLOW, INVALID_PARAMETER, OUT_OF_RANGE, out_of_range};
use super::interval::Interval;
use super::json::{refuse_domain_null, write_json};
use super::json_syntax::{Json, parse_jsonb};
use super::numeric::Numeric;
use super::parse::{pad, parse};
use super::{Type, Value, to_text};
use crate::clock::Clock;
use crate::error::DatabaseError;

/// Converts a value of type `from` to `to`, as `cast(value as to)` does. Checks of domains are left to the caller.
pub fn cast(value: &Value, from: &Type, to: &Type, clock: &Clock) -> Result<Value, DatabaseError> {
    if value.is_null() {
        return refuse_domain_null(to);
    }
    let (from, target) = (from.base(), to.base());
    match (from, target) {
        (Type::Unknown | Type::Other(_), _) | (_, Type::Unknown | Type::Other(_)) => {
            through_text(value, from, target, clock)
        }
        (from, to) if from.is_text() || to.is_text() => through_text(value, from, to, clock),
        (from, to) if from.is_number() && to.is_number() => number_to_number(value, from, to),
        (Type::Int4, Type::Bool) => Ok(Value::Bool(int_of(value) != 0)),
        (Type::Bool, Type::Int4) => Ok(Value::Int(int_of(value))),
        (Type::Jsonb, to) if to.is_number() || *to == Type::Bool => from_jsonb(value, to),
        (Type::Json | Type::Jsonb, Type::Json | Type::Jsonb) => through_text(value, from, target, clock),
        (Type::Date | Type::Time | Type::Timestamp | Type::Timestamptz | Type::Interval, _) => {
            time_to_time(value, from, target)
        }
        (Type::Array(from), Type::Array(to)) => array_to_array(value, (from, to), clock),
        (Type::Enum(left), Type::Enum(right)) if left == right => Ok(value.clone()),
        (from, to) if from == to => Ok(value.clone()),
        (from, to) => Err(no_cast(from, to)),
    }
}

fn no_cast(from: &Type, to: &Type) -> DatabaseError {
    DatabaseError::new("42846", format!("cannot cast type {} to {}", from.sql_name(), to.sql_name()))
}

fn int_of(value: &Value) -> i64 {
    match value {
        Value::Int(value) => *value,
        Value::Bool(value) => i64::from(*value),
        Value::Float(value) => *value as i64,
        Value::Null | Value::Text(_) | Value::Bytes(_) => 0,
    }
}

fn through_text(value: &Value, from: &Type, to: &Type, clock: &Clock) -> Result<Value, DatabaseError> {
    let printed = match (from, value) {
        (Type::Bool, _) if to.is_text() => if int_of(value) != 0 { "true" } else { "false" }.to_owned(),
        (Type::Char(_), Value::Text(text)) if matches!(to, Type::Text | Type::Varchar(_)) => {
            text.trim_end_matches(' ').to_owned()
        }
        _ => to_text(value, from),
    };
    match to {
        Type::Varchar(Some(length)) => Ok(Value::text(first_chars(&printed, *length))),
        Type::Char(Some(length)) => Ok(Value::text(pad(first_chars(&printed, *length), *length))),
        _ => parse(&printed, to, clock),
    }
}

fn first_chars(text: &str, count: u32) -> &str {
    text.char_indices().nth(count as usize).map_or(text, |(end, _)| &text[..end])
}

fn number_to_number(value: &Value, from: &Type, to: &Type) -> Result<Value, DatabaseError> {
    match to {
        Type::Int2 | Type::Int4 | Type::Int8 => number_to_int(value, to),
        Type::Float8 => match value {
            Value::Float(number) => Ok(Value::Float(*number)),
            Value::Text(text) => parse(text, to, &Clock::System),
            other => Ok(Value::Float(int_of(other) as f64)),
        },
        Type::Float4 => match value {
            Value::Float(number) => narrow(*number),
            Value::Text(text) => parse(text, to, &Clock::System),
            other => Ok(Value::Float((int_of(other) as f32).into())),
        },
        Type::Numeric(size) => {
            let number = match value {
                Value::Float(number) => float_to_numeric(*number, if *from == Type::Float4 { 6 } else { 15 }),
                Value::Text(text) => Numeric::parse(text)?,
                other => Numeric::from_int(int_of(other)),
            };
            Ok(Value::text(number.fit(*size)?.to_string()))
        }
        _ => Err(no_cast(from, to)),
    }
}

fn narrow(number: f64) -> Result<Value, DatabaseError> {
    let narrowed = number as f32;
    if narrowed.is_infinite() && number.is_finite() {
        return Err(DatabaseError::new(OUT_OF_RANGE, "value out of range: overflow"));
    }
    if narrowed == 0.0 && number != 0.0 {
        return Err(DatabaseError::new(OUT_OF_RANGE, "value out of range: underflow"));
    }
    Ok(Value::Float(narrowed.into()))
}

fn number_to_int(value: &Value, to: &Type) -> Result<Value, DatabaseError> {
    let number = match value {
        Value::Float(number) => float_to_int(*number),
        Value::Text(text) => numeric_to_int(&Numeric::parse(text)?, to)?,
        other => Some(int_of(other)),
    };
    int_in_range(number, to).map(Value::Int)
}

/// `number` when it fits the integer type `ty`.
pub(crate) fn int_in_range(number: Option<i64>, ty: &Type) -> Result<i64, DatabaseError> {
    let fits = |number: &i64| match ty {
        Type::Int2 => i16::try_from(*number).is_ok(),
        Type::Int4 => i32::try_from(*number).is_ok(),
        _ => true,
    };
    number.filter(fits).ok_or_else(|| out_of_range(&ty.sql_name()))
}

fn float_to_int(number: f64) -> Option<i64> {
    let rounded = number.round_ties_even();
    // 2^63 itself does not fit.
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded).then_some(rounded as i64)
}

fn numeric_to_int(number: &Numeric, to: &Type) -> Result<Option<i64>, DatabaseError> {
    let refuse = |what: &str| Err(DatabaseError::new("0A000", format!("cannot convert {what} to {}", to.sql_name())));
    match number {
        Numeric::NaN => refuse("NaN"),
        Numeric::Infinity | Numeric::NegativeInfinity => refuse("infinity"),
        Numeric::Finite(_) => Ok(number.to_int()),
    }
}

/// A float as `numeric`, to as many significant digits as every float of its size has.
pub(crate) fn float_to_numeric(number: f64, digits: usize) -> Numeric {
    if number.is_nan() {
        return Numeric::NaN;
    }
    if number.is_infinite() {
        return if number > 0.0 { Numeric::Infinity } else { Numeric::NegativeInfinity };
    }
    let text = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    Numeric::of(&format!("{mantissa}e{exponent}"))
}

fn from_jsonb(value: &Value, to: &Type) -> Result<Value, DatabaseError> {
    let Value::Text(text) = value else { return Err(no_cast(&Type::Jsonb, to)) };
    let found = match (parse_jsonb(text)?, to) {
        (Json::Bool(found), Type::Bool) => return Ok(Value::Bool(found)),
        (Json::Number(number), to) if to.is_number() => {
            return number_to_number(&Value::Text(number), &Type::Numeric(None), to);
        }
        (Json::Null, _) => "null",
        (Json::Bool(_), _) => "boolean",
        (Json::Number(_), _) => "numeric",
        (Json::String(_), _) => "string",
        (Json::Array(_), _) => "array",
        (Json::Object(_), _) => "object",
    };
    let message = format!("cannot cast jsonb {found} to type {}", to.sql_name());
    Err(DatabaseError::new(INVALID_PARAMETER, message))
}

fn time_to_time(value: &Value, from: &Type, to: &Type) -> Result<Value, DatabaseError> {
    if from == to {
        return Ok(value.clone());
    }
    let int = int_of(value);
    match (from, to) {
        (Type::Date, Type::Timestamp | Type::Timestamptz) => date_to_timestamp(int).map(Value::Int),
        (Type::Timestamp | Type::Timestamptz, Type::Date) => Ok(Value::Int(timestamp_to_date(int))),
        (Type::Timestamp, Type::Timestamptz) | (Type::Timestamptz, Type::Timestamp) => Ok(Value::Int(int)),
        (Type::Timestamp | Type::Timestamptz, Type::Time) => match int {
            TIMESTAMP_EARLY | TIMESTAMP_LATE => Ok(Value::Null),
            micros => Ok(Value::Int(split_timestamp(micros).1)),
        },
        (Type::Time, Type::Interval) => Ok(Value::text(Interval { months: 0, days: 0, micros: int }.to_string())),
        (Type::Interval, Type::Time) => match value {
            Value::Text(text) => Ok(Value::Int(Interval::of(text).micros.rem_euclid(MICROS_PER_DAY))),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Bytes(_) => Err(no_cast(from, to)),
        },
        _ => Err(no_cast(from, to)),
    }
}

/// Midnight of a day.
pub(crate) fn date_to_timestamp(days: i64) -> Result<i64, DatabaseError> {
    match days {
        DATE_EARLY => Ok(TIMESTAMP_EARLY),
        DATE_LATE => Ok(TIMESTAMP_LATE),
        days => join_timestamp(days, 0)
            .ok_or_else(|| DatabaseError::new(DATETIME_OVERFLOW, "date out of range for timestamp")),
    }
}

/// The day of a timestamp.
pub(crate) fn timestamp_to_date(micros: i64) -> i64 {
    match micros {
        TIMESTAMP_EARLY => DATE_EARLY,
        TIMESTAMP_LATE => DATE_LATE,
        micros => split_timestamp(micros).0,
    }
}

fn array_to_array(value: &Value, (from, to): (&Type, &Type), clock: &Clock) -> Result<Value, DatabaseError> {
    let Value::Text(text) = value else { return Ok(value.clone()) };
    if from == to {
        return Ok(value.clone());
    }
    let mut out = Vec::with_capacity(text.len());
    cast_items(&mut out, text, (from, to), clock)?;
    Ok(Value::text(String::from_utf8(out).unwrap_or_default()))
}

fn cast_items(out: &mut Vec<u8>, text: &str, types: (&Type, &Type), clock: &Clock) -> Result<(), DatabaseError> {
    let (from, to) = types;
    out.push(b'[');
    if text.starts_with("[[") && !from.is_json() {
        for (index, inner) in super::json_syntax::raw_items(text)?.unwrap_or_default().into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            cast_items(out, inner, types, clock)?;
        }
    } else {
        for (index, item) in array_values(text, from)?.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_json(out, &cast(item, from, to, clock)?, to);
        }
    }
    out.push(b']');
    Ok(())
}
