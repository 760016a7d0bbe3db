//! Arithmetic with PostgreSQL's ranges and errors.

use roadbed_plan::value::arithmetic::{
    self, Arithmetic, float_arithmetic, int_abs, int_arithmetic, int_negate, numeric_arithmetic,
};
use roadbed_plan::{DatabaseError, Type, Value};
use rusqlite::Connection;
use rusqlite::functions::Context;
use rusqlite::types::{Value as SqlValue, ValueRef};

use super::call::{Call, Function, Outcome, read, seeing_nulls, strict};
use super::{PURE, answer};

/// The operators; SQLite knows them as `int4_add`, `numeric_divide`, ….
const OPERATORS: &[(&str, Arithmetic)] = &[
    ("add", Arithmetic::Add),
    ("divide", Arithmetic::Divide),
    ("modulo", Arithmetic::Modulo),
    ("multiply", Arithmetic::Multiply),
    ("subtract", Arithmetic::Subtract),
];

pub(super) const FUNCTIONS: &[Function] = &[
    strict("abs", abs),
    strict("bit_and", |call| Ok(Value::Int(call.int(0) & call.int(1)))),
    strict("bit_not", |call| Ok(Value::Int(!call.int(0)))),
    strict("bit_or", |call| Ok(Value::Int(call.int(0) | call.int(1)))),
    strict("bit_xor", |call| Ok(Value::Int(call.int(0) ^ call.int(1)))),
    strict("cbrt", |call| Ok(Value::Float(call.float(0).cbrt()))),
    strict("ceil", ceil),
    strict("ceiling", ceil),
    strict("degrees", |call| Ok(Value::Float(call.float(0).to_degrees()))),
    strict("div", |call| {
        // Less its remainder the dividend divides evenly, so no rounding takes part.
        let remainder = numeric_arithmetic(Arithmetic::Modulo, call.text(0), call.text(1))?;
        let dividend = numeric_arithmetic(Arithmetic::Subtract, call.text(0), &remainder)?;
        let quotient = numeric_arithmetic(Arithmetic::Divide, &dividend, call.text(1))?;
        arithmetic::numeric_trunc(&quotient, 0).map(Value::text)
    }),
    strict("exp", |call| function(call, f64::exp, arithmetic::numeric_exp)),
    strict("floor", floor),
    seeing_nulls("limit", |call| match call.arg(0) {
        // SQLite has no null here; what is negative is no limit to it.
        Value::Null => Ok(Value::Int(-1)),
        _ if call.int(0) < 0 => Err(DatabaseError::new("2201W", "LIMIT must not be negative")),
        _ => Ok(Value::Int(call.int(0))),
    }),
    strict("ln", |call| {
        positive(call)?;
        function(call, f64::ln, arithmetic::numeric_ln)
    }),
    strict("log", |call| {
        positive(call)?;
        match call.len() {
            2 => arithmetic::numeric_log(call.text(0), call.text(1)).map(Value::text),
            _ => function(call, f64::log10, |text| arithmetic::numeric_log("10", text)),
        }
    }),
    strict("mod", |call| calculate(Arithmetic::Modulo, call.arg(0), call.arg(1), call.ty(0))),
    strict("negate", negate),
    seeing_nulls("offset", |call| match call.int(0) {
        ..0 => Err(DatabaseError::new("2201X", "OFFSET must not be negative")),
        rows => Ok(Value::Int(rows)),
    }),
    strict("pi", |_| Ok(Value::Float(std::f64::consts::PI))),
    strict("pow", power),
    strict("power", power),
    strict("radians", |call| Ok(Value::Float(call.float(0).to_radians()))),
    strict("round", |call| match call.arg(0) {
        Value::Text(text) => arithmetic::numeric_round(text, call.int(1)).map(Value::text),
        _ => Ok(Value::Float(call.float(0).round_ties_even())),
    }),
    strict("shift_left", |call| Ok(shifted(call, true))),
    strict("shift_right", |call| Ok(shifted(call, false))),
    strict("sign", |call| function(call, sign_of_float, arithmetic::numeric_sign)),
    strict("sqrt", |call| {
        if call.float(0) < 0.0 || call.text(0).starts_with('-') {
            return Err(DatabaseError::new("2201F", "cannot take square root of a negative number"));
        }
        function(call, f64::sqrt, arithmetic::numeric_sqrt)
    }),
    strict("trunc", |call| match call.arg(0) {
        Value::Text(text) => arithmetic::numeric_trunc(text, call.int(1)).map(Value::text),
        _ => Ok(Value::Float(call.float(0).trunc())),
    }),
];

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let types = [
        ("int2", Type::Int2),
        ("int4", Type::Int4),
        ("int8", Type::Int8),
        ("float4", Type::Float4),
        ("float8", Type::Float8),
        ("numeric", Type::Numeric(None)),
    ];
    for (prefix, ty) in types {
        for (name, operator) in OPERATORS {
            let ty = ty.clone();
            connection.create_scalar_function(
                format!("{prefix}_{name}").as_str(),
                2,
                PURE,
                move |ctx: &Context<'_>| {
                    if ctx.get_raw(0) == ValueRef::Null || ctx.get_raw(1) == ValueRef::Null {
                        return Ok(SqlValue::Null);
                    }
                    let (left, right) = (read(ctx.get_raw(0), &ty)?, read(ctx.get_raw(1), &ty)?);
                    answer(calculate(*operator, &left, &right, &ty))
                },
            )?;
        }
    }
    Ok(())
}

fn calculate(operator: Arithmetic, left: &Value, right: &Value, ty: &Type) -> Outcome {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int_arithmetic(operator, *left, *right, ty.base()).map(Value::Int),
        (Value::Text(left), Value::Text(right)) => numeric_arithmetic(operator, left, right).map(Value::text),
        (Value::Float(left), Value::Float(right)) => {
            let result = float_arithmetic(operator, *left, *right)?;
            if *ty.base() == Type::Float4 { narrow(result) } else { Ok(Value::Float(result)) }
        }
        _ => Ok(Value::Null),
    }
}

fn narrow(float: f64) -> Outcome {
    roadbed_plan::value::cast(&Value::Float(float), &Type::Float8, &Type::Float4, &roadbed_plan::Clock::System)
}

fn abs(call: &Call<'_>) -> Outcome {
    match call.arg(0) {
        Value::Int(int) => int_abs(*int, call.ty(0).base()).map(Value::Int),
        Value::Text(text) => arithmetic::numeric_abs(text).map(Value::text),
        _ => Ok(Value::Float(call.float(0).abs())),
    }
}

fn negate(call: &Call<'_>) -> Outcome {
    match (call.arg(0), call.ty(0).base()) {
        (Value::Int(int), ty) => int_negate(*int, ty).map(Value::Int),
        (Value::Text(text), Type::Interval) => arithmetic::interval_negate(text).map(Value::text),
        (Value::Text(text), _) => arithmetic::numeric_negate(text).map(Value::text),
        _ => Ok(Value::Float(-call.float(0))),
    }
}

fn ceil(call: &Call<'_>) -> Outcome {
    function(call, f64::ceil, arithmetic::numeric_ceil)
}

fn floor(call: &Call<'_>) -> Outcome {
    function(call, f64::floor, arithmetic::numeric_floor)
}

fn sign_of_float(float: f64) -> f64 {
    if float == 0.0 || float.is_nan() { float } else { float.signum() }
}

/// A function of one number, for floats or exact.
fn function(
    call: &Call<'_>,
    of_float: fn(f64) -> f64,
    of_numeric: fn(&str) -> Result<String, DatabaseError>,
) -> Outcome {
    match call.arg(0) {
        Value::Text(text) => of_numeric(text).map(Value::text),
        _ => {
            let (argument, result) = (call.float(0), of_float(call.float(0)));
            if result.is_infinite() && argument.is_finite() {
                return Err(DatabaseError::new("22003", "value out of range: overflow"));
            }
            Ok(Value::Float(result))
        }
    }
}

fn positive(call: &Call<'_>) -> Result<(), DatabaseError> {
    for (index, arg) in call.args.iter().enumerate() {
        let (zero, negative) = match arg {
            Value::Text(text) => {
                let negative = text.starts_with('-');
                (!negative && text.bytes().all(|byte| matches!(byte, b'0' | b'.')), negative)
            }
            _ => (call.float(index) == 0.0, call.float(index) < 0.0),
        };
        if zero {
            return Err(DatabaseError::new("2201E", "cannot take logarithm of zero"));
        }
        if negative {
            return Err(DatabaseError::new("2201E", "cannot take logarithm of a negative number"));
        }
    }
    Ok(())
}

fn power(call: &Call<'_>) -> Outcome {
    if let (Value::Text(base), Value::Text(exponent)) = (call.arg(0), call.arg(1)) {
        return arithmetic::numeric_power(base, exponent).map(Value::text);
    }
    let (base, exponent) = (call.float(0), call.float(1));
    if base == 0.0 && exponent < 0.0 {
        return Err(DatabaseError::new("2201F", "zero raised to a negative power is undefined"));
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        let message = "a negative number raised to a non-integer power yields a complex result";
        return Err(DatabaseError::new("2201F", message));
    }
    let result = base.powf(exponent);
    if result.is_infinite() && base.is_finite() && exponent.is_finite() {
        return Err(DatabaseError::new("22003", "value out of range: overflow"));
    }
    Ok(Value::Float(result))
}

fn shifted(call: &Call<'_>, left: bool) -> Value {
    let (int, by) = (call.int(0), call.int(1) as u32);
    Value::Int(match (call.ty(0).base(), left) {
        (Type::Int2, true) => i64::from((int as i32).wrapping_shl(by) as i16),
        (Type::Int4, true) => i64::from((int as i32).wrapping_shl(by)),
        (Type::Int2 | Type::Int4, false) => i64::from((int as i32).wrapping_shr(by)),
        (_, true) => int.wrapping_shl(by),
        (_, false) => int.wrapping_shr(by),
    })
}
