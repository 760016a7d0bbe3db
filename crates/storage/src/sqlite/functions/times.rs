//! Dates, times, intervals; and the operators that they share with `jsonb` and arrays.

use roadbed_plan::value::arithmetic::{self as act, Arithmetic};
use roadbed_plan::value::cast;
use roadbed_plan::{DatabaseError, Type, Value};

use super::call::{Call, Function, Outcome, strict};
use super::formatting;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("add", |call| sum(call, Arithmetic::Add)),
    strict("age", age),
    strict("date", |call| cast(call.arg(0), call.ty(0), &Type::Date, call.clock)),
    strict("date_part", |call| act::date_part(call.text(0), call.arg(1), call.ty(1))),
    strict("date_trunc", |call| match call.arg(1) {
        Value::Text(interval) => act::interval_trunc(call.text(0), interval).map(Value::text),
        _ => act::date_trunc(call.text(0), call.int(1), call.ty(1).base()).map(Value::Int),
    }),
    strict("divide", |call| act::interval_divide(call.text(0), call.float(1)).map(Value::text)),
    strict("extract", |call| act::extract(call.text(0), call.arg(1), call.ty(1))),
    strict("isfinite", |call| {
        let int = call.int(0);
        Ok(Value::Bool(match call.ty(0).base() {
            Type::Date => int != i64::from(i32::MIN) && int != i64::from(i32::MAX),
            _ => int != i64::MIN && int != i64::MAX,
        }))
    }),
    strict("make_date", |call| act::make_date(call.int(0), call.int(1), call.int(2)).map(Value::Int)),
    strict("make_interval", |call| {
        let counts = [0, 1, 2, 3, 4, 5].map(|index| call.int(index));
        act::make_interval(counts, if call.len() > 6 { call.float(6) } else { 0.0 }).map(Value::text)
    }),
    strict("make_time", |call| act::make_time(call.int(0), call.int(1), call.float(2)).map(Value::Int)),
    strict("make_timestamp", make_timestamp),
    strict("make_timestamptz", make_timestamp),
    strict("multiply", |call| match call.arg(0) {
        Value::Text(interval) => act::interval_multiply(interval, call.float(1)).map(Value::text),
        _ => act::interval_multiply(call.text(1), call.float(0)).map(Value::text),
    }),
    strict("subtract", |call| match call.ty(0).base() {
        Type::Jsonb => super::json::subtract(call),
        _ => sum(call, Arithmetic::Subtract),
    }),
    strict("timezone", |call| {
        let to_local = *call.ty(1).base() == Type::Timestamptz;
        act::shift_zone(call.text(0), call.int(1), to_local).map(Value::Int)
    }),
    strict("to_char", formatting::to_char),
    strict("to_date", formatting::to_date),
    strict("to_timestamp", |call| match call.len() {
        1 => act::timestamp_from_epoch(call.float(0)).map(Value::Int),
        _ => formatting::to_timestamp(call),
    }),
];

/// `+` and `-` where a date, time or interval takes part.
fn sum(call: &Call<'_>, operator: Arithmetic) -> Outcome {
    use Type::{Date, Int2, Int4, Int8, Interval, Time, Timestamp, Timestamptz};
    let negated = |interval: &str| match operator {
        Arithmetic::Subtract => act::interval_negate(interval),
        Arithmetic::Add | Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Modulo => Ok(interval.to_owned()),
    };
    let adds = operator == Arithmetic::Add;
    let (left, right) = (call.int(0), call.int(1));
    match (call.ty(0).base(), call.ty(1).base()) {
        (Date, Int2 | Int4 | Int8) => act::date_add_days(left, if adds { right } else { -right }).map(Value::Int),
        (Int2 | Int4 | Int8, Date) => act::date_add_days(right, left).map(Value::Int),
        (Date, Interval) => act::date_add_interval(left, &negated(call.text(1))?).map(Value::Int),
        (Interval, Date) => act::date_add_interval(right, call.text(0)).map(Value::Int),
        (Date, Time) => act::date_at(left, right).map(Value::Int),
        (Time, Date) => act::date_at(right, left).map(Value::Int),
        (Date, Date) => date_difference(left, right),
        (Time, Interval) => Ok(Value::Int(act::time_add_interval(left, &negated(call.text(1))?))),
        (Interval, Time) => Ok(Value::Int(act::time_add_interval(right, call.text(0)))),
        (Time, Time) => cast_difference(call, left - right),
        (Timestamp | Timestamptz, Interval) => {
            act::timestamp_add_interval(left, &negated(call.text(1))?).map(Value::Int)
        }
        (Interval, Timestamp | Timestamptz) => act::timestamp_add_interval(right, call.text(0)).map(Value::Int),
        (Timestamp | Timestamptz, Timestamp | Timestamptz) => act::timestamp_difference(left, right).map(Value::text),
        (Interval, Interval) if adds => act::interval_add(call.text(0), call.text(1)).map(Value::text),
        (Interval, Interval) => act::interval_subtract(call.text(0), call.text(1)).map(Value::text),
        (left, right) => {
            let message = format!("operator does not exist: {} + {}", left.sql_name(), right.sql_name());
            Err(DatabaseError::new("42883", message))
        }
    }
}

fn date_difference(left: i64, right: i64) -> Outcome {
    let infinite = |days: i64| days == i64::from(i32::MIN) || days == i64::from(i32::MAX);
    if infinite(left) || infinite(right) {
        return Err(DatabaseError::new("22008", "cannot subtract infinite dates"));
    }
    Ok(Value::Int(left - right))
}

/// A number of microseconds, as an interval without days.
fn cast_difference(call: &Call<'_>, micros: i64) -> Outcome {
    let positive = cast(&Value::Int(micros.abs()), &Type::Time, &Type::Interval, call.clock)?;
    match positive {
        Value::Text(text) if micros < 0 => act::interval_negate(&text).map(Value::text),
        other => Ok(other),
    }
}

fn age(call: &Call<'_>) -> Outcome {
    if call.len() > 1 {
        return act::age(call.int(0), call.int(1)).map(Value::text);
    }
    const MICROS_PER_DAY: i64 = 86_400_000_000;
    let midnight = call.clock.timestamptz().div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY;
    act::age(midnight, call.int(0)).map(Value::text)
}

fn make_timestamp(call: &Call<'_>) -> Outcome {
    let date = (call.int(0), call.int(1), call.int(2));
    act::make_timestamp(date, (call.int(3), call.int(4), call.float(5))).map(Value::Int)
}
