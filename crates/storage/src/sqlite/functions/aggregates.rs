//! Aggregates that SQLite lacks or computes otherwise. Nulls are left out unless a name says otherwise.

use roadbed_plan::value::arithmetic::{self, Arithmetic, numeric_arithmetic};
use roadbed_plan::{DatabaseError, Type, Value};
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context};
use rusqlite::types::{Value as SqlValue, ValueRef};
use serde_json::value::RawValue;

use super::call::{Outcome, read};
use super::json::quoted;
use super::json_tree::jsonb_of;
use super::{PURE, answer, failure};

/// What a function folds its rows into: the state, and what it is at the end.
struct Fold {
    ty: Type,
    nulls_too: bool,
    step: fn(&mut State, &Value) -> Result<(), DatabaseError>,
    finish: fn(&mut State) -> Outcome,
}

#[derive(Default)]
struct State {
    rows: i64,
    int: i128,
    float: f64,
    text: String,
    bytes: Vec<u8>,
    value: Option<Value>,
}

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let fold = |ty, step, finish| Fold { ty, nulls_too: false, step, finish };
    let numeric = Type::Numeric(None);
    let folds: Vec<(&str, Fold)> = vec![
        ("pg_sum_int", fold(Type::Int8, add_int, finish_int)),
        ("pg_sum_float", fold(Type::Float8, add_float, |state| Ok(Value::Float(state.float)))),
        ("pg_avg_float", fold(Type::Float8, add_float, |state| Ok(Value::Float(state.float / state.rows as f64)))),
        ("pg_sum_numeric", fold(numeric.clone(), add_numeric, |state| Ok(value_of(state)))),
        ("pg_avg_numeric", fold(numeric, add_numeric, average_numeric)),
        ("pg_sum_interval", fold(Type::Interval, add_interval, |state| Ok(value_of(state)))),
        ("pg_avg_interval", fold(Type::Interval, add_interval, average_interval)),
        (
            "pg_bytea_agg",
            fold(Type::Bytea, add_bytes, |state| Ok(Value::Bytes(std::mem::take(&mut state.bytes).into()))),
        ),
        (
            "pg_string_agg_packed",
            fold(Type::Text, add_separated, |state| Ok(Value::text(std::mem::take(&mut state.text)))),
        ),
        ("pg_json_object_agg", fold(Type::Text, add_member, finish_object)),
        ("pg_jsonb_object_agg", fold(Type::Text, add_member, |state| jsonb_of(&format!("{{{}}}", state.text)))),
        ("pg_json_agg", with_nulls(|state, value| add_item(state, value, ", "), finish_array)),
        (
            "pg_json_agg_lines",
            with_nulls(
                |state, value| {
                    // A null stands beside the one before it.
                    let separator = if value.is_null() { ", " } else { ", \n " };
                    add_item(state, value, separator)
                },
                finish_array,
            ),
        ),
        (
            "pg_jsonb_agg",
            with_nulls(|state, value| add_item(state, value, ", "), |state| jsonb_of(&format!("[{}]", state.text))),
        ),
        ("pg_array_agg", with_nulls(|state, value| add_item(state, value, ","), finish_array)),
        ("pg_single", with_nulls(add_single, |state| Ok(value_of(state)))),
    ];
    for (name, fold) in folds {
        connection.create_aggregate_function(name, 1, PURE, fold)?;
    }
    Ok(())
}

fn with_nulls(step: fn(&mut State, &Value) -> Result<(), DatabaseError>, finish: fn(&mut State) -> Outcome) -> Fold {
    Fold { ty: Type::Unknown, nulls_too: true, step, finish }
}

impl Aggregate<State, SqlValue> for Fold {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<State> {
        Ok(State::default())
    }

    fn step(&self, ctx: &mut Context<'_>, state: &mut State) -> rusqlite::Result<()> {
        if ctx.get_raw(0) == ValueRef::Null && !self.nulls_too {
            return Ok(());
        }
        let value = read(ctx.get_raw(0), &self.ty)?;
        (self.step)(state, &value).map_err(|error| failure(&error))?;
        state.rows += 1;
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<State>) -> rusqlite::Result<SqlValue> {
        match state {
            Some(mut state) if state.rows > 0 => answer((self.finish)(&mut state)),
            Some(_) | None => Ok(SqlValue::Null),
        }
    }
}

fn value_of(state: &mut State) -> Value {
    state.value.take().unwrap_or(Value::Null)
}

fn add_int(state: &mut State, value: &Value) -> Result<(), DatabaseError> {
    if let Value::Int(int) = value {
        state.int += i128::from(*int);
    }
    Ok(())
}

fn finish_int(state: &mut State) -> Outcome {
    i64::try_from(state.int).map(Value::Int).map_err(|_| DatabaseError::new("22003", "bigint out of range"))
}

fn add_float(state: &mut State, value: &Value) -> Result<(), DatabaseError> {
    if let Value::Float(float) = value {
        let sum = state.float + float;
        if sum.is_infinite() && state.float.is_finite() && float.is_finite() {
            return Err(DatabaseError::new("22003", "value out of range: overflow"));
        }
        state.float = sum;
    }
    Ok(())
}

fn add_numeric(state: &mut State, value: &Value) -> Result<(), DatabaseError> {
    if let Value::Text(text) = value {
        state.value = Some(match state.value.take() {
            Some(Value::Text(sum)) => Value::text(numeric_arithmetic(Arithmetic::Add, &sum, text)?),
            _ => Value::Text(text.clone()),
        });
    }
    Ok(())
}

fn average_numeric(state: &mut State) -> Outcome {
    match &state.value {
        Some(Value::Text(sum)) => arithmetic::numeric_average(sum, state.rows).map(Value::text),
        _ => Ok(Value::Null),
    }
}

fn add_interval(state: &mut State, value: &Value) -> Result<(), DatabaseError> {
    if let Value::Text(text) = value {
        state.value = Some(match state.value.take() {
            Some(Value::Text(sum)) => Value::text(arithmetic::interval_add(&sum, text)?),
            _ => Value::Text(text.clone()),
        });
    }
    Ok(())
}

fn average_interval(state: &mut State) -> Outcome {
    match &state.value {
        Some(Value::Text(sum)) => arithmetic::interval_divide(sum, state.rows as f64).map(Value::text),
        _ => Ok(Value::Null),
    }
}

fn add_bytes(state: &mut State, value: &Value) -> Result<(), DatabaseError> {
    if let Value::Bytes(bytes) = value {
        state.bytes.extend_from_slice(bytes);
    }
    Ok(())
}

/// A pair `[text, separator]`; the first separator is not shown.
fn add_separated(state: &mut State, value: &Value) -> Result<(), DatabaseError> {
    let Value::Text(pair) = value else { return Ok(()) };
    let (text, separator): (Option<String>, Option<String>) = serde_json::from_str(pair).unwrap_or_default();
    let Some(text) = text else {
        // Nothing was added, so this was no row.
        state.rows -= 1;
        return Ok(());
    };
    if state.rows > 0 {
        state.text.push_str(separator.as_deref().unwrap_or_default());
    }
    state.text.push_str(&text);
    Ok(())
}

/// A pair `[key, value]`.
fn add_member(state: &mut State, value: &Value) -> Result<(), DatabaseError> {
    let Value::Text(pair) = value else { return Ok(()) };
    let Ok([key, member]) = serde_json::from_str::<[Box<RawValue>; 2]>(pair) else { return Ok(()) };
    if key.get() == "null" {
        return Err(DatabaseError::new("22023", "field name must not be null"));
    }
    let key = if key.get().starts_with('"') { key.get().to_owned() } else { quoted(key.get()) };
    if state.rows > 0 {
        state.text.push_str(", ");
    }
    state.text.push_str(&format!("{key} : {}", member.get()));
    Ok(())
}

fn finish_object(state: &mut State) -> Outcome {
    Ok(Value::text(format!("{{ {} }}", state.text)))
}

fn add_item(state: &mut State, value: &Value, separator: &str) -> Result<(), DatabaseError> {
    if state.rows > 0 {
        state.text.push_str(separator);
    }
    match value {
        Value::Text(json) => state.text.push_str(json),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Bytes(_) => {
            state.text.push_str("null");
        }
    }
    Ok(())
}

fn finish_array(state: &mut State) -> Outcome {
    Ok(Value::text(format!("[{}]", state.text)))
}

fn add_single(state: &mut State, value: &Value) -> Result<(), DatabaseError> {
    if state.rows > 0 {
        return Err(DatabaseError::new("21000", "more than one row returned by a subquery used as an expression"));
    }
    state.value = Some(value.clone());
    Ok(())
}
