//! `numeric`: an exact decimal with a scale of its own, or NaN or an infinity. Reading, writing and sizing;
//! `arithmetic` calculates with it.

use std::cmp::Ordering;
use std::fmt;

use bigdecimal::num_bigint::{BigInt, Sign};

use super::fault::{INVALID_TEXT, OUT_OF_RANGE, invalid_syntax, trim};
use crate::error::DatabaseError;

const MAX_SCALE: i64 = 16_383;
const MAX_INTEGER_DIGITS: i64 = 131_072;

/// A `numeric` taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Numeric {
    NaN,
    NegativeInfinity,
    Infinity,
    Finite(Decimal),
}

/// `unscaled / 10^scale`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) unscaled: BigInt,
    pub(crate) scale: i64,
}

impl Numeric {
    /// Reads what PostgreSQL's `numeric_in` reads.
    pub(crate) fn parse(text: &str) -> Result<Self, DatabaseError> {
        let trimmed = trim(text);
        let invalid = || invalid_syntax("numeric", text);
        let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
        if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
            return Ok(if trimmed.starts_with('-') { Self::NegativeInfinity } else { Self::Infinity });
        }
        if trimmed.eq_ignore_ascii_case("nan") {
            return Ok(Self::NaN);
        }
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
            None => (unsigned, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return Err(invalid());
        }
        let exponent = match exponent {
            None => 0,
            Some(text) => parse_exponent(text).ok_or_else(invalid)?,
        };
        let decimal = assemble(whole, fraction, exponent)?;
        Ok(Self::Finite(if trimmed.starts_with('-') { decimal.negate() } else { decimal }))
    }

    /// A canonical text; what cannot be read is NaN, which canonical texts never are by mistake.
    pub(crate) fn of(canonical: &str) -> Self {
        Self::parse(canonical).unwrap_or(Self::NaN)
    }

    pub(crate) fn from_int(value: i64) -> Self {
        Self::Finite(Decimal { unscaled: BigInt::from(value), scale: 0 })
    }

    /// Rounds to a declared size, as an assignment does.
    pub(crate) fn fit(self, size: Option<(u16, i16)>) -> Result<Self, DatabaseError> {
        let Some((precision, scale)) = size else { return Ok(self) };
        let overflow = |detail: String| DatabaseError::new(OUT_OF_RANGE, "numeric field overflow").details(detail);
        let decimal = match self {
            Self::NaN => return Ok(self),
            Self::Infinity | Self::NegativeInfinity => {
                return Err(overflow(format!(
                    "A field with precision {precision}, scale {scale} cannot hold an infinite value."
                )));
            }
            Self::Finite(decimal) => decimal.round(i64::from(scale)),
        };
        let limit = BigInt::from(10).pow(u32::from(precision));
        if decimal.unscaled.magnitude() >= limit.magnitude() {
            let bound = match i32::from(precision) - i32::from(scale) {
                0 => "1".to_owned(),
                power => format!("10^{power}"),
            };
            return Err(overflow(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}."
            )));
        }
        Ok(Self::Finite(decimal.at_least_scale(0)))
    }

    /// Rounds half away from zero; `None` when it is no finite number of 64 bits.
    pub(crate) fn to_int(&self) -> Option<i64> {
        match self {
            Self::NaN | Self::Infinity | Self::NegativeInfinity => None,
            Self::Finite(decimal) => i64::try_from(&decimal.clone().round(0).unscaled).ok(),
        }
    }

    pub(crate) fn to_float(&self) -> f64 {
        match self {
            Self::NaN => f64::NAN,
            Self::Infinity => f64::INFINITY,
            Self::NegativeInfinity => f64::NEG_INFINITY,
            Self::Finite(_) => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    /// PostgreSQL's order: NaN equals itself and is greater than all else.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Finite(left), Self::Finite(right)) => left.compare(right),
            (left, right) => left.rank().cmp(&right.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::NegativeInfinity => 0,
            Self::Finite(_) => 1,
            Self::Infinity => 2,
            Self::NaN => 3,
        }
    }
}

impl Decimal {
    pub(crate) fn negate(self) -> Self {
        Self { unscaled: -self.unscaled, scale: self.scale }
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.unscaled.sign() == Sign::NoSign
    }

    /// Rounds half away from zero to `scale` digits after the point, which may be negative, or adds zeros.
    pub(crate) fn round(self, scale: i64) -> Self {
        if scale >= self.scale {
            return self.at_least_scale(scale);
        }
        let divisor = power_of_ten(self.scale - scale);
        let half = &divisor / 2;
        let unscaled = match self.unscaled.sign() {
            Sign::Minus => (self.unscaled - half) / divisor,
            Sign::NoSign | Sign::Plus => (self.unscaled + half) / divisor,
        };
        Self { unscaled, scale }
    }

    /// Cuts to `scale` digits after the point, towards zero, or adds zeros.
    pub(crate) fn truncate(self, scale: i64) -> Self {
        if scale >= self.scale {
            return self.at_least_scale(scale);
        }
        Self { unscaled: self.unscaled / power_of_ten(self.scale - scale), scale }
    }

    /// Adds zeros until there are `scale` digits after the point.
    pub(crate) fn at_least_scale(self, scale: i64) -> Self {
        if self.scale >= scale {
            return self;
        }
        Self { unscaled: self.unscaled * power_of_ten(scale - self.scale), scale }
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match self.scale.cmp(&other.scale) {
            Ordering::Equal => self.unscaled.cmp(&other.unscaled),
            Ordering::Less => self.clone().at_least_scale(other.scale).unscaled.cmp(&other.unscaled),
            Ordering::Greater => self.unscaled.cmp(&other.clone().at_least_scale(self.scale).unscaled),
        }
    }

    /// Refuses what `numeric` cannot hold.
    pub(crate) fn checked(self) -> Result<Self, DatabaseError> {
        let digits = i64::try_from(self.unscaled.bits()).unwrap_or(i64::MAX) * 30_103 / 100_000;
        if digits - self.scale > MAX_INTEGER_DIGITS || self.scale > MAX_SCALE {
            return Err(overflow());
        }
        Ok(self)
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NaN => out.write_str("NaN"),
            Self::Infinity => out.write_str("Infinity"),
            Self::NegativeInfinity => out.write_str("-Infinity"),
            Self::Finite(decimal) => decimal.fmt(out),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.unscaled.magnitude().to_string();
        if self.unscaled.sign() == Sign::Minus {
            out.write_str("-")?;
        }
        let Ok(scale) = usize::try_from(self.scale) else {
            return write!(out, "{digits}{}", "0".repeat(self.scale.unsigned_abs() as usize));
        };
        if scale == 0 {
            return out.write_str(&digits);
        }
        match digits.len().checked_sub(scale) {
            None | Some(0) => write!(out, "0.{digits:0>scale$}"),
            Some(point) => write!(out, "{}.{}", &digits[..point], &digits[point..]),
        }
    }
}

pub(crate) fn power_of_ten(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}

pub(crate) fn overflow() -> DatabaseError {
    DatabaseError::new(OUT_OF_RANGE, "value overflows numeric format")
}

/// The canonical text of `text`, sized. Most numbers are canonical already and are only looked at.
pub(crate) fn canonical(text: &str, size: Option<(u16, i16)>) -> Result<Box<str>, DatabaseError> {
    if size.is_none() && is_canonical(text) {
        return Ok(text.into());
    }
    Ok(Numeric::parse(text)?.fit(size)?.to_string().into())
}

fn is_canonical(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(whole, part)| (whole, Some(part)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    unsigned.len() < 1_000
        && digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && (unsigned.len() == text.len() || unsigned.bytes().any(|byte| (b'1'..=b'9').contains(&byte)))
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent: i64 = text.parse().ok()?;
    (exponent.abs() < i64::from(i32::MAX) / 2).then_some(exponent)
}

fn assemble(whole: &str, fraction: &str, exponent: i64) -> Result<Decimal, DatabaseError> {
    let digits = format!("{whole}{fraction}");
    let scale = fraction.len() as i64 - exponent;
    let significant = digits.trim_start_matches('0');
    if scale > MAX_SCALE || (!significant.is_empty() && significant.len() as i64 - scale > MAX_INTEGER_DIGITS) {
        return Err(overflow());
    }
    if significant.is_empty() {
        return Ok(Decimal { unscaled: BigInt::ZERO, scale: scale.max(0) });
    }
    let unscaled: BigInt =
        significant.parse().map_err(|_| DatabaseError::new(INVALID_TEXT, "invalid input syntax for type numeric"))?;
    Ok(Decimal { unscaled, scale }.at_least_scale(0))
}
