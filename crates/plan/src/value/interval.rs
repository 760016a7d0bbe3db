//! `interval`: months, days and microseconds, each counted on its own. Reads PostgreSQL's, SQL's and ISO 8601's
//! forms and writes PostgreSQL's.

use std::cmp::Ordering;
use std::fmt;

use super::calendar::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use super::datetime::{Fault, Field, FieldKind, fields, read_clock_time};
use super::format::write_fraction;
use crate::error::DatabaseError;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) months: i32,
    pub(crate) days: i32,
    pub(crate) micros: i64,
}

/// What a number in an interval counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

impl Interval {
    /// Reads what PostgreSQL's `interval_in` reads.
    pub(crate) fn parse(text: &str) -> Result<Self, DatabaseError> {
        let read = match fields(text).and_then(|fields| Reader::default().read(&fields)) {
            Err(Fault::Format) if text.starts_with('P') => read_iso(text),
            read => read,
        };
        read.map_err(|fault| match fault {
            Fault::Field | Fault::MonthDay => Fault::Interval.error("interval", text),
            fault => fault.error("interval", text),
        })
    }

    /// A canonical text; one that cannot be read is empty, which canonical texts never are by mistake.
    pub(crate) fn of(canonical: &str) -> Self {
        Self::parse(canonical).unwrap_or_default()
    }

    /// The length with 30-day months, by which intervals are compared.
    pub(crate) fn length(self) -> i128 {
        (i128::from(self.months) * 30 + i128::from(self.days)) * i128::from(MICROS_PER_DAY) + i128::from(self.micros)
    }

    pub(crate) fn compare(self, other: Self) -> Ordering {
        self.length().cmp(&other.length())
    }

    pub(crate) fn negate(self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            micros: self.micros.checked_neg()?,
        })
    }

    fn add_unit(&mut self, unit: Unit, whole: i64, part: f64) -> Result<(), Fault> {
        match unit {
            Unit::Microsecond => self.add_micros(whole, 1, part),
            Unit::Millisecond => self.add_micros(whole, 1_000, part),
            Unit::Second => self.add_micros(whole, MICROS_PER_SECOND, part),
            Unit::Minute => self.add_micros(whole, MICROS_PER_MINUTE, part),
            Unit::Hour => self.add_micros(whole, MICROS_PER_HOUR, part),
            Unit::Day => self.add_days(whole, 1, part),
            Unit::Week => self.add_days(whole, 7, part),
            Unit::Month => {
                self.add_months(whole, 1, 0.0)?;
                self.add_days(0, 30, part)
            }
            Unit::Year => self.add_months(whole, 12, part),
            Unit::Decade => self.add_months(whole, 120, part),
            Unit::Century => self.add_months(whole, 1_200, part),
            Unit::Millennium => self.add_months(whole, 12_000, part),
        }
    }

    fn add_micros(&mut self, whole: i64, scale: i64, part: f64) -> Result<(), Fault> {
        let scaled = part * scale as f64;
        let mut extra = scaled.trunc() as i64;
        let rest = scaled - scaled.trunc();
        if rest.abs() > 0.5 {
            extra += rest.signum() as i64;
        }
        let whole = whole.checked_mul(scale).ok_or(Fault::Field)?;
        let sum = self.micros.checked_add(whole).and_then(|sum| sum.checked_add(extra));
        self.micros = sum.ok_or(Fault::Field)?;
        Ok(())
    }

    fn add_days(&mut self, whole: i64, scale: i64, part: f64) -> Result<(), Fault> {
        let scaled = part * scale as f64;
        let whole = whole.checked_mul(scale).and_then(|days| days.checked_add(scaled.trunc() as i64));
        let sum = whole.and_then(|whole| whole.checked_add(self.days.into())).and_then(|sum| i32::try_from(sum).ok());
        self.days = sum.ok_or(Fault::Field)?;
        self.add_micros(0, MICROS_PER_DAY, scaled - scaled.trunc())
    }

    fn add_months(&mut self, whole: i64, scale: i64, part: f64) -> Result<(), Fault> {
        // PostgreSQL counts years and months apart until the end, so only their sum is called an interval's fault.
        let whole = i32::try_from(whole).map_err(|_| Fault::Field)?;
        let extra = (part * scale as f64).round_ties_even() as i64;
        let sum = i64::from(self.months) + i64::from(whole) * scale + extra;
        self.months = i32::try_from(sum).map_err(|_| Fault::IntervalRange)?;
        Ok(())
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Text { text: String::new(), after_negative: false };
        text.add(self.months / 12, "year");
        text.add(self.months % 12, "mon");
        text.add(self.days, "day");
        if self.micros != 0 || text.text.is_empty() {
            text.add_time(self.micros);
        }
        out.write_str(&text.text)
    }
}

/// An interval's text so far. A positive part after a negative one carries its sign.
struct Text {
    text: String,
    after_negative: bool,
}

impl Text {
    fn add(&mut self, count: i32, unit: &str) {
        if count == 0 {
            return;
        }
        let space = if self.text.is_empty() { "" } else { " " };
        let sign = if self.after_negative && count > 0 { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        self.text.push_str(&format!("{space}{sign}{count} {unit}{plural}"));
        self.after_negative = count < 0;
    }

    fn add_time(&mut self, micros: i64) {
        let space = if self.text.is_empty() { "" } else { " " };
        let sign = match (micros < 0, self.after_negative) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        let micros = micros.unsigned_abs();
        let seconds = micros / 1_000_000;
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        self.text.push_str(&format!("{space}{sign}{hours:02}:{minutes:02}:{seconds:02}"));
        let mut fraction = Vec::new();
        write_fraction(&mut fraction, (micros % 1_000_000) as i64);
        self.text.push_str(&String::from_utf8_lossy(&fraction));
    }
}

/// Reads fields from the last to the first: a number's unit stands after it.
#[derive(Default)]
struct Reader {
    interval: Interval,
    unit: Option<Unit>,
    seen: u16,
    ago: bool,
}

impl Reader {
    fn read(mut self, fields: &[Field]) -> Result<Interval, Fault> {
        for field in fields.iter().rev() {
            match field.kind {
                FieldKind::Time => self.read_time(&field.text, false)?,
                FieldKind::Zone if field.text.contains(':') => {
                    self.read_time(&field.text[1..], field.text.starts_with('-'))?;
                }
                FieldKind::Zone | FieldKind::Date | FieldKind::Number => self.read_number(&field.text)?,
                FieldKind::Word | FieldKind::Special => self.read_word(&field.text)?,
            }
        }
        if self.seen == 0 {
            return Err(Fault::Format);
        }
        if self.ago { self.interval.negate().ok_or(Fault::Field) } else { Ok(self.interval) }
    }

    fn read_time(&mut self, text: &str, negative: bool) -> Result<(), Fault> {
        let micros = read_clock_time(text)?;
        for unit in [Unit::Second, Unit::Minute, Unit::Hour] {
            self.mark(unit)?;
        }
        self.interval.add_micros(if negative { -micros } else { micros }, 1, 0.0)?;
        self.unit = Some(Unit::Day);
        Ok(())
    }

    fn read_number(&mut self, text: &str) -> Result<(), Fault> {
        let mut unit = self.unit.unwrap_or(Unit::Second);
        let digits_from = usize::from(text.starts_with(['+', '-']));
        let digits_to =
            text[digits_from..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |at| at + digits_from);
        let (whole, rest) = text.split_at(digits_to);
        let negative = text.starts_with('-');
        let mut count: i64 = match whole {
            "" | "+" | "-" if rest.starts_with('.') => 0,
            whole => whole.parse().map_err(|_| if digits_to == digits_from { Fault::Format } else { Fault::Field })?,
        };
        let mut part = 0.0;
        if let Some(months) = rest.strip_prefix('-') {
            let months: i64 = months.parse().map_err(|_| Fault::Format)?;
            if !(0..12).contains(&months) {
                return Err(Fault::Field);
            }
            unit = Unit::Month;
            count = count.checked_mul(12).ok_or(Fault::Field)? + if negative { -months } else { months };
        } else if let Some(digits) = rest.strip_prefix('.') {
            part = read_fraction(digits)?;
            part = if negative { -part } else { part };
        } else if !rest.is_empty() {
            return Err(Fault::Format);
        }
        self.mark(unit)?;
        self.interval.add_unit(unit, count, part)?;
        if unit == Unit::Hour {
            self.unit = Some(Unit::Day);
        }
        Ok(())
    }

    fn read_word(&mut self, word: &str) -> Result<(), Fault> {
        match word {
            "ago" => self.ago = true,
            word => self.unit = Some(unit_of(word).ok_or(Fault::Format)?),
        }
        Ok(())
    }

    /// Each unit may be given once; a week and a day are told apart.
    fn mark(&mut self, unit: Unit) -> Result<(), Fault> {
        let bit = 1 << unit as u16;
        if self.seen & bit != 0 {
            return Err(Fault::Format);
        }
        self.seen |= bit;
        Ok(())
    }
}

fn read_fraction(digits: &str) -> Result<f64, Fault> {
    if digits.is_empty() {
        return Ok(0.0);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Format);
    }
    format!("0.{digits}").parse().map_err(|_| Fault::Format)
}

fn unit_of(word: &str) -> Option<Unit> {
    Some(match word {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => Unit::Microsecond,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => Unit::Millisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennium" | "millennia" => Unit::Millennium,
        _ => return None,
    })
}

/// `P1Y2M3DT4H5M6.7S`, and `P0001-02-03T04:05:06`.
fn read_iso(text: &str) -> Result<Interval, Fault> {
    let mut interval = Interval::default();
    let mut rest = &text[1..];
    let mut in_time = false;
    let mut any = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            in_time = true;
            rest = after;
            continue;
        }
        let end = number_end(rest).ok_or(Fault::Format)?;
        let (number, after) = rest.split_at(end);
        let designator = after.chars().next();
        if matches!(designator, None | Some('-' | ':' | 'T')) {
            read_iso_alternative(&mut interval, rest, in_time)?;
            return Ok(interval);
        }
        let unit = match (designator, in_time) {
            (Some('Y'), false) => Unit::Year,
            (Some('M'), false) => Unit::Month,
            (Some('W'), false) => Unit::Week,
            (Some('D'), false) => Unit::Day,
            (Some('H'), true) => Unit::Hour,
            (Some('M'), true) => Unit::Minute,
            (Some('S'), true) => Unit::Second,
            _ => return Err(Fault::Format),
        };
        add_iso(&mut interval, unit, number)?;
        any = true;
        rest = &after[1..];
    }
    if any || in_time { Ok(interval) } else { Err(Fault::Format) }
}

fn number_end(text: &str) -> Option<usize> {
    let signed = usize::from(text.starts_with(['-', '+']));
    let length = text[signed..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len() - signed);
    (length > 0).then_some(length + signed)
}

fn add_iso(interval: &mut Interval, unit: Unit, number: &str) -> Result<(), Fault> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let count: i64 = match whole {
        "" | "-" | "+" => 0,
        whole => whole.parse().map_err(|_| Fault::Field)?,
    };
    let part = read_fraction(part)?;
    interval.add_unit(unit, count, if number.starts_with('-') { -part } else { part })
}

fn read_iso_alternative(interval: &mut Interval, text: &str, in_time: bool) -> Result<(), Fault> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time),
        None if in_time => ("", text),
        None => (text, ""),
    };
    for (parts, separator, units) in
        [(date, '-', [Unit::Year, Unit::Month, Unit::Day]), (time, ':', [Unit::Hour, Unit::Minute, Unit::Second])]
    {
        if parts.is_empty() {
            continue;
        }
        let parts: Vec<&str> = parts.split(separator).collect();
        if parts.len() > 3 || parts.iter().any(|part| number_end(part) != Some(part.len())) {
            return Err(Fault::Format);
        }
        for (part, unit) in parts.into_iter().zip(units) {
            add_iso(interval, unit, part)?;
        }
    }
    Ok(())
}
