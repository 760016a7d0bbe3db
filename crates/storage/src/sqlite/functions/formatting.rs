//! `to_char`, `to_date` and `to_timestamp`, for the templates that PostgreSQL's manual lists.

use roadbed_plan::value::arithmetic::{extract, make_date, numeric_round};
use roadbed_plan::value::{cast, to_text};
use roadbed_plan::{DatabaseError, Type, Value};

use super::call::{Call, Outcome};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The patterns of dates and times, longest first where one begins like another.
const PATTERNS: &[&str] = &[
    "HH24", "HH12", "HH", "MI", "SSSSS", "SSSS", "SS", "MS", "US", "AM", "PM", "A.M.", "P.M.", "am", "pm", "a.m.",
    "p.m.", "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "IDDD", "ID", "IW", "I", "BC", "AD", "B.C.",
    "A.D.", "MONTH", "Month", "month", "MON", "Mon", "mon", "MM", "DAY", "Day", "day", "DY", "Dy", "dy", "DDD", "DD",
    "D", "WW", "W", "CC", "J", "Q", "RM", "rm", "TZ", "tz", "OF", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6",
];

/// A piece of a template.
enum Piece<'t> {
    Pattern {
        name: &'t str,
        /// `FM`: without padding.
        bare: bool,
        /// `TH` or `th`
        ordinal: Option<&'t str>,
    },
    Text(String),
}

fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let mut bare = false;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("FM") {
            (bare, rest) = (true, after);
            continue;
        }
        if let Some(after) = rest.strip_prefix('"') {
            let end = after.find('"').unwrap_or(after.len());
            pieces.push(Piece::Text(after[..end].to_owned()));
            rest = after.get(end + 1..).unwrap_or("");
            continue;
        }
        let found = PATTERNS.iter().find_map(|name| {
            let plain = rest.get(..name.len())?;
            // Words of letters' cases are patterns of their own; numbers are read in any case.
            let same = plain == *name || (plain.eq_ignore_ascii_case(name) && !is_word(name));
            same.then_some((*name, &rest[name.len()..]))
        });
        let Some((name, after)) = found else {
            pieces.push(Piece::Text(first.to_string()));
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let ordinal = ["TH", "th"].into_iter().find(|ordinal| after.starts_with(ordinal));
        rest = ordinal.map_or(after, |ordinal| &after[ordinal.len()..]);
        pieces.push(Piece::Pattern { name, bare, ordinal });
        bare = false;
    }
    pieces
}

fn is_word(name: &str) -> bool {
    ["MONTH", "MON", "DAY", "DY", "AM", "PM", "A.M.", "P.M.", "BC", "AD", "RM", "TZ"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(name))
}

pub(super) fn to_char(call: &Call<'_>) -> Outcome {
    match call.ty(0).base() {
        Type::Timestamp | Type::Timestamptz | Type::Interval => moment_text(call),
        _ => number_text(call),
    }
}

/// The fields of a moment or interval.
struct Fields<'c> {
    value: &'c Value,
    ty: &'c Type,
}

impl Fields<'_> {
    fn get(&self, field: &str) -> Result<i64, DatabaseError> {
        let found = extract(field, self.value, self.ty)?;
        Ok(match found {
            Value::Text(text) => text.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0),
            Value::Int(int) => int,
            Value::Float(float) => float as i64,
            Value::Null | Value::Bool(_) | Value::Bytes(_) => 0,
        })
    }
}

fn moment_text(call: &Call<'_>) -> Outcome {
    if matches!(call.arg(0), Value::Int(i64::MIN | i64::MAX)) {
        return Ok(Value::Null);
    }
    let fields = Fields { value: call.arg(0), ty: call.ty(0).base() };
    let mut out = String::new();
    for piece in pieces(call.text(1)) {
        match piece {
            Piece::Text(text) => out.push_str(&text),
            Piece::Pattern { name, bare, ordinal } => {
                let shown = field_text(name, bare, &fields)?;
                out.push_str(&shown);
                if let Some(ordinal) = ordinal {
                    let ending = ordinal_ending(&shown);
                    out.push_str(&if ordinal == "TH" { ending.to_uppercase() } else { ending.to_owned() });
                }
            }
        }
    }
    Ok(Value::text(out))
}

fn ordinal_ending(number: &str) -> &'static str {
    let tens = number.len() >= 2 && number.as_bytes()[number.len() - 2] == b'1';
    match number.as_bytes().last() {
        _ if tens => "th",
        Some(b'1') => "st",
        Some(b'2') => "nd",
        Some(b'3') => "rd",
        _ => "th",
    }
}

fn field_text(name: &str, bare: bool, fields: &Fields<'_>) -> Result<String, DatabaseError> {
    let padded = |number: i64, width: usize| {
        if bare { number.to_string() } else { format!("{}{:0width$}", if number < 0 { "-" } else { "" }, number.abs()) }
    };
    let is_interval = *fields.ty == Type::Interval;
    let year = || fields.get("year").map(|year| if year <= 0 && !is_interval { 1 - year - 1 } else { year });
    let micros = || fields.get("microseconds").map(|micros| micros.rem_euclid(1_000_000));
    let hour = || fields.get("hour");
    let word = |text: &str, width: usize| if bare { text.to_owned() } else { format!("{text:width$}") };
    Ok(match name {
        "HH24" => padded(hour()?, 2),
        "HH12" | "HH" => padded((hour()? + 11).rem_euclid(12) + 1, 2),
        "MI" => padded(fields.get("minute")?, 2),
        "SS" => padded(fields.get("second")?, 2),
        "SSSSS" | "SSSS" => (hour()? * 3600 + fields.get("minute")? * 60 + fields.get("second")?).to_string(),
        "MS" => padded(micros()? / 1000, 3),
        "US" => padded(micros()?, 6),
        "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
            let digits = usize::from(name.as_bytes()[2] - b'0');
            format!("{:06}", micros()?)[..digits].to_owned()
        }
        "AM" | "PM" => if hour()? < 12 { "AM" } else { "PM" }.to_owned(),
        "am" | "pm" => if hour()? < 12 { "am" } else { "pm" }.to_owned(),
        "A.M." | "P.M." => if hour()? < 12 { "A.M." } else { "P.M." }.to_owned(),
        "a.m." | "p.m." => if hour()? < 12 { "a.m." } else { "p.m." }.to_owned(),
        "Y,YYY" => {
            let year = year()?;
            format!("{},{:03}", year / 1000, year % 1000)
        }
        "YYYY" => padded(year()?, 4),
        "YYY" => padded(year()? % 1000, 3),
        "YY" => padded(year()? % 100, 2),
        "Y" => (year()? % 10).to_string(),
        "IYYY" => padded(fields.get("isoyear")?, 4),
        "IYY" => padded(fields.get("isoyear")? % 1000, 3),
        "IY" => padded(fields.get("isoyear")? % 100, 2),
        "I" => (fields.get("isoyear")? % 10).to_string(),
        "BC" | "AD" => if fields.get("year")? < 0 { "BC" } else { "AD" }.to_owned(),
        "B.C." | "A.D." => if fields.get("year")? < 0 { "B.C." } else { "A.D." }.to_owned(),
        "MM" => padded(fields.get("month")?, 2),
        "DD" => padded(fields.get("day")?, 2),
        _ => return calendar_text(name, fields, (&padded, &word)),
    })
}

type Padded<'p> = &'p dyn Fn(i64, usize) -> String;
type Word<'p> = &'p dyn Fn(&str, usize) -> String;

/// Fields that only dates have.
fn calendar_text(
    name: &str,
    fields: &Fields<'_>,
    (padded, word): (Padded<'_>, Word<'_>),
) -> Result<String, DatabaseError> {
    let month = || fields.get("month").map(|month| MONTHS[usize::try_from(month - 1).unwrap_or(0) % 12]);
    let day = || fields.get("dow").map(|day| DAYS[usize::try_from(day).unwrap_or(0) % 7]);
    if *fields.ty == Type::Interval && !matches!(name, "J" | "Q" | "RM" | "rm") {
        return Err(DatabaseError::new("22007", "invalid format specification for an interval value")
            .hint("Intervals are not tied to specific calendar dates."));
    }
    Ok(match name {
        "MONTH" => word(&month()?.to_uppercase(), 9),
        "Month" => word(month()?, 9),
        "month" => word(&month()?.to_lowercase(), 9),
        "MON" => month()?[..3].to_uppercase(),
        "Mon" => month()?[..3].to_owned(),
        "mon" => month()?[..3].to_lowercase(),
        "DAY" => word(&day()?.to_uppercase(), 9),
        "Day" => word(day()?, 9),
        "day" => word(&day()?.to_lowercase(), 9),
        "DY" => day()?[..3].to_uppercase(),
        "Dy" => day()?[..3].to_owned(),
        "dy" => day()?[..3].to_lowercase(),
        "DDD" => padded(fields.get("doy")?, 3),
        "D" => (fields.get("dow")? + 1).to_string(),
        "ID" => fields.get("isodow")?.to_string(),
        "IDDD" => padded((fields.get("week")? - 1) * 7 + fields.get("isodow")?, 3),
        "IW" => padded(fields.get("week")?, 2),
        "WW" => padded((fields.get("doy")? - 1) / 7 + 1, 2),
        "W" => ((fields.get("day")? - 1) / 7 + 1).to_string(),
        "CC" => padded(fields.get("century")?, 2),
        "Q" => fields.get("quarter")?.to_string(),
        "J" => fields.get("julian")?.to_string(),
        "RM" | "rm" => {
            const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
            let text = ROMAN[usize::try_from(fields.get("month")? - 1).unwrap_or(0) % 12];
            word(&if name == "RM" { text.to_owned() } else { text.to_lowercase() }, 4)
        }
        "TZ" if *fields.ty == Type::Timestamptz => "UTC".to_owned(),
        "tz" if *fields.ty == Type::Timestamptz => "utc".to_owned(),
        "OF" => "+00".to_owned(),
        _ => String::new(),
    })
}

/// What a number's template asks for.
#[derive(Default)]
struct NumberShape {
    whole: Vec<char>,
    part: Vec<char>,
    bare: bool,
    has_point: bool,
    sign: Option<&'static str>,
    prefix: String,
    suffix: String,
    ordinal: Option<&'static str>,
}

fn number_shape(template: &str) -> Result<NumberShape, DatabaseError> {
    let mut shape = NumberShape::default();
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        let upper: String = rest.chars().take(2).collect::<String>().to_ascii_uppercase();
        let mut length = 2.min(rest.len());
        match upper.as_str() {
            "FM" => shape.bare = true,
            "MI" => shape.sign = Some("MI"),
            "PL" => shape.sign = Some("PL"),
            "SG" => shape.sign = Some("SG"),
            "PR" => shape.sign = Some("PR"),
            "TH" => shape.ordinal = Some(if rest.starts_with("TH") { "TH" } else { "th" }),
            "RN" | "EE" => {
                return Err(DatabaseError::new("0A000", format!("the number format `{template}` is not supported")));
            }
            _ => {
                length = first.len_utf8();
                match first {
                    '9' | '0' | ',' | 'G' | 'g' => {
                        let wanted = if matches!(first, 'G' | 'g') { ',' } else { first };
                        if shape.has_point { shape.part.push(wanted) } else { shape.whole.push(wanted) }
                    }
                    '.' | 'D' | 'd' => shape.has_point = true,
                    'S' | 's' => shape.sign = Some(if shape.whole.is_empty() && !shape.has_point { "S" } else { "S$" }),
                    '"' => {
                        let after = &rest[1..];
                        let end = after.find('"').unwrap_or(after.len());
                        literal(&mut shape, &after[..end]);
                        length = (end + 2).min(rest.len());
                    }
                    'L' | 'l' => literal(&mut shape, " "),
                    other => literal(&mut shape, other.encode_utf8(&mut [0; 4])),
                }
            }
        }
        rest = &rest[length..];
    }
    Ok(shape)
}

fn literal(shape: &mut NumberShape, text: &str) {
    let before = shape.whole.is_empty() && !shape.has_point;
    if before { shape.prefix.push_str(text) } else { shape.suffix.push_str(text) }
}

fn number_text(call: &Call<'_>) -> Outcome {
    let shape = number_shape(call.text(1))?;
    let text = match (call.arg(0), call.ty(0).base()) {
        (Value::Float(_), ty) => {
            let numeric = cast(call.arg(0), ty, &Type::Numeric(None), call.clock)?;
            to_text(&numeric, &Type::Numeric(None))
        }
        (value, ty) => to_text(value, ty),
    };
    let decimals = shape.part.iter().filter(|c| **c != ',').count();
    let rounded = numeric_round(&text, decimals as i64)?;
    let negative = rounded.starts_with('-') && rounded.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    let rounded = rounded.trim_start_matches('-');
    let (whole, part) = rounded.split_once('.').unwrap_or((rounded, ""));
    let (digits, width) = whole_digits(&shape, whole.trim_start_matches('0'));
    let mut number = digits;
    if shape.has_point {
        number.push('.');
        let too_long = number.contains('#');
        number.push_str(&if too_long { "#".repeat(decimals) } else { part_digits(&shape, part) });
    }
    let ordinal = shape.ordinal.filter(|_| !negative && decimals == 0).map_or_else(String::new, |ordinal| {
        let ending = ordinal_ending(&number);
        if ordinal == "TH" { ending.to_uppercase() } else { ending.to_owned() }
    });
    let signed = signed(&shape, number, negative);
    let padded = if shape.bare {
        signed
    } else {
        let tail = signed.chars().count();
        let wanted = width + usize::from(shape.has_point) + shape.part.len() + sign_width(&shape);
        format!("{}{signed}", " ".repeat(wanted.saturating_sub(tail)))
    };
    Ok(Value::text(format!("{}{padded}{ordinal}{}", shape.prefix, shape.suffix)))
}

fn sign_width(shape: &NumberShape) -> usize {
    match shape.sign {
        Some("PR") => 2,
        _ => 1,
    }
}

/// The digits before the point, and how wide the template is there.
fn whole_digits(shape: &NumberShape, whole: &str) -> (String, usize) {
    let places = shape.whole.iter().filter(|c| **c != ',').count();
    let width = shape.whole.len();
    if whole.len() > places {
        return (shape.whole.iter().map(|c| if *c == ',' { ',' } else { '#' }).collect(), width);
    }
    let mut digits = whole.chars().rev();
    let forced = shape.whole.iter().position(|c| *c == '0').map_or(0, |first| width - first);
    let mut out = Vec::new();
    let mut left = whole.len();
    for (place, wanted) in shape.whole.iter().rev().enumerate() {
        let shown = left > 0 || place < forced;
        match wanted {
            ',' if shown => out.push(','),
            ',' => {}
            _ => match digits.next() {
                Some(digit) => {
                    out.push(digit);
                    left -= 1;
                }
                None if shown => out.push('0'),
                None => {}
            },
        }
    }
    // Without a fraction, zero still shows a digit.
    if out.is_empty() && places > 0 && !shape.has_point {
        out.push('0');
    }
    (out.into_iter().rev().collect(), width)
}

fn part_digits(shape: &NumberShape, part: &str) -> String {
    if !shape.bare {
        return part.to_owned();
    }
    let kept = shape.part.iter().rposition(|c| *c == '0').map_or(0, |last| last + 1);
    let trimmed = part.trim_end_matches('0');
    part[..trimmed.len().max(kept).min(part.len())].to_owned()
}

fn signed(shape: &NumberShape, number: String, negative: bool) -> String {
    match (shape.sign, negative) {
        (Some("S" | "SG"), _) => format!("{}{number}", if negative { '-' } else { '+' }),
        (Some("S$"), _) => format!("{number}{}", if negative { '-' } else { '+' }),
        (Some("MI"), true) => format!("{number}-"),
        (Some("MI"), false) if shape.bare => number,
        (Some("MI"), false) => format!("{number} "),
        (Some("PL"), false) => format!("{number}+"),
        (Some("PR"), true) => format!("<{number}>"),
        (Some("PR"), false) if !shape.bare => format!(" {number} "),
        (_, true) => format!("-{number}"),
        (_, false) => number,
    }
}

/// What a template found in a text.
struct Found {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    afternoon: Option<bool>,
}

pub(super) fn to_date(call: &Call<'_>) -> Outcome {
    let found = read_moment(call.text(0), call.text(1))?;
    make_date(found.year, found.month, found.day).map(Value::Int)
}

pub(super) fn to_timestamp(call: &Call<'_>) -> Outcome {
    let found = read_moment(call.text(0), call.text(1))?;
    let days = make_date(found.year, found.month, found.day)?;
    let hour = match found.afternoon {
        Some(afternoon) => found.hour % 12 + if afternoon { 12 } else { 0 },
        None => found.hour,
    };
    let seconds = (days * 24 + hour) * 3600 + found.minute * 60 + found.second;
    Ok(Value::Int(seconds * 1_000_000 + found.micros))
}

fn read_moment(text: &str, template: &str) -> Result<Found, DatabaseError> {
    let mut found = Found { year: 1, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0, afternoon: None };
    let mut rest = text;
    for piece in pieces(template) {
        rest = rest.trim_start();
        match piece {
            Piece::Text(text) => {
                if text.trim().is_empty() {
                    continue;
                }
                let skipped = rest.chars().next().filter(|c| !c.is_alphanumeric()).map_or(0, char::len_utf8);
                rest = &rest[skipped..];
            }
            Piece::Pattern { name, .. } => rest = read_field(&mut found, name, rest)?,
        }
    }
    Ok(found)
}

fn read_field<'t>(found: &mut Found, name: &str, text: &'t str) -> Result<&'t str, DatabaseError> {
    let named = |names: &[&str]| {
        names.iter().position(|known| {
            let length = if name.len() == 3 { 3 } else { known.len() };
            text.get(..length).is_some_and(|start| start.eq_ignore_ascii_case(&known[..length]))
        })
    };
    match name.to_ascii_uppercase().as_str() {
        "MONTH" | "MON" => {
            let Some(month) = named(&MONTHS) else { return Err(invalid_field(text, name)) };
            found.month = month as i64 + 1;
            return Ok(text.trim_start_matches(|c: char| c.is_alphabetic()));
        }
        "DAY" | "DY" => return Ok(text.trim_start_matches(|c: char| c.is_alphabetic())),
        "AM" | "PM" | "A.M." | "P.M." => {
            found.afternoon = Some(text.starts_with(['p', 'P']));
            return Ok(text.trim_start_matches(|c: char| c.is_alphabetic() || c == '.'));
        }
        "TZ" | "OF" => return Ok(text.trim_start_matches(|c: char| !c.is_whitespace())),
        _ => {}
    }
    let longest = match name {
        "YYYY" | "Y,YYY" | "IYYY" => 4,
        "YYY" | "MS" | "DDD" => 3,
        "US" => 6,
        "SSSSS" | "SSSS" => 5,
        "Y" | "D" | "ID" | "Q" | "W" => 1,
        _ => 2,
    };
    let end = text.bytes().take(longest).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(end);
    let number: i64 = digits.parse().map_err(|_| invalid_field(text, name))?;
    match name {
        "YYYY" | "Y,YYY" | "IYYY" => found.year = number,
        "YYY" | "YY" | "Y" => found.year = if number < 70 { 2000 + number } else { 1900 + number },
        "MM" => found.month = number,
        "DD" => found.day = number,
        "HH24" => found.hour = number,
        "HH12" | "HH" => {
            found.hour = number;
            if !(1..=12).contains(&number) {
                let message = format!("hour \"{number}\" is invalid for the 12-hour clock");
                let hint = "Use the 24-hour clock, or give an hour between 1 and 12.";
                return Err(DatabaseError::new("22007", message).hint(hint));
            }
        }
        "MI" => found.minute = number,
        "SS" => found.second = number,
        "MS" | "US" => found.micros = number * 10_i64.pow(6 - end as u32),
        _ => {}
    }
    Ok(rest)
}

fn invalid_field(text: &str, name: &str) -> DatabaseError {
    let shown: String = text.chars().take(name.len()).collect();
    DatabaseError::new("22007", format!("invalid value \"{shown}\" for \"{name}\""))
        .details("Value must be an integer.")
}
