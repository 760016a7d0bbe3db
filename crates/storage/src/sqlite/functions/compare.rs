//! The order of values, by type: collations for SQLite's own comparisons, and the same order for our functions.

use std::cmp::Ordering;

use roadbed_plan::value::arithmetic::compare_intervals;
use roadbed_plan::{DatabaseError, Type, Value};
use rusqlite::Connection;
use rusqlite::functions::Context;

use super::arrays::items_of;
use super::call::{read, type_at};
use super::json_tree::compare_jsonb;
use super::patterns::{like, regex_matches};
use super::{PURE, answer};

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_collation("numeric", compare_numeric)?;
    connection.create_collation("interval", compare_interval)?;
    connection.create_collation("jsonb", compare_jsonb)?;
    connection.create_collation("array", compare_json_arrays)?;
    for (name, all) in [("pg_any", false), ("pg_all", true)] {
        connection.create_scalar_function(name, 4, PURE, move |ctx: &Context<'_>| {
            let ty = type_at(ctx, 1)?;
            let operator: String = ctx.get(0)?;
            let left = read(ctx.get_raw(2), &ty)?;
            let array = read(ctx.get_raw(3), &Type::Unknown)?;
            let Value::Text(array) = array else { return Ok(rusqlite::types::Value::Null) };
            answer(quantified(&operator, &left, &array, (&ty, all)))
        })?;
    }
    Ok(())
}

/// `left operator any (array)`, or `all`: null where a null keeps it from being known.
fn quantified(operator: &str, left: &Value, array: &str, (ty, all): (&Type, bool)) -> Result<Value, DatabaseError> {
    let mut unknown = false;
    for item in items_of(array, ty)? {
        match test(operator, left, &item, ty)? {
            Some(holds) if holds != all => return Ok(Value::Bool(holds)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Value::Null } else { Value::Bool(all) })
}

fn test(operator: &str, left: &Value, right: &Value, ty: &Type) -> Result<Option<bool>, DatabaseError> {
    if left.is_null() || right.is_null() {
        return Ok(None);
    }
    let ordered = || compare(left, right, ty);
    Ok(Some(match (operator, left, right) {
        ("=", ..) => ordered().is_eq(),
        ("<>" | "!=", ..) => ordered().is_ne(),
        ("<", ..) => ordered().is_lt(),
        ("<=", ..) => ordered().is_le(),
        (">", ..) => ordered().is_gt(),
        (">=", ..) => ordered().is_ge(),
        ("~~", Value::Text(text), Value::Text(pattern)) => like(text, pattern, false)?,
        ("~~*", Value::Text(text), Value::Text(pattern)) => like(text, pattern, true)?,
        ("!~~", Value::Text(text), Value::Text(pattern)) => !like(text, pattern, false)?,
        ("!~~*", Value::Text(text), Value::Text(pattern)) => !like(text, pattern, true)?,
        ("~", Value::Text(text), Value::Text(pattern)) => regex_matches(text, pattern, false)?,
        ("~*", Value::Text(text), Value::Text(pattern)) => regex_matches(text, pattern, true)?,
        ("!~", Value::Text(text), Value::Text(pattern)) => !regex_matches(text, pattern, false)?,
        ("!~*", Value::Text(text), Value::Text(pattern)) => !regex_matches(text, pattern, true)?,
        ("^@", Value::Text(text), Value::Text(start)) => text.starts_with(&**start),
        _ => return Err(DatabaseError::new("0A000", format!("operator {operator} cannot be used with any or all"))),
    }))
}

/// PostgreSQL's order of two values of type `ty` that are not null.
pub(super) fn compare(left: &Value, right: &Value, ty: &Type) -> Ordering {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => compare_texts(left, right, ty.base()),
        (Value::Float(left), Value::Float(right)) => compare_floats(*left, *right),
        (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
        (left, right) => whole(left).cmp(&whole(right)),
    }
}

fn whole(value: &Value) -> i64 {
    match value {
        Value::Int(int) => *int,
        Value::Bool(bool) => i64::from(*bool),
        Value::Float(float) => *float as i64,
        Value::Null | Value::Text(_) | Value::Bytes(_) => 0,
    }
}

/// NaN is equal to itself and above all others.
fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

fn compare_texts(left: &str, right: &str, ty: &Type) -> Ordering {
    match ty {
        Type::Numeric(_) => compare_numeric(left, right),
        Type::Interval => compare_interval(left, right),
        Type::Jsonb => compare_jsonb(left, right),
        Type::Char(_) => left.trim_end_matches(' ').cmp(right.trim_end_matches(' ')),
        Type::Enum(labels) => {
            let place = |label: &str| labels.labels.iter().position(|known| known == label);
            place(left).cmp(&place(right))
        }
        Type::Array(item) => match (items_of(left, item), items_of(right, item)) {
            (Ok(left), Ok(right)) => compare_items(&left, &right, item),
            _ => left.cmp(right),
        },
        _ => left.cmp(right),
    }
}

fn compare_items(left: &[Value], right: &[Value], item: &Type) -> Ordering {
    for (left, right) in left.iter().zip(right) {
        let order = match (left.is_null(), right.is_null()) {
            (false, false) => compare(left, right, item),
            // A null is above all others.
            (left, right) => left.cmp(&right),
        };
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

/// Numbers in decimal notation, compared exactly and without making numbers of them.
pub(super) fn compare_numeric(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let (left_rank, right_rank) = (rank(left), rank(right));
    if left_rank != right_rank || left_rank != 0 {
        return left_rank.cmp(&right_rank);
    }
    match (left.strip_prefix('-'), right.strip_prefix('-')) {
        (None, None) => compare_digits(left, right),
        (Some(left), Some(right)) => compare_digits(right, left),
        (Some(left), None) if is_zero(left) && is_zero(right) => Ordering::Equal,
        (None, Some(right)) if is_zero(left) && is_zero(right) => Ordering::Equal,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

fn rank(text: &str) -> i8 {
    match text {
        "-Infinity" => -1,
        "Infinity" => 1,
        "NaN" => 2,
        _ => 0,
    }
}

fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

fn compare_digits(left: &str, right: &str) -> Ordering {
    let (left_whole, left_part) = left.split_once('.').unwrap_or((left, ""));
    let (right_whole, right_part) = right.split_once('.').unwrap_or((right, ""));
    let (left_whole, right_whole) = (left_whole.trim_start_matches('0'), right_whole.trim_start_matches('0'));
    left_whole
        .len()
        .cmp(&right_whole.len())
        .then_with(|| left_whole.cmp(right_whole))
        .then_with(|| left_part.trim_end_matches('0').cmp(right_part.trim_end_matches('0')))
}

pub(super) fn compare_interval(left: &str, right: &str) -> Ordering {
    if left == right { Ordering::Equal } else { compare_intervals(left, right) }
}

/// Arrays whose item type is not known: numbers by their value, all else by its text.
fn compare_json_arrays(left: &str, right: &str) -> Ordering {
    if left == right { Ordering::Equal } else { super::json_tree::compare_arrays(left, right) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_compare_by_value_whatever_their_scale() {
        let order = ["-Infinity", "-10.5", "-2", "-1.50", "0", "0.001", "1.5", "2", "10", "Infinity", "NaN"];
        for (i, left) in order.iter().enumerate() {
            for (j, right) in order.iter().enumerate() {
                assert_eq!(compare_numeric(left, right), i.cmp(&j), "{left} {right}");
            }
        }
        assert_eq!(compare_numeric("1.50", "1.5"), Ordering::Equal);
        assert_eq!(compare_numeric("-0.00", "0"), Ordering::Equal);
    }
}
