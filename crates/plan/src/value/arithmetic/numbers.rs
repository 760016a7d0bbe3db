//! Integers, floats and exact numbers.

use std::cmp::Ordering;

use bigdecimal::num_bigint::{BigInt, Sign};

use crate::error::DatabaseError;
use crate::value::Type;
use crate::value::cast::int_in_range;
use crate::value::fault::{OUT_OF_RANGE, division_by_zero};
use crate::value::numeric::{Decimal, Numeric, power_of_ten};

/// The digits that a quotient or root has at least.
pub(super) const MIN_SIGNIFICANT_DIGITS: i64 = 16;
/// The digits after the point that a quotient or root has at most.
pub(super) const MAX_DISPLAY_SCALE: i64 = 1_000;
/// The largest scale that `round` and `trunc` are given.
const MAX_RESULT_SCALE: i64 = 2_000;

/// An operator on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// Calculates within the integer type `ty`.
pub fn int_arithmetic(operator: Arithmetic, left: i64, right: i64, ty: &Type) -> Result<i64, DatabaseError> {
    if right == 0 && matches!(operator, Arithmetic::Divide | Arithmetic::Modulo) {
        return Err(division_by_zero());
    }
    let result = match operator {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Modulo => Some(left.wrapping_rem(right)),
    };
    int_in_range(result, ty)
}

pub fn int_negate(value: i64, ty: &Type) -> Result<i64, DatabaseError> {
    int_in_range(value.checked_neg(), ty)
}

pub fn int_abs(value: i64, ty: &Type) -> Result<i64, DatabaseError> {
    int_in_range(value.checked_abs(), ty)
}

/// Calculates with `float8`.
pub fn float_arithmetic(operator: Arithmetic, left: f64, right: f64) -> Result<f64, DatabaseError> {
    let result = match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide if right == 0.0 && !left.is_nan() => return Err(division_by_zero()),
        Arithmetic::Divide => left / right,
        Arithmetic::Modulo => left % right,
    };
    if result.is_infinite() && left.is_finite() && right.is_finite() {
        return Err(DatabaseError::new(OUT_OF_RANGE, "value out of range: overflow"));
    }
    let shrinks = matches!(operator, Arithmetic::Multiply | Arithmetic::Divide);
    if shrinks && result == 0.0 && left != 0.0 && right != 0.0 && right.is_finite() {
        return Err(DatabaseError::new(OUT_OF_RANGE, "value out of range: underflow"));
    }
    Ok(result)
}

/// PostgreSQL's order of floats: NaN equals itself and is greater than all else.
pub fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// PostgreSQL's order of numerics: NaN equals itself and is greater than all else.
pub fn compare_numerics(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    match (digits_of(left), digits_of(right)) {
        (Some((false, left)), Some((false, right))) => compare_digits(left, right),
        (Some((true, left)), Some((true, right))) => compare_digits(right, left),
        (Some((left_negative, _)), Some(_)) if left_negative => Ordering::Less,
        (Some(_), Some(_)) => Ordering::Greater,
        _ => Numeric::of(left).compare(&Numeric::of(right)),
    }
}

/// Whether a canonical number is negative, and its digits; `None` for NaN and the infinities.
fn digits_of(text: &str) -> Option<(bool, &str)> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let plain = digits.starts_with(|c: char| c.is_ascii_digit()) && !digits.contains(['e', 'E']);
    plain.then_some((negative, digits))
}

/// Compares canonical digits as they stand: sorting must not build a number for every comparison.
fn compare_digits(left: &str, right: &str) -> Ordering {
    let (left_whole, left_part) = left.split_once('.').unwrap_or((left, ""));
    let (right_whole, right_part) = right.split_once('.').unwrap_or((right, ""));
    let whole = left_whole.len().cmp(&right_whole.len()).then_with(|| left_whole.cmp(right_whole));
    whole.then_with(|| left_part.trim_end_matches('0').cmp(right_part.trim_end_matches('0')))
}

/// Calculates with `numeric`.
pub fn numeric_arithmetic(operator: Arithmetic, left: &str, right: &str) -> Result<String, DatabaseError> {
    let (left, right) = (Numeric::parse(left)?, Numeric::parse(right)?);
    calculate(operator, left, right).map(|result| result.to_string())
}

/// The quotient that `avg` gives: a sum divided by a count.
pub fn numeric_average(sum: &str, count: i64) -> Result<String, DatabaseError> {
    calculate(Arithmetic::Divide, Numeric::parse(sum)?, Numeric::from_int(count)).map(|result| result.to_string())
}

pub(super) fn calculate(operator: Arithmetic, left: Numeric, right: Numeric) -> Result<Numeric, DatabaseError> {
    let (left, right) = match (left, right) {
        (Numeric::Finite(left), Numeric::Finite(right)) => (left, right),
        (left, right) => return special(operator, &left, &right),
    };
    let scale = left.scale.max(right.scale);
    let result = match operator {
        Arithmetic::Add => {
            Decimal { unscaled: left.at_least_scale(scale).unscaled + right.at_least_scale(scale).unscaled, scale }
        }
        Arithmetic::Subtract => {
            Decimal { unscaled: left.at_least_scale(scale).unscaled - right.at_least_scale(scale).unscaled, scale }
        }
        Arithmetic::Multiply => {
            Decimal { scale: left.scale + right.scale, unscaled: left.unscaled * right.unscaled }.limit_scale()
        }
        Arithmetic::Divide => divide(&left, &right)?,
        Arithmetic::Modulo if right.is_zero() => return Err(division_by_zero()),
        Arithmetic::Modulo => {
            Decimal { unscaled: left.at_least_scale(scale).unscaled % right.at_least_scale(scale).unscaled, scale }
        }
    };
    result.checked().map(Numeric::Finite)
}

impl Decimal {
    fn limit_scale(self) -> Self {
        if self.scale > 16_383 { self.round(16_383) } else { self }
    }
}

/// Calculations with NaN or an infinity.
fn special(operator: Arithmetic, left: &Numeric, right: &Numeric) -> Result<Numeric, DatabaseError> {
    if *left == Numeric::NaN || *right == Numeric::NaN {
        return Ok(Numeric::NaN);
    }
    let infinity = |negative: bool| if negative { Numeric::NegativeInfinity } else { Numeric::Infinity };
    let (left_infinite, right_infinite) = (!matches!(left, Numeric::Finite(_)), !matches!(right, Numeric::Finite(_)));
    let (left_sign, right_sign) = (sign_of(left), sign_of(right));
    Ok(match operator {
        Arithmetic::Add if left_infinite && right_infinite && left_sign != right_sign => Numeric::NaN,
        Arithmetic::Subtract if left_infinite && right_infinite && left_sign == right_sign => Numeric::NaN,
        Arithmetic::Add => infinity(if left_infinite { left_sign < 0 } else { right_sign < 0 }),
        Arithmetic::Subtract => infinity(if left_infinite { left_sign < 0 } else { right_sign > 0 }),
        Arithmetic::Multiply if left_sign == 0 || right_sign == 0 => Numeric::NaN,
        Arithmetic::Multiply => infinity(left_sign * right_sign < 0),
        Arithmetic::Divide | Arithmetic::Modulo if left_infinite && right_infinite => Numeric::NaN,
        Arithmetic::Divide | Arithmetic::Modulo if left_infinite && right_sign == 0 => return Err(division_by_zero()),
        Arithmetic::Divide if left_infinite => infinity(left_sign * right_sign < 0),
        Arithmetic::Divide => Numeric::from_int(0),
        Arithmetic::Modulo if left_infinite => Numeric::NaN,
        Arithmetic::Modulo => left.clone(),
    })
}

fn sign_of(number: &Numeric) -> i8 {
    match number {
        Numeric::NegativeInfinity => -1,
        Numeric::NaN | Numeric::Infinity => 1,
        Numeric::Finite(decimal) => match decimal.unscaled.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        },
    }
}

fn divide(left: &Decimal, right: &Decimal) -> Result<Decimal, DatabaseError> {
    if right.is_zero() {
        return Err(division_by_zero());
    }
    Ok(divide_to_scale(left, right, quotient_scale(left, right)))
}

/// The quotient, rounded half away from zero to `scale` digits after the point.
pub(super) fn divide_to_scale(left: &Decimal, right: &Decimal, scale: i64) -> Decimal {
    let shift = scale + right.scale - left.scale;
    let numerator = &left.unscaled * power_of_ten(shift.max(0)) * 2;
    let denominator = &right.unscaled * power_of_ten((-shift).max(0));
    let doubled: BigInt = numerator / &denominator;
    let unscaled = match doubled.sign() {
        Sign::Minus => (doubled - 1) / 2,
        Sign::NoSign | Sign::Plus => (doubled + 1) / 2,
    };
    Decimal { unscaled, scale }
}

/// The scale PostgreSQL chooses for a quotient: at least 16 significant digits, counted in groups of four.
fn quotient_scale(left: &Decimal, right: &Decimal) -> i64 {
    let ((left_weight, left_first), (right_weight, right_first)) = (leading_group(left), leading_group(right));
    let weight = left_weight - right_weight - i64::from(left_first <= right_first);
    let scale = MIN_SIGNIFICANT_DIGITS - weight * 4;
    scale.max(left.scale).max(right.scale).clamp(0, MAX_DISPLAY_SCALE)
}

/// The power of 10000 of the leading group of four digits, and the group.
pub(super) fn leading_group(number: &Decimal) -> (i64, i64) {
    if number.is_zero() {
        return (0, 0);
    }
    let digits = number.unscaled.magnitude().to_string();
    let exponent = digits.len() as i64 - 1 - number.scale;
    let weight = exponent.div_euclid(4);
    let count = (exponent - weight * 4 + 1) as usize;
    let group = format!("{digits:0<4}");
    (weight, group[..count].parse().unwrap_or(0))
}

fn each_finite(text: &str, change: impl FnOnce(Decimal) -> Decimal) -> Result<String, DatabaseError> {
    let changed = match Numeric::parse(text)? {
        Numeric::Finite(decimal) => Numeric::Finite(change(decimal).checked()?),
        other => other,
    };
    Ok(changed.to_string())
}

pub fn numeric_negate(text: &str) -> Result<String, DatabaseError> {
    Ok(match Numeric::parse(text)? {
        Numeric::NaN => Numeric::NaN,
        Numeric::Infinity => Numeric::NegativeInfinity,
        Numeric::NegativeInfinity => Numeric::Infinity,
        Numeric::Finite(decimal) => Numeric::Finite(decimal.negate()),
    }
    .to_string())
}

pub fn numeric_abs(text: &str) -> Result<String, DatabaseError> {
    Ok(Numeric::parse(text)?.to_string().trim_start_matches('-').to_owned())
}

/// `round(text, scale)`: half away from zero.
pub fn numeric_round(text: &str, scale: i64) -> Result<String, DatabaseError> {
    let scale = scale.clamp(-MAX_RESULT_SCALE, MAX_RESULT_SCALE);
    each_finite(text, |decimal| resize(decimal, scale, Decimal::round))
}

/// `trunc(text, scale)`: towards zero.
pub fn numeric_trunc(text: &str, scale: i64) -> Result<String, DatabaseError> {
    let scale = scale.clamp(-MAX_RESULT_SCALE, MAX_RESULT_SCALE);
    each_finite(text, |decimal| resize(decimal, scale, Decimal::truncate))
}

fn resize(decimal: Decimal, scale: i64, cut: fn(Decimal, i64) -> Decimal) -> Decimal {
    cut(decimal, scale).at_least_scale(0)
}

pub fn numeric_ceil(text: &str) -> Result<String, DatabaseError> {
    each_finite(text, |decimal| step(&decimal, Sign::Plus))
}

pub fn numeric_floor(text: &str) -> Result<String, DatabaseError> {
    each_finite(text, |decimal| step(&decimal, Sign::Minus))
}

/// The next whole number in a direction.
fn step(decimal: &Decimal, direction: Sign) -> Decimal {
    let mut whole = decimal.clone().truncate(0);
    if decimal.unscaled.sign() == direction && whole.compare(decimal) != Ordering::Equal {
        whole.unscaled += if direction == Sign::Plus { 1 } else { -1 };
    }
    whole
}

pub fn numeric_sign(text: &str) -> Result<String, DatabaseError> {
    match Numeric::parse(text)? {
        Numeric::NaN => Ok("NaN".to_owned()),
        number => Ok(sign_of(&number).to_string()),
    }
}

pub fn numeric_sqrt(text: &str) -> Result<String, DatabaseError> {
    let number = Numeric::parse(text)?;
    if sign_of(&number) < 0 {
        return Err(DatabaseError::new("2201F", "cannot take square root of a negative number"));
    }
    let Numeric::Finite(decimal) = number else { return Ok(number.to_string()) };
    let weight = (leading_group(&decimal).0 + 1) * 4 / 2 - 1;
    let scale = (MIN_SIGNIFICANT_DIGITS - weight).max(decimal.scale).clamp(0, MAX_DISPLAY_SCALE);
    // One digit more than wanted, so that the last can be rounded.
    let wide = decimal.round(2 * scale + 2);
    let root = Decimal { unscaled: wide.unscaled.sqrt(), scale: scale + 1 };
    Ok(root.round(scale).to_string())
}
