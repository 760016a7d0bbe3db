//! `like`, `ilike` and regular expressions, with compiled patterns kept for as long as a statement lives.

use roadbed_plan::value::{RegexOptions, regex, regex_with};
use roadbed_plan::{DatabaseError, Value};
use rusqlite::Connection;
use rusqlite::functions::Context;
use rusqlite::types::ValueRef;

use super::arrays::array_of;
use super::call::{Call, Outcome};
use super::{PURE, failure};

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    for (name, any_case) in [("text_like", false), ("text_ilike", true)] {
        connection.create_scalar_function(name, 2, PURE, move |ctx: &Context<'_>| {
            let (ValueRef::Text(text), ValueRef::Text(_)) = (ctx.get_raw(0), ctx.get_raw(1)) else { return Ok(None) };
            let pattern =
                ctx.get_or_create_aux(1, |pattern| compiled(pattern, |text| Ok(LikePattern::new(text, any_case))))?;
            pattern.matches(std::str::from_utf8(text)?).map(Some).map_err(|error| failure(&error))
        })?;
    }
    for (name, any_case) in [("text_regex", false), ("text_iregex", true)] {
        connection.create_scalar_function(name, 2, PURE, move |ctx: &Context<'_>| {
            let (ValueRef::Text(text), ValueRef::Text(_)) = (ctx.get_raw(0), ctx.get_raw(1)) else { return Ok(None) };
            let pattern = ctx.get_or_create_aux(1, |pattern| compiled(pattern, |text| regex(text, any_case)))?;
            Ok(Some(pattern.is_match(std::str::from_utf8(text)?)))
        })?;
    }
    Ok(())
}

fn compiled<T>(
    pattern: ValueRef<'_>,
    compile: impl FnOnce(&str) -> Result<T, DatabaseError>,
) -> Result<T, rusqlite::Error> {
    let text = pattern.as_str().map_err(|error| rusqlite::Error::UserFunctionError(error.into()))?;
    compile(text).map_err(|error| failure(&error))
}

pub(super) fn like(text: &str, pattern: &str, any_case: bool) -> Result<bool, DatabaseError> {
    LikePattern::new(pattern, any_case).matches(text)
}

pub(super) fn regex_matches(text: &str, pattern: &str, any_case: bool) -> Result<bool, DatabaseError> {
    Ok(regex(pattern, any_case)?.is_match(text))
}

/// A `like` pattern, cut into what stands between its `%`.
struct LikePattern {
    parts: Vec<Vec<LikeChar>>,
    any_case: bool,
    /// Ends with a backslash: an error, but only for a text that matches so far.
    dangling: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LikeChar {
    /// `_`
    Any,
    Is(char),
}

impl LikePattern {
    fn new(pattern: &str, any_case: bool) -> Self {
        let mut parts = vec![Vec::new()];
        let mut dangling = false;
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let wanted = match c {
                '%' => {
                    parts.push(Vec::new());
                    continue;
                }
                '_' => LikeChar::Any,
                '\\' => match chars.next() {
                    Some(escaped) => LikeChar::Is(fold(escaped, any_case)),
                    None => {
                        dangling = true;
                        break;
                    }
                },
                other => LikeChar::Is(fold(other, any_case)),
            };
            if let Some(part) = parts.last_mut() {
                part.push(wanted);
            }
        }
        Self { parts, any_case, dangling }
    }

    fn matches(&self, text: &str) -> Result<bool, DatabaseError> {
        let text: Vec<char> = text.chars().map(|c| fold(c, self.any_case)).collect();
        if !self.dangling {
            return Ok(self.fits(&text));
        }
        let reached = self.parts.len() > 1
            || self.parts.first().is_some_and(|start| text.len() > start.len() && fits(start, &text));
        if reached {
            return Err(DatabaseError::new("22025", "LIKE pattern must not end with escape character"));
        }
        Ok(false)
    }

    fn fits(&self, text: &[char]) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return text.is_empty() };
        let Some((last, middle)) = rest.split_last() else { return text.len() == first.len() && fits(first, text) };
        if text.len() < first.len() + last.len() || !fits(first, text) || !fits(last, &text[text.len() - last.len()..])
        {
            return false;
        }
        let mut window = &text[first.len()..text.len() - last.len()];
        for part in middle {
            let Some(at) = find(part, window) else { return false };
            window = &window[at + part.len()..];
        }
        true
    }
}

fn fold(c: char, any_case: bool) -> char {
    if any_case { lower(c) } else { c }
}

/// One character for one, as the C library folds case.
pub(super) fn lower(c: char) -> char {
    single(c.to_lowercase(), c)
}

pub(super) fn upper(c: char) -> char {
    single(c.to_uppercase(), c)
}

fn single(mut folded: impl Iterator<Item = char>, original: char) -> char {
    match (folded.next(), folded.next()) {
        (Some(only), None) => only,
        _ => original,
    }
}

fn fits(part: &[LikeChar], text: &[char]) -> bool {
    text.len() >= part.len()
        && part.iter().zip(text).all(|(wanted, found)| *wanted == LikeChar::Any || *wanted == LikeChar::Is(*found))
}

fn find(part: &[LikeChar], text: &[char]) -> Option<usize> {
    (0..=text.len().checked_sub(part.len())?).find(|at| fits(part, &text[*at..]))
}

/// The flags of the `regexp_*` functions.
#[derive(Clone, Copy, Default)]
struct Flags {
    pattern: RegexOptions,
    /// `g`
    everywhere: bool,
}

impl Flags {
    fn read(flags: &str) -> Result<Self, DatabaseError> {
        let mut read = Self::default();
        for flag in flags.chars() {
            if flag == 'g' {
                read.everywhere = true;
            } else if !read.pattern.set(flag) {
                let message = format!("invalid regular expression option: \"{flag}\"");
                return Err(DatabaseError::new("22023", message));
            }
        }
        Ok(read)
    }
}

pub(super) fn regexp_like(call: &Call<'_>) -> Outcome {
    Ok(Value::Bool(regex_with(call.text(1), Flags::read(call.text(2))?.pattern)?.is_match(call.text(0))))
}

pub(super) fn regexp_match(call: &Call<'_>) -> Outcome {
    let pattern = regex_with(call.text(1), Flags::read(call.text(2))?.pattern)?;
    let Some(found) = pattern.captures(call.text(0)) else { return Ok(Value::Null) };
    let first = usize::from(found.len() > 1);
    let groups: Vec<Value> = (first..found.len())
        .map(|group| found.get(group).map_or(Value::Null, |text| Value::text(text.as_str())))
        .collect();
    Ok(array_of(&groups, &roadbed_plan::Type::Text))
}

pub(super) fn regexp_replace(call: &Call<'_>) -> Outcome {
    let flags = Flags::read(call.text(3))?;
    let pattern = regex_with(call.text(1), flags.pattern)?;
    let replacement = |found: &regex::Captures<'_>| {
        let mut out = String::new();
        let mut chars = call.text(2).chars();
        while let Some(c) = chars.next() {
            match (c, if c == '\\' { chars.next() } else { None }) {
                ('\\', Some('&')) => out.push_str(&found[0]),
                ('\\', Some(digit @ '1'..='9')) => {
                    let group = digit.to_digit(10).unwrap_or(0) as usize;
                    out.push_str(found.get(group).map_or("", |text| text.as_str()));
                }
                ('\\', Some('\\')) | ('\\', None) => out.push('\\'),
                ('\\', Some(other)) => out.extend(['\\', other]),
                (other, _) => out.push(other),
            }
        }
        out
    };
    let replaced = if flags.everywhere {
        pattern.replace_all(call.text(0), replacement)
    } else {
        pattern.replace(call.text(0), replacement)
    };
    Ok(Value::text(replaced.into_owned()))
}

/// `substring(text from pattern)`: the first group, or all that matches.
pub(super) fn substring_by_pattern(call: &Call<'_>) -> Outcome {
    let pattern = regex(call.text(1), false)?;
    let Some(found) = pattern.captures(call.text(0)) else { return Ok(Value::Null) };
    let wanted = usize::from(found.len() > 1);
    Ok(found.get(wanted).map_or(Value::Null, |text| Value::text(text.as_str())))
}
