//! Dates, times, timestamps and intervals: sums, differences and the makers of them.

use std::cmp::Ordering;

use crate::error::DatabaseError;
use crate::value::calendar::{
    Civil, DATE_EARLY, DATE_LATE, DayTime, MICROS_PER_DAY, MICROS_PER_SECOND, TIMESTAMP_EARLY, TIMESTAMP_LATE,
    UNIX_EPOCH_DAYS, date_in_range, days_in_month, join_timestamp, split_timestamp, timestamp_in_range,
};
use crate::value::cast::date_to_timestamp;
use crate::value::datetime::Zone;
use crate::value::fault::{DATETIME_OVERFLOW, division_by_zero, interval_out_of_range, timestamp_out_of_range};
use crate::value::format::write_float8;
use crate::value::interval::Interval;

const SECONDS_PER_DAY: f64 = 86_400.0;

fn date_out_of_range() -> DatabaseError {
    DatabaseError::new(DATETIME_OVERFLOW, "date out of range")
}

/// PostgreSQL's order of intervals: a month counts as 30 days.
pub fn compare_intervals(left: &str, right: &str) -> Ordering {
    Interval::of(left).compare(Interval::of(right))
}

/// The same for intervals that compare equal, such as `1 mon` and `30 days`.
pub fn interval_hash_key(interval: &str) -> i128 {
    Interval::of(interval).length()
}

pub fn interval_add(left: &str, right: &str) -> Result<String, DatabaseError> {
    add(Interval::of(left), Interval::of(right)).map(|sum| sum.to_string())
}

pub fn interval_subtract(left: &str, right: &str) -> Result<String, DatabaseError> {
    let right = Interval::of(right).negate().ok_or_else(interval_out_of_range)?;
    add(Interval::of(left), right).map(|sum| sum.to_string())
}

pub fn interval_negate(interval: &str) -> Result<String, DatabaseError> {
    Interval::of(interval).negate().map(|negated| negated.to_string()).ok_or_else(interval_out_of_range)
}

fn add(left: Interval, right: Interval) -> Result<Interval, DatabaseError> {
    let sum = || {
        Some(Interval {
            months: left.months.checked_add(right.months)?,
            days: left.days.checked_add(right.days)?,
            micros: left.micros.checked_add(right.micros)?,
        })
    };
    sum().ok_or_else(interval_out_of_range)
}

pub fn interval_multiply(interval: &str, factor: f64) -> Result<String, DatabaseError> {
    scale(Interval::of(interval), |part| part * factor).map(|product| product.to_string())
}

pub fn interval_divide(interval: &str, divisor: f64) -> Result<String, DatabaseError> {
    if divisor == 0.0 {
        return Err(division_by_zero());
    }
    scale(Interval::of(interval), |part| part / divisor).map(|quotient| quotient.to_string())
}

/// Fractions of months become days, fractions of days become time.
fn scale(interval: Interval, change: impl Fn(f64) -> f64) -> Result<Interval, DatabaseError> {
    let whole = |part: f64| {
        let fits = part >= f64::from(i32::MIN) && part <= f64::from(i32::MAX);
        if fits { Ok(part as i32) } else { Err(interval_out_of_range()) }
    };
    let to_micro = |seconds: f64| (seconds * 1e6).round_ties_even() / 1e6;
    let (months, days) = (change(interval.months.into()), change(interval.days.into()));
    let (whole_months, mut whole_days) = (whole(months)?, whole(days)?);
    let rest_days = to_micro((months - f64::from(whole_months)) * 30.0);
    let mut seconds = to_micro((days - f64::from(whole_days) + rest_days - rest_days.trunc()) * SECONDS_PER_DAY);
    if seconds.abs() >= SECONDS_PER_DAY {
        let extra = (seconds / SECONDS_PER_DAY).trunc();
        whole_days = whole_days.checked_add(extra as i32).ok_or_else(interval_out_of_range)?;
        seconds -= extra * SECONDS_PER_DAY;
    }
    let days = whole_days.checked_add(rest_days as i32).ok_or_else(interval_out_of_range)?;
    let micros = (change(interval.micros as f64) + seconds * 1e6).round_ties_even();
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&micros) {
        return Err(interval_out_of_range());
    }
    Ok(Interval { months: whole_months, days, micros: micros as i64 })
}

/// `justify_days`: 30 days become a month.
pub fn interval_justify_days(interval: &str) -> Result<String, DatabaseError> {
    let Interval { months, days, micros } = Interval::of(interval);
    let (extra, rest) = carry(days.into(), 30, months.into());
    build(extra, rest, micros)
}

/// `justify_hours`: 24 hours become a day.
pub fn interval_justify_hours(interval: &str) -> Result<String, DatabaseError> {
    let Interval { months, days, micros } = Interval::of(interval);
    let (days, micros) = carry(micros, MICROS_PER_DAY, days.into());
    build(months.into(), days, micros)
}

/// `justify_interval`: hours become days, days become months, and all have the same sign.
pub fn interval_justify_interval(interval: &str) -> Result<String, DatabaseError> {
    let Interval { months, days, micros } = Interval::of(interval);
    let (mut days, mut micros) = (i64::from(days) + micros / MICROS_PER_DAY, micros % MICROS_PER_DAY);
    let mut months = i64::from(months) + days / 30;
    days %= 30;
    if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
        (months, days) = (months + 1, days - 30);
    }
    if days > 0 && micros < 0 {
        (days, micros) = (days - 1, micros + MICROS_PER_DAY);
    } else if days < 0 && micros > 0 {
        (days, micros) = (days + 1, micros - MICROS_PER_DAY);
    }
    build(months, days, micros)
}

/// Moves whole `size`s of `small` into the larger unit, so that both have the same sign.
fn carry(small: i64, size: i64, large: i64) -> (i64, i64) {
    let (mut large, mut small) = (large + small / size, small % size);
    if large > 0 && small < 0 {
        (large, small) = (large - 1, small + size);
    } else if large < 0 && small > 0 {
        (large, small) = (large + 1, small - size);
    }
    (large, small)
}

fn build(months: i64, days: i64, micros: i64) -> Result<String, DatabaseError> {
    let fits = || Some(Interval { months: i32::try_from(months).ok()?, days: i32::try_from(days).ok()?, micros });
    fits().map(|interval| interval.to_string()).ok_or_else(interval_out_of_range)
}

/// `date + days`
pub fn date_add_days(date: i64, days: i64) -> Result<i64, DatabaseError> {
    if matches!(date, DATE_EARLY | DATE_LATE) {
        return Ok(date);
    }
    date_in_range(date.saturating_add(days)).ok_or_else(date_out_of_range)
}

/// `date + interval`: a timestamp.
pub fn date_add_interval(date: i64, interval: &str) -> Result<i64, DatabaseError> {
    timestamp_add_interval(date_to_timestamp(date)?, interval)
}

/// `date + time`: a timestamp.
pub fn date_at(date: i64, time: i64) -> Result<i64, DatabaseError> {
    let midnight = date_to_timestamp(date)?;
    if matches!(midnight, TIMESTAMP_EARLY | TIMESTAMP_LATE) {
        return Ok(midnight);
    }
    timestamp_in_range(midnight + time).ok_or_else(timestamp_out_of_range)
}

/// `time + interval`: around the clock.
pub fn time_add_interval(time: i64, interval: &str) -> i64 {
    (time + Interval::of(interval).micros.rem_euclid(MICROS_PER_DAY)).rem_euclid(MICROS_PER_DAY)
}

/// `timestamp + interval`, with or without time zone (UTC): months, then days, then time.
pub fn timestamp_add_interval(timestamp: i64, interval: &str) -> Result<i64, DatabaseError> {
    if matches!(timestamp, TIMESTAMP_EARLY | TIMESTAMP_LATE) {
        return Ok(timestamp);
    }
    let interval = Interval::of(interval);
    let (mut days, micros) = split_timestamp(timestamp);
    if interval.months != 0 {
        days = Civil::from_days(days).add_months(interval.months.into()).days();
    }
    join_timestamp(days + i64::from(interval.days), micros)
        .and_then(|moved| moved.checked_add(interval.micros))
        .and_then(timestamp_in_range)
        .ok_or_else(timestamp_out_of_range)
}

/// `left - right` of timestamps: days and time.
pub fn timestamp_difference(left: i64, right: i64) -> Result<String, DatabaseError> {
    let infinite = |micros| matches!(micros, TIMESTAMP_EARLY | TIMESTAMP_LATE);
    if infinite(left) || infinite(right) {
        return Err(DatabaseError::new(DATETIME_OVERFLOW, "cannot subtract infinite timestamps"));
    }
    let micros = left.checked_sub(right).ok_or_else(interval_out_of_range)?;
    build(0, micros / MICROS_PER_DAY, micros % MICROS_PER_DAY)
}

/// `age(left, right)`: years, months, days and time as a person counts them.
pub fn age(left: i64, right: i64) -> Result<String, DatabaseError> {
    let infinite = |micros| matches!(micros, TIMESTAMP_EARLY | TIMESTAMP_LATE);
    if infinite(left) || infinite(right) {
        return Err(timestamp_out_of_range());
    }
    let (late, early, sign) = if left >= right { (left, right, 1) } else { (right, left, -1) };
    let ((late_days, late_time), (early_days, early_time)) = (split_timestamp(late), split_timestamp(early));
    let (to, from) = (Civil::from_days(late_days), Civil::from_days(early_days));
    let mut months = (to.year - from.year) * 12 + to.month - from.month;
    let mut days = to.day - from.day;
    let mut micros = late_time - early_time;
    if micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    if days < 0 {
        days += days_in_month(from.year, from.month);
        months -= 1;
    }
    build(sign * months, sign * days, sign * micros)
}

/// `make_date(year, month, day)`; a negative year is BC.
pub fn make_date(year: i64, month: i64, day: i64) -> Result<i64, DatabaseError> {
    let refused = || {
        let message = format!("date field value out of range: {year}-{month:02}-{day:02}");
        DatabaseError::new(DATETIME_OVERFLOW, message)
    };
    let astronomical = if year < 0 { year + 1 } else { year };
    let valid = year != 0 && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(astronomical, month);
    if !valid {
        return Err(refused());
    }
    date_in_range(Civil { year: astronomical, month, day }.days())
        .ok_or_else(|| DatabaseError::new(DATETIME_OVERFLOW, format!("date out of range: {year}-{month:02}-{day:02}")))
}

/// `make_time(hour, minute, second)`
pub fn make_time(hour: i64, minute: i64, second: f64) -> Result<i64, DatabaseError> {
    let micros = (second * 1e6).round_ties_even();
    let valid = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60_000_000.0).contains(&micros);
    let time = DayTime { hour, minute, second: 0, micro: micros as i64 }.micros();
    if !valid || time > MICROS_PER_DAY {
        let mut seconds = Vec::new();
        write_float8(&mut seconds, second);
        let seconds = String::from_utf8_lossy(&seconds).into_owned();
        let message = format!("time field value out of range: {hour}:{minute:02}:{seconds:0>2}");
        return Err(DatabaseError::new(DATETIME_OVERFLOW, message));
    }
    Ok(time)
}

/// `make_timestamp(year, month, day, hour, minute, second)`
pub fn make_timestamp(date: (i64, i64, i64), time: (i64, i64, f64)) -> Result<i64, DatabaseError> {
    date_at(make_date(date.0, date.1, date.2)?, make_time(time.0, time.1, time.2)?)
}

/// `make_interval(years, months, weeks, days, hours, mins, secs)`
pub fn make_interval(counts: [i64; 6], seconds: f64) -> Result<String, DatabaseError> {
    let [years, months, weeks, days, hours, minutes] = counts;
    let time = (hours.saturating_mul(60).saturating_add(minutes)).checked_mul(60 * MICROS_PER_SECOND);
    let extra = (seconds * 1e6).round_ties_even();
    if !extra.is_finite() {
        return Err(interval_out_of_range());
    }
    let micros = time.and_then(|time| time.checked_add(extra as i64)).ok_or_else(interval_out_of_range)?;
    build(years.saturating_mul(12).saturating_add(months), weeks.saturating_mul(7).saturating_add(days), micros)
}

/// `to_timestamp(seconds)`: the moment that many seconds after 1970.
pub fn timestamp_from_epoch(seconds: f64) -> Result<i64, DatabaseError> {
    let mut shown = Vec::new();
    write_float8(&mut shown, seconds);
    let refused = |what: &str| DatabaseError::new(DATETIME_OVERFLOW, what.to_owned());
    if seconds.is_nan() {
        return Err(refused("timestamp cannot be NaN"));
    }
    if seconds.is_infinite() {
        return Ok(if seconds > 0.0 { TIMESTAMP_LATE } else { TIMESTAMP_EARLY });
    }
    let micros = ((seconds + (UNIX_EPOCH_DAYS * 86_400) as f64) * 1e6).round_ties_even();
    let shown = String::from_utf8_lossy(&shown).into_owned();
    let fits = (-9.3e18..9.3e18).contains(&micros);
    let inside = fits.then_some(micros as i64).and_then(timestamp_in_range);
    inside.ok_or_else(|| refused(&format!("timestamp out of range: \"{shown}\"")))
}

/// `timestamptz at time zone zone` (a timestamp there) when `to_local`, else `timestamp at time zone zone` (the moment).
pub fn shift_zone(zone: &str, timestamp: i64, to_local: bool) -> Result<i64, DatabaseError> {
    let zone = Zone::find(zone)?;
    if matches!(timestamp, TIMESTAMP_EARLY | TIMESTAMP_LATE) {
        return Ok(timestamp);
    }
    let shifted = if to_local {
        timestamp + zone.offset_from(timestamp) * MICROS_PER_SECOND
    } else {
        timestamp - zone.offset_at(timestamp) * MICROS_PER_SECOND
    };
    timestamp_in_range(shifted).ok_or_else(timestamp_out_of_range)
}
