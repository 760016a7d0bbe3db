//! From canonical values to text, as PostgreSQL's output functions write it with `DateStyle` ISO and the zone UTC.

use super::array::write_array;
use super::calendar::{Civil, DATE_EARLY, DATE_LATE, DayTime, TIMESTAMP_EARLY, TIMESTAMP_LATE, split_timestamp};
use super::{Type, Value};

/// PostgreSQL's text of a value; null is empty.
pub fn to_text(value: &Value, ty: &Type) -> String {
    let mut out = Vec::new();
    write_text(&mut out, value, ty);
    // Only bytes that were handed in as text could fail to be text.
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Writes what [`to_text`] returns.
pub fn write_text(out: &mut Vec<u8>, value: &Value, ty: &Type) {
    let ty = ty.base();
    match value {
        Value::Null => {}
        Value::Bool(value) => out.push(if *value { b't' } else { b'f' }),
        Value::Int(value) => match ty {
            Type::Bool => out.push(if *value != 0 { b't' } else { b'f' }),
            Type::Date => write_date(out, *value),
            Type::Time => write_time(out, *value),
            Type::Timestamp => write_timestamp(out, *value, b' ', ""),
            Type::Timestamptz => write_timestamp(out, *value, b' ', "+00"),
            Type::Float4 => write_float4(out, *value as f32),
            Type::Float8 => write_float8(out, *value as f64),
            _ => write_int(out, *value),
        },
        Value::Float(value) if *ty == Type::Float4 => write_float4(out, *value as f32),
        Value::Float(value) => write_float8(out, *value),
        Value::Text(text) => match ty {
            Type::Array(item) => write_array(out, text, item),
            _ => out.extend_from_slice(text.as_bytes()),
        },
        Value::Bytes(bytes) => {
            out.extend_from_slice(b"\\x");
            write_hex(out, bytes);
        }
    }
}

pub(crate) fn write_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(crate) fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// `2024-01-02`; days since 2000-01-01.
pub(crate) fn write_date(out: &mut Vec<u8>, days: i64) {
    match days {
        DATE_EARLY => out.extend_from_slice(b"-infinity"),
        DATE_LATE => out.extend_from_slice(b"infinity"),
        days => {
            let date = Civil::from_days(days);
            write_civil(out, date);
            write_era(out, date);
        }
    }
}

/// `03:04:05.678`; microseconds since midnight.
pub(crate) fn write_time(out: &mut Vec<u8>, micros: i64) {
    let time = DayTime::from_micros(micros);
    write_two(out, time.hour);
    out.push(b':');
    write_two(out, time.minute);
    out.push(b':');
    write_two(out, time.second);
    write_fraction(out, time.micro);
}

/// A timestamp with `separator` between date and time and `zone` after them.
pub(crate) fn write_timestamp(out: &mut Vec<u8>, micros: i64, separator: u8, zone: &str) {
    match micros {
        TIMESTAMP_EARLY => out.extend_from_slice(b"-infinity"),
        TIMESTAMP_LATE => out.extend_from_slice(b"infinity"),
        micros => {
            let (days, time) = split_timestamp(micros);
            let date = Civil::from_days(days);
            write_civil(out, date);
            out.push(separator);
            write_time(out, time);
            out.extend_from_slice(zone.as_bytes());
            write_era(out, date);
        }
    }
}

fn write_civil(out: &mut Vec<u8>, date: Civil) {
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    if year > 9_999 {
        write_int(out, year);
    } else {
        write_two(out, year / 100);
        write_two(out, year % 100);
    }
    out.push(b'-');
    write_two(out, date.month);
    out.push(b'-');
    write_two(out, date.day);
}

fn write_era(out: &mut Vec<u8>, date: Civil) {
    if date.year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

fn write_two(out: &mut Vec<u8>, value: i64) {
    out.push(b'0' + (value / 10) as u8);
    out.push(b'0' + (value % 10) as u8);
}

/// `.678`, or nothing; microseconds below a second.
pub(crate) fn write_fraction(out: &mut Vec<u8>, micros: i64) {
    if micros == 0 {
        return;
    }
    let mut digits = [b'0'; 6];
    let mut rest = micros;
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    let kept = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(&digits[..kept]);
}

pub(crate) fn write_float8(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        out.extend_from_slice(non_finite(value));
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    let bits = value.to_bits();
    let binary = Binary { mantissa: (bits & ((1 << 52) - 1)) | 1 << 52, exponent: (bits >> 52 & 0x7ff) as i32 - 1_075 };
    if value.abs() >= BOUNDARY_FROM_8 && binary.has_boundary(shortest) {
        write_shortest(out, &inside(value, |text| text.parse() == Ok(value), &binary), 15);
    } else {
        write_shortest(out, shortest, 15);
    }
}

pub(crate) fn write_float4(out: &mut Vec<u8>, value: f32) {
    if !value.is_finite() {
        out.extend_from_slice(non_finite(value.into()));
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    let bits = u64::from(value.to_bits());
    let binary = Binary { mantissa: (bits & ((1 << 23) - 1)) | 1 << 23, exponent: (bits >> 23 & 0xff) as i32 - 150 };
    if value.abs() >= BOUNDARY_FROM_4 && binary.has_boundary(shortest) {
        write_shortest(out, &inside(value.into(), |text| text.parse() == Ok(value), &binary), 6);
    } else {
        write_shortest(out, shortest, 6);
    }
}

/// From here on a number's shortest digits may stand exactly between two floats. Such digits read back as the
/// number only when ties go to even, on which PostgreSQL does not rely: it writes more digits.
const BOUNDARY_FROM_8: f64 = 9_007_199_254_740_992.0;
const BOUNDARY_FROM_4: f32 = 16_777_216.0;

/// `mantissa * 2^exponent`
struct Binary {
    mantissa: u64,
    exponent: i32,
}

impl Binary {
    /// Whether a decimal text is exactly half way to a neighbour of this float.
    fn has_boundary(&self, decimal: &str) -> bool {
        let (mantissa, exponent) = decimal.trim_start_matches('-').split_once('e').unwrap_or((decimal, "0"));
        let (whole, fraction) = mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits =
            whole.bytes().chain(fraction.bytes()).fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
        let exponent = exponent.parse::<i32>().unwrap_or(0) - fraction.len() as i32;
        if !(0..=23).contains(&exponent) || digits == 0 {
            return false;
        }
        let Some(fives) = digits.checked_mul(5u128.pow(exponent as u32)) else { return false };
        let twos = fives.trailing_zeros();
        let (odd, power) = (fives >> twos, exponent + twos as i32);
        let double = u128::from(self.mantissa) * 2;
        power == self.exponent - 1 && (odd == double + 1 || odd == double - 1)
    }
}

/// The fewest digits that read back as `value` without being a boundary of it.
fn inside(value: f64, reads_back: impl Fn(&str) -> bool, binary: &Binary) -> String {
    let texts = (0..18).map(|digits| format!("{value:.digits$e}"));
    texts
        .into_iter()
        .find(|text| reads_back(text) && !binary.has_boundary(text))
        .unwrap_or_else(|| format!("{value:e}"))
}

fn non_finite(value: f64) -> &'static [u8] {
    if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"Infinity"
    } else {
        b"-Infinity"
    }
}

/// Writes shortest digits by PostgreSQL's rule for exponents: below -4 and from `limit` on.
fn write_shortest(out: &mut Vec<u8>, shortest: &str, limit: i32) {
    let (sign, unsigned) = shortest.strip_prefix('-').map_or(("", shortest), |rest| ("-", rest));
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut buffer = [0; 40];
    let length = whole.len() + fraction.len();
    buffer[..whole.len()].copy_from_slice(whole.as_bytes());
    buffer[whole.len()..length].copy_from_slice(fraction.as_bytes());
    let leading = buffer[..length].iter().take_while(|digit| **digit == b'0').count();
    let trailing = buffer[leading..length].iter().rev().take_while(|digit| **digit == b'0').count();
    let digits = &buffer[leading..length - trailing];
    out.extend_from_slice(sign.as_bytes());
    if digits.is_empty() {
        out.push(b'0');
        return;
    }
    let scientific = whole.len() as i32 - 1 - leading as i32 + exponent.parse::<i32>().unwrap_or(0);
    if (-4..limit).contains(&scientific) {
        write_plain(out, digits, scientific);
    } else {
        write_scientific(out, digits, scientific);
    }
}

fn write_plain(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(digits);
        return;
    }
    let point = exponent as usize + 1;
    if digits.len() <= point {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', point - digits.len()));
    } else {
        out.extend_from_slice(&digits[..point]);
        out.push(b'.');
        out.extend_from_slice(&digits[point..]);
    }
}

fn write_scientific(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let exponent = i64::from(exponent.unsigned_abs());
    if exponent < 10 {
        out.push(b'0');
    }
    write_int(out, exponent);
}
