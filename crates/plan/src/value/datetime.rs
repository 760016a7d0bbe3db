//! Reads dates, times and timestamps as PostgreSQL does with `DateStyle` ISO, MDY and the session zone UTC:
//! the text is cut into fields, and the fields are told what they are by their shape and by what is still missing.

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::calendar::{
    Civil, DATE_EARLY, DATE_LATE, DayTime, JULIAN_DAY_ZERO, MICROS_PER_DAY, MICROS_PER_SECOND, TIMESTAMP_EARLY,
    TIMESTAMP_LATE, UNIX_EPOCH_DAYS, date_in_range, days_in_month, join_timestamp, split_timestamp, timestamp_in_range,
};
use super::datetime_words::{Named, Special, Word, abbreviation, word};
use super::fault::{DATETIME_FORMAT, DATETIME_OVERFLOW, INVALID_PARAMETER, interval_out_of_range};
use crate::clock::Clock;
use crate::error::DatabaseError;

/// What is wrong with a date, time or interval; the text is added when it becomes an error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    Format,
    Field,
    /// A month or day that another order of them might explain.
    MonthDay,
    Interval,
    /// Each field fits, their sum does not.
    IntervalRange,
    ZoneDisplacement,
    UnknownZone(String),
    /// The fields are right, but the type cannot hold the whole.
    Range(&'static str),
}

impl Fault {
    pub(crate) fn error(self, type_name: &str, text: &str) -> DatabaseError {
        let overflow =
            || DatabaseError::new(DATETIME_OVERFLOW, format!("date/time field value out of range: \"{text}\""));
        match self {
            Self::Format => {
                DatabaseError::new(DATETIME_FORMAT, format!("invalid input syntax for type {type_name}: \"{text}\""))
            }
            Self::Field => overflow(),
            Self::MonthDay => overflow().hint("Perhaps you need a different \"datestyle\" setting."),
            Self::Interval => DatabaseError::new("22015", format!("interval field value out of range: \"{text}\"")),
            Self::IntervalRange => interval_out_of_range(),
            Self::ZoneDisplacement => {
                DatabaseError::new("22009", format!("time zone displacement out of range: \"{text}\""))
            }
            Self::UnknownZone(zone) => unknown_zone(&zone),
            Self::Range(what) => DatabaseError::new(DATETIME_OVERFLOW, format!("{what} out of range: \"{text}\"")),
        }
    }
}

/// Days since 2000-01-01.
pub(crate) fn parse_date(text: &str, clock: &Clock) -> Result<i64, DatabaseError> {
    read_date(text, clock).map_err(|fault| fault.error("date", text))
}

/// Microseconds since midnight.
pub(crate) fn parse_time(text: &str, clock: &Clock) -> Result<i64, DatabaseError> {
    read_time(text, clock).map_err(|fault| fault.error("time", text))
}

/// Microseconds since 2000-01-01; a zone in the text is read and left aside.
pub(crate) fn parse_timestamp(text: &str, clock: &Clock) -> Result<i64, DatabaseError> {
    read_timestamp(text, clock, false).map_err(|fault| fault.error("timestamp", text))
}

/// Microseconds since 2000-01-01 00:00 UTC.
pub(crate) fn parse_timestamptz(text: &str, clock: &Clock) -> Result<i64, DatabaseError> {
    read_timestamp(text, clock, true).map_err(|fault| fault.error("timestamp with time zone", text))
}

fn read_date(text: &str, clock: &Clock) -> Result<i64, Fault> {
    let decoded = Decoder::new(clock, false).decode(&fields(text)?)?;
    match decoded.special {
        Some(Special::Epoch) => return Ok(UNIX_EPOCH_DAYS),
        Some(Special::Infinity) => return Ok(DATE_LATE),
        Some(Special::NegativeInfinity) => return Ok(DATE_EARLY),
        Some(Special::Now | Special::Today | Special::Tomorrow | Special::Yesterday | Special::Midnight) | None => {}
    }
    date_in_range(decoded.date.days()).ok_or(Fault::Range("date"))
}

fn read_time(text: &str, clock: &Clock) -> Result<i64, Fault> {
    let decoded = Decoder::new(clock, true).decode(&fields(text)?)?;
    if decoded.special.is_some_and(|special| special.is_fixed()) {
        return Err(Fault::Format);
    }
    Ok(decoded.time.micros())
}

fn read_timestamp(text: &str, clock: &Clock, zoned: bool) -> Result<i64, Fault> {
    let decoded = Decoder::new(clock, false).decode(&fields(text)?)?;
    match decoded.special {
        Some(Special::Epoch) => return Ok(UNIX_EPOCH_DAYS * MICROS_PER_DAY),
        Some(Special::Infinity) => return Ok(TIMESTAMP_LATE),
        Some(Special::NegativeInfinity) => return Ok(TIMESTAMP_EARLY),
        Some(Special::Now | Special::Today | Special::Tomorrow | Special::Yesterday | Special::Midnight) | None => {}
    }
    let range = Fault::Range("timestamp");
    let local = join_timestamp(decoded.date.days(), decoded.time.micros()).ok_or(range.clone())?;
    match decoded.zone {
        Some(zone) if zoned => timestamp_in_range(local - zone.offset_at(local) * MICROS_PER_SECOND).ok_or(range),
        Some(_) | None => Ok(local),
    }
}

/// Where a local time is.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// Seconds east of UTC.
    Offset(i64),
    Named(TimeZone),
}

impl Zone {
    /// A zone by its full name, abbreviation or offset, as `at time zone` takes it.
    pub(crate) fn find(name: &str) -> Result<Self, DatabaseError> {
        let lower = name.to_ascii_lowercase();
        if let Some(offset) = abbreviation(&lower) {
            return Ok(Self::Offset(offset));
        }
        named_zone(&lower).ok_or_else(|| unknown_zone(name))
    }

    /// Seconds east of UTC at a local time. A time that a transition skips is read by the offset before it, one
    /// that it repeats by the offset after it.
    pub(crate) fn offset_at(&self, local: i64) -> i64 {
        match self {
            Self::Offset(seconds) => *seconds,
            Self::Named(zone) => match zone.to_ambiguous_timestamp(jiff_datetime(local)).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset.seconds().into(),
                AmbiguousOffset::Gap { before, .. } => before.seconds().into(),
                AmbiguousOffset::Fold { after, .. } => after.seconds().into(),
            },
        }
    }

    /// Seconds east of UTC at a moment.
    pub(crate) fn offset_from(&self, moment: i64) -> i64 {
        match self {
            Self::Offset(seconds) => *seconds,
            Self::Named(zone) => {
                let seconds = moment.div_euclid(MICROS_PER_SECOND) - UNIX_EPOCH_DAYS * 86_400;
                let limited = seconds.clamp(-377_705_023_201, 253_402_207_200);
                jiff::Timestamp::from_second(limited).map_or(0, |moment| zone.to_offset(moment).seconds().into())
            }
        }
    }
}

fn unknown_zone(name: &str) -> DatabaseError {
    DatabaseError::new(INVALID_PARAMETER, format!("time zone \"{name}\" not recognized"))
}

fn jiff_datetime(local: i64) -> civil::DateTime {
    let (days, micros) = split_timestamp(local);
    let (date, time) = (Civil::from_days(days), DayTime::from_micros(micros));
    // Years beyond the zone tables have the offsets of the tables' ends.
    let year = date.year.clamp(-9_998, 9_998) as i16;
    let day = date.day.min(days_in_month(year.into(), date.month)) as i8;
    civil::DateTime::new(year, date.month as i8, day, time.hour as i8, time.minute as i8, time.second as i8, 0)
        .unwrap_or(civil::DateTime::ZERO)
}

/// A zone by name, or `utc+2` as POSIX writes it: west is positive.
fn named_zone(name: &str) -> Option<Zone> {
    if let Ok(zone) = TimeZone::get(name) {
        return Some(Zone::Named(zone));
    }
    let letters = name.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(name.len());
    let (letters, offset) = name.split_at(letters);
    let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "0"));
    let (sign, hours) = match hours.strip_prefix('-') {
        Some(hours) => (1, hours),
        None => (-1, hours.strip_prefix('+').unwrap_or(hours)),
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let fits = (letters.is_empty() || letters.len() >= 3) && hours <= 24 && minutes < 60;
    fits.then_some(Zone::Offset(sign * (hours * 3_600 + minutes * 60)))
}

/// The shape of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Number,
    Date,
    Time,
    /// A sign and digits.
    Zone,
    Word,
    /// A sign and letters.
    Special,
}

/// A piece of a date, time or interval, in lower case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) kind: FieldKind,
    pub(crate) text: String,
}

/// Cuts a text into fields by their shape.
pub(crate) fn fields(text: &str) -> Result<Vec<Field>, Fault> {
    let mut cutter = Cutter { rest: text.as_bytes(), text: String::new() };
    let mut fields = Vec::new();
    if text.len() > 150 {
        return Err(Fault::Format);
    }
    while let Some(&next) = cutter.rest.first() {
        let kind = match next {
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r' => {
                cutter.skip();
                continue;
            }
            b'0'..=b'9' => cutter.cut_digits(),
            b'.' => {
                cutter.take_while(|byte| byte == b'.');
                cutter.take_while(|byte| byte.is_ascii_digit());
                FieldKind::Number
            }
            b'a'..=b'z' | b'A'..=b'Z' => cutter.cut_letters(),
            b'+' | b'-' => cutter.cut_signed()?,
            next if next.is_ascii_punctuation() => {
                cutter.skip();
                continue;
            }
            _ => return Err(Fault::Format),
        };
        fields.push(Field { kind, text: std::mem::take(&mut cutter.text) });
        if fields.len() > 25 {
            return Err(Fault::Format);
        }
    }
    Ok(fields)
}

struct Cutter<'a> {
    rest: &'a [u8],
    text: String,
}

impl Cutter<'_> {
    fn peek(&self) -> u8 {
        self.rest.first().copied().unwrap_or(0)
    }

    fn skip(&mut self) {
        self.rest = &self.rest[1..];
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while !self.rest.is_empty() && wanted(self.rest[0]) {
            self.text.push(self.rest[0].to_ascii_lowercase() as char);
            self.skip();
        }
    }

    fn cut_digits(&mut self) -> FieldKind {
        self.take_while(|byte| byte.is_ascii_digit());
        match self.peek() {
            b':' => {
                self.take_while(|byte| byte.is_ascii_digit() || byte == b':' || byte == b'.');
                FieldKind::Time
            }
            delimiter @ (b'-' | b'/' | b'.') => self.cut_date(delimiter),
            _ => FieldKind::Number,
        }
    }

    fn cut_date(&mut self, delimiter: u8) -> FieldKind {
        self.text.push(delimiter as char);
        self.skip();
        if !self.peek().is_ascii_digit() {
            self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == delimiter);
            // "15." is a number, "15-jan-2024" a date.
            return if self.text.ends_with('.') { FieldKind::Number } else { FieldKind::Date };
        }
        self.take_while(|byte| byte.is_ascii_digit());
        if self.peek() == delimiter {
            self.take_while(|byte| byte.is_ascii_digit() || byte == delimiter);
            return FieldKind::Date;
        }
        if delimiter == b'.' { FieldKind::Number } else { FieldKind::Date }
    }

    fn cut_letters(&mut self) -> FieldKind {
        self.take_while(|byte| byte.is_ascii_alphabetic());
        let joined = match self.peek() {
            b'-' | b'/' | b'.' => true,
            b'+' | b'0'..=b'9' => word(&self.text).is_none(),
            _ => false,
        };
        if !joined {
            return FieldKind::Word;
        }
        self.take_while(|byte| byte.is_ascii_alphanumeric() || b"+-/_.:".contains(&byte));
        FieldKind::Date
    }

    fn cut_signed(&mut self) -> Result<FieldKind, Fault> {
        self.text.push(self.peek() as char);
        self.skip();
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r') {
            self.skip();
        }
        if self.peek().is_ascii_digit() {
            self.take_while(|byte| byte.is_ascii_digit() || b":.-".contains(&byte));
            Ok(FieldKind::Zone)
        } else if self.peek().is_ascii_alphabetic() {
            self.take_while(|byte| byte.is_ascii_alphabetic());
            Ok(FieldKind::Special)
        } else {
            Err(Fault::Format)
        }
    }
}

/// `hh:mm`, `hh:mm:ss`, `hh:mm:ss.ffffff` and `mm:ss.ffffff`, in microseconds.
pub(crate) fn read_clock_time(text: &str) -> Result<i64, Fault> {
    let number = |text: &str| -> Result<i64, Fault> {
        match text {
            "" => Ok(0),
            text if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().map_err(|_| Fault::Field),
            _ => Err(Fault::Format),
        }
    };
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(clock, part)| (clock, Some(part)));
    let parts: Vec<&str> = clock.split(':').collect();
    let micro = fraction.map_or(Ok(0), read_micros)?;
    let (hour, minute, second) = match (parts.as_slice(), fraction.is_some()) {
        ([minute, second], true) => (0, number(minute)?, number(second)?),
        ([hour, minute], false) => (number(hour)?, number(minute)?, 0),
        ([hour, minute, second], _) => (number(hour)?, number(minute)?, number(second)?),
        _ => return Err(Fault::Format),
    };
    if minute > 59 || second > 60 || hour > i64::from(i32::MAX) {
        return Err(Fault::Field);
    }
    Ok(DayTime { hour, minute, second, micro }.micros())
}

fn read_micros(digits: &str) -> Result<i64, Fault> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Format);
    }
    let fraction: f64 = if digits.is_empty() { 0.0 } else { format!("0.{digits}").parse().unwrap_or(0.0) };
    Ok((fraction * 1e6).round_ties_even() as i64)
}

const YEAR: u16 = 1;
const MONTH: u16 = 2;
const DAY: u16 = 4;
const YEAR_MONTH: u16 = YEAR | MONTH;
const MONTH_DAY: u16 = MONTH | DAY;
const DATE: u16 = YEAR | MONTH | DAY;
const DAY_OF_YEAR: u16 = 8;
const TIME: u16 = 16;
const ZONE: u16 = 32;
const WEEKDAY: u16 = 64;
const MERIDIEM: u16 = 128;
const ERA: u16 = 256;

/// What a text meant.
struct Decoded {
    special: Option<Special>,
    date: Civil,
    time: DayTime,
    zone: Option<Zone>,
}

/// What the previous field asks of the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    JulianDay,
    /// After the `T` of ISO 8601.
    Time,
}

/// Fields read so far.
struct Decoder<'a> {
    clock: &'a Clock,
    time_only: bool,
    seen: u16,
    expected: Option<Expected>,
    year: i64,
    month: i64,
    day: i64,
    day_of_year: i64,
    julian: bool,
    text_month: bool,
    short_year: bool,
    before_christ: bool,
    afternoon: Option<bool>,
    time: i64,
    zone: Option<Zone>,
    special: Option<Special>,
}

impl<'a> Decoder<'a> {
    fn new(clock: &'a Clock, time_only: bool) -> Self {
        Self {
            clock,
            time_only,
            seen: 0,
            expected: None,
            year: 0,
            month: 0,
            day: 0,
            day_of_year: 0,
            julian: false,
            text_month: false,
            short_year: false,
            before_christ: false,
            afternoon: None,
            time: 0,
            zone: None,
            special: None,
        }
    }

    fn decode(mut self, fields: &[Field]) -> Result<Decoded, Fault> {
        for (index, field) in fields.iter().enumerate() {
            let found = match field.kind {
                FieldKind::Date => self.read_date_field(&field.text)?,
                FieldKind::Time => {
                    self.expected = None;
                    self.time = read_clock_time(&field.text)?;
                    TIME
                }
                FieldKind::Zone => {
                    self.zone = Some(Zone::Offset(read_offset(&field.text)?));
                    ZONE
                }
                FieldKind::Number => self.read_number_field(&field.text)?,
                FieldKind::Word | FieldKind::Special => self.read_word(&field.text, fields.get(index + 1))?,
            };
            if found & self.seen != 0 {
                return Err(Fault::Format);
            }
            self.seen |= found;
        }
        self.finish()
    }

    fn read_date_field(&mut self, text: &str) -> Result<u16, Fault> {
        let digits_first = text.starts_with(|c: char| c.is_ascii_digit());
        if self.seen & (MONTH | DAY) == MONTH | DAY || self.expected.is_some() || (self.time_only && !digits_first) {
            if !digits_first && self.expected.is_none() {
                self.zone = Some(named_zone(text).ok_or_else(|| Fault::UnknownZone(text.to_owned()))?);
                return Ok(ZONE);
            }
            // "t040506.789-08": a time that runs into its zone.
            self.expected = None;
            let at = text.find('-').ok_or(Fault::Format)?;
            self.zone = Some(Zone::Offset(read_offset(&text[at..])?));
            return Ok(self.read_run_together(&text[..at])? | ZONE);
        }
        self.read_date(text)
    }

    /// A date whose parts are joined by `-`, `/` or `.`.
    fn read_date(&mut self, text: &str) -> Result<u16, Fault> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let same_kind = |c: char| {
                c.is_ascii_digit() == first.is_ascii_digit() && c.is_ascii_alphabetic() == first.is_ascii_alphabetic()
            };
            let end = rest.find(|c| !same_kind(c)).unwrap_or(rest.len());
            if first.is_ascii_alphanumeric() {
                parts.push(&rest[..end]);
            }
            rest = &rest[end..];
        }
        let mut found = 0;
        for part in parts.iter().filter(|part| part.starts_with(|c: char| c.is_ascii_alphabetic())) {
            match word(part) {
                Some(Word::Month(month)) if found & MONTH == 0 => {
                    self.month = month;
                    self.text_month = true;
                    found |= MONTH;
                }
                Some(Word::Ignored) => {}
                _ => return Err(Fault::Format),
            }
        }
        for part in parts.iter().filter(|part| part.starts_with(|c: char| c.is_ascii_digit())) {
            let bits = self.read_number(part, self.seen | found)?;
            if bits & (self.seen | found) != 0 {
                return Err(Fault::Format);
            }
            found |= bits;
        }
        if (self.seen | found) & DATE != DATE {
            return Err(Fault::Format);
        }
        Ok(found)
    }

    fn read_number_field(&mut self, text: &str) -> Result<u16, Fault> {
        match self.expected.take() {
            Some(Expected::JulianDay) => return self.read_julian(text),
            Some(Expected::Time) => return self.read_run_together(text),
            None => {}
        }
        if self.time_only {
            return self.read_run_together(text);
        }
        let point = text.find('.');
        let dated = self.seen & DATE == DATE;
        if point.is_some() && !dated {
            self.read_date(text)
        } else if point.is_some_and(|at| at > 2) || (text.len() >= 6 && (!dated || self.seen & TIME == 0)) {
            self.read_run_together(text)
        } else {
            self.read_number(text, self.seen)
        }
    }

    /// A number means what is missing next, in the order month, day, year.
    fn read_number(&mut self, text: &str, seen: u16) -> Result<u16, Fault> {
        if text.contains('.') {
            return if text.find('.').is_some_and(|at| at > 2) {
                self.read_run_together(text)
            } else {
                Err(Fault::Format)
            };
        }
        let value: i64 = text.parse().map_err(|_| Fault::Field)?;
        if value > i64::from(i32::MAX) {
            return Err(Fault::Field);
        }
        let length = text.len();
        if length == 3 && seen & DATE == YEAR && (1..=366).contains(&value) {
            self.day_of_year = value;
            return Ok(DAY_OF_YEAR | MONTH | DAY);
        }
        let found = match seen & DATE {
            0 if length >= 3 => YEAR,
            0 | YEAR | DAY => MONTH,
            MONTH if self.text_month && length >= 3 => YEAR,
            YEAR_MONTH if self.text_month && length >= 3 && self.short_year => {
                self.day = self.year;
                self.year = value;
                self.short_year = false;
                return Ok(DAY);
            }
            MONTH | YEAR_MONTH => DAY,
            MONTH_DAY => YEAR,
            DATE => return self.read_run_together(text),
            _ => return Err(Fault::Format),
        };
        match found {
            YEAR => {
                self.year = value;
                self.short_year = length <= 2;
            }
            MONTH => self.month = value,
            _ => self.day = value,
        }
        Ok(found)
    }

    /// `yyyymmdd`, `yymmdd`, `hhmmss`, `hhmm`, and a time's fraction.
    fn read_run_together(&mut self, text: &str) -> Result<u16, Fault> {
        let (digits, fraction) = text.split_once('.').map_or((text, None), |(digits, part)| (digits, Some(part)));
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::Format);
        }
        let number = |range: std::ops::Range<usize>| digits[range].parse::<i64>().map_err(|_| Fault::Field);
        let length = digits.len();
        let dated = self.time_only || self.seen & DATE == DATE;
        if fraction.is_none() && !dated && length >= 6 {
            self.year = number(0..length - 4)?;
            self.month = number(length - 4..length - 2)?;
            self.day = number(length - 2..length)?;
            self.short_year = length == 6;
            return Ok(DATE);
        }
        if self.seen & TIME == 0 && (length == 6 || length == 4) {
            let second = if length == 6 { number(4..6)? } else { 0 };
            let micro = fraction.map_or(Ok(0), read_micros)?;
            let (hour, minute) = (number(0..2)?, number(2..4)?);
            if minute > 59 || second > 60 {
                return Err(Fault::Field);
            }
            self.time = DayTime { hour, minute, second, micro }.micros();
            return Ok(TIME);
        }
        Err(Fault::Format)
    }

    fn read_julian(&mut self, text: &str) -> Result<u16, Fault> {
        let (day, fraction) = text.split_once('.').map_or((text, None), |(day, part)| (day, Some(part)));
        let julian: i64 = day.parse().map_err(|_| Fault::Field)?;
        self.set_date(Civil::from_days(julian.min(i64::from(i32::MAX)) + JULIAN_DAY_ZERO));
        let Some(fraction) = fraction else { return Ok(DATE) };
        let part: f64 = format!("0.{fraction}").parse().map_err(|_| Fault::Format)?;
        self.time = (part * MICROS_PER_DAY as f64) as i64;
        Ok(DATE | TIME)
    }

    fn set_date(&mut self, date: Civil) {
        (self.year, self.month, self.day, self.julian) = (date.year, date.month, date.day, true);
    }

    fn read_word(&mut self, text: &str, next: Option<&Field>) -> Result<u16, Fault> {
        if let Some(offset) = abbreviation(text) {
            self.zone = Some(Zone::Offset(offset));
            return Ok(ZONE);
        }
        match word(text) {
            Some(Word::Ignored) => Ok(0),
            Some(Word::Special(special)) => Ok(self.read_special(special)),
            Some(Word::Month(month)) => Ok(self.read_month(month)),
            Some(Word::Weekday) => Ok(WEEKDAY),
            Some(Word::Named(Named::Am | Named::Pm)) => {
                self.afternoon = Some(text == "pm");
                Ok(MERIDIEM)
            }
            Some(Word::Named(Named::Bc | Named::Ad)) => {
                self.before_christ = text == "bc";
                Ok(ERA)
            }
            Some(Word::Named(Named::Julian)) => {
                self.expected = Some(Expected::JulianDay);
                Ok(0)
            }
            Some(Word::Named(Named::IsoTime)) => {
                let timed = |field: &Field| matches!(field.kind, FieldKind::Number | FieldKind::Time | FieldKind::Date);
                if (!self.time_only && self.seen & DATE != DATE) || !next.is_some_and(timed) {
                    return Err(Fault::Format);
                }
                self.expected = Some(Expected::Time);
                Ok(0)
            }
            None => {
                self.zone = Some(named_zone(text).ok_or(Fault::Format)?);
                Ok(ZONE)
            }
        }
    }

    /// A month's name after a number that was taken for the month: that number was the day.
    fn read_month(&mut self, month: i64) -> u16 {
        let moved =
            self.seen & MONTH != 0 && !self.text_month && self.seen & DAY == 0 && (1..=31).contains(&self.month);
        if moved {
            self.day = self.month;
        }
        self.text_month = true;
        self.month = month;
        if moved { DAY } else { MONTH }
    }

    fn read_special(&mut self, special: Special) -> u16 {
        let (today, time) = split_timestamp(self.clock.timestamptz());
        let shift = match special {
            Special::Epoch | Special::Infinity | Special::NegativeInfinity => {
                self.special = Some(special);
                return DATE | TIME | ZONE;
            }
            Special::Midnight => {
                self.zone = Some(Zone::Offset(0));
                return TIME | ZONE;
            }
            Special::Now | Special::Today => 0,
            Special::Tomorrow => 1,
            Special::Yesterday => -1,
        };
        self.set_date(Civil::from_days(today + shift));
        if special == Special::Now {
            self.time = time;
            self.zone = Some(Zone::Offset(0));
            return DATE | TIME | ZONE;
        }
        DATE
    }

    fn finish(mut self) -> Result<Decoded, Fault> {
        let (date, time) = (Civil { year: 2000, month: 1, day: 1 }, DayTime::from_micros(0));
        if self.expected.is_some() {
            return Err(Fault::Format);
        }
        if self.special.is_some() {
            return Ok(Decoded { special: self.special, date, time, zone: None });
        }
        let wanted = if self.time_only { TIME } else { DATE };
        let dated = self.seen & DATE != 0;
        if self.seen & wanted != wanted || (dated && self.seen & DATE != DATE) {
            return Err(Fault::Format);
        }
        let date = if dated { self.valid_date()? } else { date };
        self.apply_meridiem()?;
        if self.time > MICROS_PER_DAY + if self.time % MICROS_PER_DAY == 0 { 0 } else { -1 } {
            return Err(Fault::Field);
        }
        Ok(Decoded { special: None, date, time: DayTime::from_micros(self.time), zone: self.zone })
    }

    fn apply_meridiem(&mut self) -> Result<(), Fault> {
        let Some(afternoon) = self.afternoon else { return Ok(()) };
        let mut time = DayTime::from_micros(self.time);
        if time.hour > 12 {
            return Err(Fault::Field);
        }
        time.hour = time.hour % 12 + if afternoon { 12 } else { 0 };
        self.time = time.micros();
        Ok(())
    }

    fn valid_date(&self) -> Result<Civil, Fault> {
        let year = match self.year {
            year if self.julian => year,
            year if self.before_christ && year > 0 => 1 - year,
            year if year <= 0 && (self.before_christ || !self.short_year) => return Err(Fault::Field),
            year if !self.before_christ && self.short_year => year + if year < 70 { 2_000 } else { 1_900 },
            year => year,
        };
        if self.day_of_year > 0 {
            return Ok(Civil::from_days(Civil { year, month: 1, day: 1 }.days() + self.day_of_year - 1));
        }
        if !(1..=12).contains(&self.month) || !(1..=31).contains(&self.day) {
            return Err(Fault::MonthDay);
        }
        if self.day > days_in_month(year, self.month) {
            return Err(Fault::Field);
        }
        Ok(Civil { year, month: self.month, day: self.day })
    }
}

/// `+hh`, `+hhmm`, `+hh:mm`, `+hh:mm:ss`, in seconds east of UTC.
fn read_offset(text: &str) -> Result<i64, Fault> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| Fault::Format);
    let digits = text.get(1..).ok_or(Fault::Format)?;
    let parts: Vec<&str> = digits.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours] if hours.len() > 2 => (number(hours)? / 100, number(hours)? % 100, 0),
        [hours] => (number(hours)?, 0, 0),
        [hours, minutes] => (number(hours)?, number(minutes)?, 0),
        [hours, minutes, seconds] => (number(hours)?, number(minutes)?, number(seconds)?),
        _ => return Err(Fault::Format),
    };
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Fault::ZoneDisplacement);
    }
    let offset = hours * 3_600 + minutes * 60 + seconds;
    Ok(if text.starts_with('-') { -offset } else { offset })
}
