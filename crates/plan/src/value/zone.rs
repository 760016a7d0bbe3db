//! Time zones by name or by hours from UTC, and times shown in them.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::calendar::{TIMESTAMP_EARLY, TIMESTAMP_LATE};
use super::format::write_timestamp;

/// Microseconds between the Unix epoch and PostgreSQL's (2000-01-01).
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// A time zone that PostgreSQL knows as well.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// The zone with this name (`Europe/Berlin`), or so many hours east of UTC (`-4`, `5.5`).
    pub fn named(name: &str) -> Option<Self> {
        if name.len() > 64 {
            return None;
        }
        let zone = match hours(name) {
            Some(seconds) => Offset::from_seconds(seconds).ok()?.to_time_zone(),
            None => TimeZone::get(name).ok().filter(|_| name.starts_with(|c: char| c.is_ascii_alphabetic()))?,
        };
        Some(Self { name: name.to_owned(), zone })
    }

    /// As the caller wrote it, which PostgreSQL understands too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes a canonical `timestamptz` as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>, micros: i64) {
        out.push(b'"');
        self.write(out, micros, b'T', |offset| format!("{}:{:02}", signed_hours(offset), minutes(offset)));
        out.push(b'"');
    }

    /// Writes a canonical `timestamptz` as PostgreSQL's text.
    pub fn write_text(&self, out: &mut Vec<u8>, micros: i64) {
        self.write(out, micros, b' ', |offset| match minutes(offset) {
            0 => signed_hours(offset),
            minutes => format!("{}:{minutes:02}", signed_hours(offset)),
        });
    }

    fn write(&self, out: &mut Vec<u8>, micros: i64, separator: u8, offset_text: impl Fn(i32) -> String) {
        if micros == TIMESTAMP_EARLY || micros == TIMESTAMP_LATE {
            return write_timestamp(out, micros, separator, "");
        }
        let at = Timestamp::from_microsecond(micros.saturating_add(POSTGRES_EPOCH));
        // Beyond the calendar of the library there are no rules of zones either.
        let offset = at.map_or(0, |at| self.zone.to_offset(at).seconds());
        let mut text = offset_text(offset);
        if offset % 60 != 0 {
            text.push_str(&format!(":{:02}", offset.unsigned_abs() % 60));
        }
        write_timestamp(out, micros.saturating_add(i64::from(offset) * 1_000_000), separator, &text);
    }
}

/// Seconds, of a number of hours less than a day.
fn hours(text: &str) -> Option<i32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    let hours: f64 = text.parse().ok().filter(|_| is_number)?;
    #[expect(clippy::cast_possible_truncation, reason = "it is less than a day")]
    (hours.abs() < 24.0).then(|| (hours * 3600.0).round() as i32)
}

fn signed_hours(offset: i32) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    format!("{sign}{:02}", offset.unsigned_abs() / 3600)
}

fn minutes(offset: i32) -> u32 {
    offset.unsigned_abs() / 60 % 60
}
