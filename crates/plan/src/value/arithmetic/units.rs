//! The fields of dates, times and intervals: `extract`, `date_part` and `date_trunc`.

use crate::error::DatabaseError;
use crate::value::calendar::{
    Civil, DATE_EARLY, DATE_LATE, DayTime, JULIAN_DAY_ZERO, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE,
    MICROS_PER_SECOND, TIMESTAMP_EARLY, TIMESTAMP_LATE, UNIX_EPOCH_DAYS, join_timestamp, split_timestamp,
};
use crate::value::fault::{INVALID_PARAMETER, timestamp_out_of_range};
use crate::value::interval::Interval;
use crate::value::numeric::{Decimal, Numeric};
use crate::value::{Type, Value};

/// A field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Epoch,
    Julian,
    Zone,
    ZoneHour,
    ZoneMinute,
}

fn unit(name: &str) -> Option<Unit> {
    Some(match name.to_ascii_lowercase().as_str() {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => Unit::Microseconds,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => Unit::Milliseconds,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "qtr" | "quarter" => Unit::Quarter,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennium" | "millennia" => Unit::Millennium,
        "dow" => Unit::DayOfWeek,
        "isodow" => Unit::IsoDayOfWeek,
        "doy" => Unit::DayOfYear,
        "isoyear" => Unit::IsoYear,
        "epoch" => Unit::Epoch,
        "julian" | "jd" | "j" => Unit::Julian,
        "timezone" => Unit::Zone,
        "timezone_hour" => Unit::ZoneHour,
        "timezone_minute" | "timezone_m" => Unit::ZoneMinute,
        _ => return None,
    })
}

fn unrecognized(name: &str, ty: &Type) -> DatabaseError {
    let name = name.to_ascii_lowercase();
    DatabaseError::new(INVALID_PARAMETER, format!("unit \"{name}\" not recognized for type {}", ty.sql_name()))
}

fn unsupported(name: &str, ty: &Type) -> DatabaseError {
    let name = name.to_ascii_lowercase();
    DatabaseError::new("0A000", format!("unit \"{name}\" not supported for type {}", ty.sql_name()))
}

/// `date_part(field, value)`: a float.
pub fn date_part(field: &str, value: &Value, ty: &Type) -> Result<Value, DatabaseError> {
    // A date is a timestamp to `date_part`, but not to `extract`.
    let (value, ty) = match (value, ty.base()) {
        (Value::Int(days), Type::Date) => (Value::Int(crate::value::cast::date_to_timestamp(*days)?), Type::Timestamp),
        (value, ty) => (value.clone(), ty.clone()),
    };
    Ok(match extract(field, &value, &ty)? {
        Value::Text(text) => Value::Float(Numeric::of(&text).to_float()),
        other => other,
    })
}

/// `extract(field from value)`: a numeric.
pub fn extract(field: &str, value: &Value, ty: &Type) -> Result<Value, DatabaseError> {
    let ty = ty.base();
    let wanted = unit(field).ok_or_else(|| unrecognized(field, ty))?;
    let found = match (value, ty) {
        (Value::Null, _) => return Ok(Value::Null),
        (Value::Int(_), Type::Date) if date_field(wanted, 0).is_none() => None,
        (Value::Int(days), Type::Date) => match infinite_part(wanted, *days == DATE_LATE, *days == DATE_EARLY) {
            Some(part) => return Ok(part),
            None => date_field(wanted, *days),
        },
        (Value::Int(micros), Type::Time) => time_field(wanted, *micros),
        (Value::Int(micros), Type::Timestamp | Type::Timestamptz) => {
            match infinite_part(wanted, *micros == TIMESTAMP_LATE, *micros == TIMESTAMP_EARLY) {
                Some(part) => return Ok(part),
                None => timestamp_field(wanted, *micros, *ty == Type::Timestamptz),
            }
        }
        (Value::Text(text), Type::Interval) => interval_field(wanted, Interval::of(text)),
        _ => None,
    };
    found.map(|number| Value::text(number.to_string())).ok_or_else(|| unsupported(field, ty))
}

/// An infinite moment's ever growing fields are infinite, its others unknown.
fn infinite_part(unit: Unit, late: bool, early: bool) -> Option<Value> {
    if !late && !early {
        return None;
    }
    let grows = matches!(
        unit,
        Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium | Unit::Julian | Unit::IsoYear | Unit::Epoch
    );
    let shown = if late { "Infinity" } else { "-Infinity" };
    Some(if grows { Value::text(shown) } else { Value::Null })
}

fn whole(number: i64) -> Option<Decimal> {
    scaled(number, 0)
}

fn scaled(unscaled: i64, scale: i64) -> Option<Decimal> {
    Some(Decimal { unscaled: unscaled.into(), scale })
}

fn date_field(unit: Unit, days: i64) -> Option<Decimal> {
    match unit {
        Unit::Epoch => whole((days - UNIX_EPOCH_DAYS) * 86_400),
        Unit::Julian => whole(days - JULIAN_DAY_ZERO),
        unit => civil_field(unit, Civil::from_days(days)),
    }
}

fn civil_field(unit: Unit, date: Civil) -> Option<Decimal> {
    let shown_year = |year: i64| if year > 0 { year } else { year - 1 };
    match unit {
        Unit::Day => whole(date.day),
        Unit::Week => whole(date.iso_week().1),
        Unit::Month => whole(date.month),
        Unit::Quarter => whole((date.month - 1) / 3 + 1),
        Unit::Year => whole(shown_year(date.year)),
        Unit::Decade => whole(date.year.div_euclid(10)),
        Unit::Century => whole(span(date.year, 100)),
        Unit::Millennium => whole(span(date.year, 1_000)),
        Unit::DayOfWeek => whole(date.weekday()),
        Unit::IsoDayOfWeek => whole((date.weekday() + 6) % 7 + 1),
        Unit::DayOfYear => whole(date.day_of_year()),
        Unit::IsoYear => whole(shown_year(date.iso_week().0)),
        Unit::Microseconds
        | Unit::Milliseconds
        | Unit::Second
        | Unit::Minute
        | Unit::Hour
        | Unit::Epoch
        | Unit::Julian
        | Unit::Zone
        | Unit::ZoneHour
        | Unit::ZoneMinute => None,
    }
}

/// The century or millennium of a year: the first begins with year 1, the one before it is -1.
fn span(year: i64, size: i64) -> i64 {
    if year > 0 { (year + size - 1) / size } else { -((size - 1 - (year - 1)) / size) }
}

fn clock_field(unit: Unit, micros: i64) -> Option<Decimal> {
    let time = DayTime::from_micros(micros);
    match unit {
        Unit::Microseconds => whole(micros % MICROS_PER_MINUTE),
        Unit::Milliseconds => scaled(micros % MICROS_PER_MINUTE, 3),
        Unit::Second => scaled(micros % MICROS_PER_MINUTE, 6),
        Unit::Minute => whole(time.minute),
        Unit::Hour => whole(time.hour),
        _ => None,
    }
}

fn time_field(unit: Unit, micros: i64) -> Option<Decimal> {
    if unit == Unit::Epoch { scaled(micros, 6) } else { clock_field(unit, micros) }
}

fn timestamp_field(unit: Unit, micros: i64, zoned: bool) -> Option<Decimal> {
    let (days, time) = split_timestamp(micros);
    match unit {
        Unit::Epoch => Some(Decimal {
            unscaled: bigdecimal::num_bigint::BigInt::from(micros) - UNIX_EPOCH_DAYS * MICROS_PER_DAY,
            scale: 6,
        }),
        Unit::Julian => julian(days, time),
        Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute => zoned.then(|| whole(0)).flatten(),
        unit => clock_field(unit, time).or_else(|| civil_field(unit, Civil::from_days(days))),
    }
}

fn julian(days: i64, time: i64) -> Option<Decimal> {
    let day = Numeric::from_int(days - JULIAN_DAY_ZERO);
    let part = super::numbers::calculate(
        super::Arithmetic::Divide,
        Numeric::from_int(time),
        Numeric::from_int(MICROS_PER_DAY),
    );
    match super::numbers::calculate(super::Arithmetic::Add, day, part.ok()?) {
        Ok(Numeric::Finite(sum)) => Some(sum),
        _ => None,
    }
}

fn interval_field(unit: Unit, interval: Interval) -> Option<Decimal> {
    let Interval { months, days, micros } = interval;
    let years = i64::from(months / 12);
    match unit {
        Unit::Hour => whole(micros / MICROS_PER_HOUR),
        Unit::Minute => whole(micros / MICROS_PER_MINUTE % 60),
        Unit::Day => whole(days.into()),
        Unit::Month => whole((months % 12).into()),
        Unit::Quarter => whole(i64::from(months % 12 / 3) + 1),
        Unit::Year => whole(years),
        Unit::Decade => whole(years / 10),
        Unit::Century => whole(years / 100),
        Unit::Millennium => whole(years / 1_000),
        Unit::Epoch => interval_epoch(interval),
        unit => clock_field(unit, micros),
    }
}

/// A year counts as 365.25 days, a month as 30.
fn interval_epoch(interval: Interval) -> Option<Decimal> {
    let quarter_days = i128::from(interval.months / 12) * 1_461
        + i128::from(interval.months % 12) * 120
        + i128::from(interval.days) * 4;
    let micros = quarter_days * i128::from(MICROS_PER_DAY / 4) + i128::from(interval.micros);
    Some(Decimal { unscaled: micros.into(), scale: 6 })
}

/// `date_trunc(field, timestamp)`; `ty` is the timestamp's type, for errors.
pub fn date_trunc(field: &str, timestamp: i64, ty: &Type) -> Result<i64, DatabaseError> {
    if matches!(timestamp, TIMESTAMP_EARLY | TIMESTAMP_LATE) {
        return Ok(timestamp);
    }
    let wanted = unit(field).ok_or_else(|| unrecognized(field, ty))?;
    let (days, micros) = split_timestamp(timestamp);
    let date = Civil::from_days(days);
    let size = match wanted {
        Unit::Microseconds => Some(1),
        Unit::Milliseconds => Some(1_000),
        Unit::Second => Some(MICROS_PER_SECOND),
        Unit::Minute => Some(MICROS_PER_MINUTE),
        Unit::Hour => Some(MICROS_PER_HOUR),
        _ => None,
    };
    let first = |year: i64, month: i64| Civil { year, month, day: 1 };
    // Years before 1 are counted back from 1 BC, so that each span ends with it.
    let span_start = |size: i64| match date.year {
        year @ 1.. => first((year - 1) / size * size + 1, 1),
        year => first(1 - (size - year) / size * size, 1),
    };
    let start = match wanted {
        _ if size.is_some() => date,
        Unit::Day => date,
        Unit::Week => Civil::from_days(days - (date.weekday() + 6) % 7),
        Unit::Month => first(date.year, date.month),
        Unit::Quarter => first(date.year, (date.month - 1) / 3 * 3 + 1),
        Unit::Year => first(date.year, 1),
        Unit::Decade => first(date.year.div_euclid(10) * 10, 1),
        Unit::Century => span_start(100),
        Unit::Millennium => span_start(1_000),
        Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute => return Err(unsupported(field, ty)),
        _ => return Err(unrecognized(field, ty)),
    };
    let time = size.map_or(0, |size| micros / size * size);
    join_timestamp(start.days(), time).ok_or_else(timestamp_out_of_range)
}

/// `date_trunc(field, interval)`
pub fn interval_trunc(field: &str, interval: &str) -> Result<String, DatabaseError> {
    let wanted = unit(field).ok_or_else(|| unrecognized(field, &Type::Interval))?;
    let Interval { months, days, micros } = Interval::of(interval);
    let years = |size: i32| Interval { months: months / 12 / size * size * 12, days: 0, micros: 0 };
    let time = |size: i64| Interval { months, days, micros: micros / size * size };
    let cut = match wanted {
        Unit::Microseconds => time(1),
        Unit::Milliseconds => time(1_000),
        Unit::Second => time(MICROS_PER_SECOND),
        Unit::Minute => time(MICROS_PER_MINUTE),
        Unit::Hour => time(MICROS_PER_HOUR),
        Unit::Day => Interval { months, days, micros: 0 },
        Unit::Month => Interval { months, days: 0, micros: 0 },
        Unit::Quarter => Interval { months: months / 3 * 3, days: 0, micros: 0 },
        Unit::Year => years(1),
        Unit::Decade => years(10),
        Unit::Century => years(100),
        Unit::Millennium => years(1_000),
        Unit::Week => {
            let details = "Months usually have fractional weeks.";
            return Err(unsupported(field, &Type::Interval).details(details));
        }
        Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute => return Err(unsupported(field, &Type::Interval)),
        _ => return Err(unrecognized(field, &Type::Interval)),
    };
    Ok(cut.to_string())
}
