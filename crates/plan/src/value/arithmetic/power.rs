//! Powers, exponentials and logarithms of `numeric`, by fixed-point series with digits to spare.

use bigdecimal::num_bigint::{BigInt, Sign};

use super::numbers::{MAX_DISPLAY_SCALE, MIN_SIGNIFICANT_DIGITS, leading_group};
use crate::error::DatabaseError;
use crate::value::fault::division_by_zero;
use crate::value::numeric::{Decimal, Numeric, overflow, power_of_ten};

/// Digits kept beyond the wanted ones while summing.
const GUARD: i64 = 12;

/// `base ^ exponent`
pub fn numeric_power(base: &str, exponent: &str) -> Result<String, DatabaseError> {
    let (base, exponent) = (Numeric::parse(base)?, Numeric::parse(exponent)?);
    let (Numeric::Finite(base), Numeric::Finite(exponent)) = (&base, &exponent) else {
        return power_of_special(&base, &exponent);
    };
    let whole = exponent.clone().truncate(0);
    let is_whole = exponent.compare(&whole).is_eq();
    if base.is_zero() && exponent.unscaled.sign() == Sign::Minus {
        return Err(DatabaseError::new("2201F", "zero raised to a negative power is undefined"));
    }
    if base.unscaled.sign() == Sign::Minus && !is_whole {
        let message = "a negative number raised to a non-integer power yields a complex result";
        return Err(DatabaseError::new("2201F", message));
    }
    if base.is_zero() {
        let result = if exponent.is_zero() { 1 } else { 0 };
        return Ok(Decimal { unscaled: result.into(), scale: 0 }.round(MIN_SIGNIFICANT_DIGITS).to_string());
    }
    let estimate = log10_estimate(base) * Numeric::Finite(exponent.clone()).to_float();
    if estimate > 131_072.0 {
        return Err(overflow());
    }
    if is_whole && let Ok(times) = i32::try_from(&whole.unscaled) {
        let scale = MIN_SIGNIFICANT_DIGITS.max(base.scale).min(MAX_DISPLAY_SCALE);
        return Ok(whole_power(base, times, scale).checked()?.to_string());
    }
    let least = base.scale.max(exponent.scale);
    let scale = (MIN_SIGNIFICANT_DIGITS - estimate as i64).max(least).clamp(0, MAX_DISPLAY_SCALE);
    let digits = scale + estimate.abs() as i64 + GUARD;
    let logarithm = ln_fixed(base, digits) * &exponent.unscaled / power_of_ten(exponent.scale);
    Ok(Decimal { unscaled: exp_fixed(&logarithm, digits), scale: digits }.round(scale).to_string())
}

fn power_of_special(base: &Numeric, exponent: &Numeric) -> Result<String, DatabaseError> {
    let (base, exponent) = (base.to_float(), exponent.to_float());
    let result = if base == 1.0 || exponent == 0.0 { 1.0 } else { base.powf(exponent) };
    Ok(crate::value::cast::float_to_numeric(result, 15).to_string())
}

fn log10_estimate(number: &Decimal) -> f64 {
    let digits = number.unscaled.magnitude().to_string();
    let leading: f64 = digits[..digits.len().min(17)].parse().unwrap_or(1.0);
    leading.log10() + digits.len().saturating_sub(17) as f64 - number.scale as f64
}

/// A power by squaring; a negative one is the reciprocal.
fn whole_power(base: &Decimal, times: i32, scale: i64) -> Decimal {
    let limit = scale + GUARD + 20;
    let mut result = Decimal { unscaled: 1.into(), scale: 0 };
    let mut square = base.clone();
    let mut left = times.unsigned_abs();
    // A reciprocal needs as many digits of the power as it has itself, whatever the power's size.
    let keep = |number: Decimal| {
        let digits = number.unscaled.bits() as i64 * 30_103 / 100_000;
        let wanted = (number.scale - digits + limit * 2).max(limit);
        if number.scale > wanted { number.round(wanted) } else { number }
    };
    while left > 0 {
        if left & 1 == 1 {
            result = keep(Decimal { unscaled: result.unscaled * &square.unscaled, scale: result.scale + square.scale });
        }
        left >>= 1;
        if left > 0 {
            square = keep(Decimal { unscaled: &square.unscaled * &square.unscaled, scale: square.scale * 2 });
        }
    }
    if times >= 0 {
        return result.round(scale);
    }
    super::numbers::divide_to_scale(&Decimal { unscaled: 1.into(), scale: 0 }, &result, scale)
}

/// `exp(number)`
pub fn numeric_exp(number: &str) -> Result<String, DatabaseError> {
    let decimal = match Numeric::parse(number)? {
        Numeric::NegativeInfinity => return Ok("0".to_owned()),
        Numeric::Finite(decimal) => decimal,
        other @ (Numeric::NaN | Numeric::Infinity) => return Ok(other.to_string()),
    };
    let estimate = Numeric::Finite(decimal.clone()).to_float() * std::f64::consts::LOG10_E;
    let value = Numeric::Finite(decimal.clone()).to_float();
    if value >= 6_000.0 {
        return Err(overflow());
    }
    let scale = (MIN_SIGNIFICANT_DIGITS - estimate.max(-2_000.0) as i64).max(decimal.scale).clamp(0, MAX_DISPLAY_SCALE);
    let digits = scale + estimate.abs() as i64 + GUARD;
    let power = exp_fixed(&decimal.round(digits).unscaled, digits);
    Ok(Decimal { unscaled: power, scale: digits }.round(scale).to_string())
}

/// `ln(number)`
pub fn numeric_ln(number: &str) -> Result<String, DatabaseError> {
    let decimal = match positive(number)? {
        Ok(decimal) => decimal,
        Err(special) => return Ok(special.to_string()),
    };
    let scale = (MIN_SIGNIFICANT_DIGITS - ln_weight(&decimal)).max(decimal.scale).clamp(0, MAX_DISPLAY_SCALE);
    let digits = scale + GUARD;
    Ok(Decimal { unscaled: ln_fixed(&decimal, digits), scale: digits }.round(scale).to_string())
}

/// `log(base, number)`; `log(number)` has the base 10.
pub fn numeric_log(base: &str, number: &str) -> Result<String, DatabaseError> {
    let (base, decimal) = match (positive(base)?, positive(number)?) {
        (Ok(base), Ok(decimal)) => (base, decimal),
        (Err(special), _) | (_, Err(special)) => return Ok(special.to_string()),
    };
    let digits = MIN_SIGNIFICANT_DIGITS + base.scale.max(decimal.scale) + GUARD + 20;
    let below = ln_fixed(&base, digits);
    if below.sign() == Sign::NoSign {
        return Err(division_by_zero());
    }
    let quotient = Decimal { unscaled: ln_fixed(&decimal, digits) * power_of_ten(digits) / below, scale: digits };
    let weight = ln_weight(&decimal) - ln_weight(&base);
    let scale = (MIN_SIGNIFICANT_DIGITS - weight).max(base.scale).max(decimal.scale).clamp(0, MAX_DISPLAY_SCALE);
    Ok(quotient.round(scale).to_string())
}

/// A number whose logarithm can be calculated, or the one that is its own.
fn positive(text: &str) -> Result<Result<Decimal, Numeric>, DatabaseError> {
    let number = Numeric::parse(text)?;
    let negative = || DatabaseError::new("2201E", "cannot take logarithm of a negative number");
    match number {
        Numeric::NegativeInfinity => Err(negative()),
        Numeric::Finite(decimal) => match decimal.unscaled.sign() {
            Sign::Minus => Err(negative()),
            Sign::NoSign => Err(DatabaseError::new("2201E", "cannot take logarithm of zero")),
            Sign::Plus => Ok(Ok(decimal)),
        },
        special @ (Numeric::NaN | Numeric::Infinity) => Ok(Err(special)),
    }
}

/// The decimal weight of a logarithm, as PostgreSQL estimates it.
fn ln_weight(number: &Decimal) -> i64 {
    let logarithm = log10_estimate(number) * std::f64::consts::LN_10;
    if (-0.105_360_515..=0.095_310_180).contains(&logarithm) {
        let one = Decimal { unscaled: power_of_ten(number.scale), scale: number.scale };
        let (weight, group) =
            leading_group(&Decimal { unscaled: &number.unscaled - one.unscaled, scale: number.scale });
        return weight * 4 + (group.abs().max(1) as f64).log10() as i64;
    }
    logarithm.abs().log10() as i64
}

/// `ln(number) * 10^digits`: the leading digits by the series, the power of ten by a multiple of `ln(10)`.
fn ln_fixed(number: &Decimal, digits: i64) -> BigInt {
    let wide = digits + 10;
    let one = power_of_ten(wide);
    let places = number.unscaled.magnitude().to_string().len() as i64 - 1;
    let mut value = Decimal { unscaled: number.unscaled.clone(), scale: places }.round(wide).unscaled;
    let mut doublings = 0;
    while value > &one * 4 / 3 {
        value /= 2;
        doublings += 1;
    }
    let ln_two = ln_near_one(&(&one * 2 / 3), &one) * -1 + ln_near_one(&(&one * 4 / 3), &one);
    let ln_ten: BigInt = &ln_two * 3 + ln_near_one(&(&one * 5 / 4), &one);
    let sum = ln_near_one(&value, &one) + ln_two * doublings + ln_ten * (places - number.scale);
    Decimal { unscaled: sum, scale: wide }.round(digits).unscaled
}

/// The logarithm of a fixed-point number near 1, by the series of the area hyperbolic tangent.
fn ln_near_one(value: &BigInt, one: &BigInt) -> BigInt {
    let ratio = (value - one) * one / (value + one);
    let square = &ratio * &ratio / one;
    let (mut term, mut sum, mut odd) = (ratio.clone(), ratio, 1);
    loop {
        term = term * &square / one;
        odd += 2;
        let part: BigInt = &term / odd;
        if part.sign() == Sign::NoSign {
            return sum * 2;
        }
        sum += part;
    }
}

/// `exp(value / 10^digits) * 10^digits`, by Taylor's series on a halved argument and squaring.
fn exp_fixed(value: &BigInt, digits: i64) -> BigInt {
    let wide = digits + 20;
    let one = power_of_ten(wide);
    let mut reduced = value * power_of_ten(20);
    let mut halvings = 0;
    while reduced.magnitude() * 8u32 > *one.magnitude() {
        reduced /= 2;
        halvings += 1;
    }
    let (mut term, mut sum, mut count) = (one.clone(), one.clone(), 0);
    loop {
        count += 1;
        term = term * &reduced / &one / count;
        if term.sign() == Sign::NoSign {
            break;
        }
        sum += &term;
    }
    for _ in 0..halvings {
        sum = &sum * &sum / &one;
    }
    Decimal { unscaled: sum, scale: wide }.round(digits).unscaled
}
