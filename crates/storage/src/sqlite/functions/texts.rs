//! Functions of text and bytes.

use roadbed_plan::{DatabaseError, Type, Value};
use sha2::{Digest, Sha256};

use super::arrays::{self};
use super::call::{Call, Function, Outcome, seeing_nulls, strict};
use super::compare::compare;
use super::digests::md5;
use super::patterns::{self, lower, upper};
use super::search;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("ascii", |call| Ok(Value::Int(call.text(0).chars().next().map_or(0, |c| i64::from(u32::from(c)))))),
    strict("btrim", |call| Ok(trimmed(call, true, true))),
    strict("char_length", length),
    strict("character_length", length),
    strict("chr", chr),
    seeing_nulls("concat", |call| Ok(Value::text(printed_from(call, 0).concat()))),
    seeing_nulls("concat_ws", |call| {
        let separated = || Value::text(printed_from(call, 1).join(call.text(0)));
        Ok(if call.arg(0).is_null() { Value::Null } else { separated() })
    }),
    seeing_nulls("concatenate", concatenate),
    strict("decode", decode),
    strict("encode", encode),
    seeing_nulls("format", format),
    seeing_nulls("greatest", |call| Ok(extreme(call, std::cmp::Ordering::Greater))),
    strict("initcap", |call| Ok(Value::text(capitalized(call.text(0))))),
    seeing_nulls("least", |call| Ok(extreme(call, std::cmp::Ordering::Less))),
    strict("left", |call| Ok(Value::text(left(call.text(0), call.int(1))))),
    strict("length", length),
    strict("lower", |call| Ok(Value::text(call.text(0).chars().map(lower).collect::<String>()))),
    strict("lpad", |call| padded(call, Side::Left)),
    strict("ltrim", |call| Ok(trimmed(call, true, false))),
    strict("md5", |call| Ok(Value::text(hex(&md5(call.bytes(0)))))),
    seeing_nulls("num_nonnulls", |call| Ok(count(call, false))),
    seeing_nulls("num_nulls", |call| Ok(count(call, true))),
    strict("octet_length", |call| Ok(Value::Int(call.bytes(0).len() as i64))),
    strict("overlay", overlay),
    strict("position", |call| Ok(Value::Int(position(call.text(0), call.text(1))))),
    strict("quote_ident", |call| Ok(Value::text(quote_ident(call.text(0))))),
    strict("quote_literal", |call| Ok(Value::text(quote_literal(call.text(0))))),
    strict("regexp_like", patterns::regexp_like),
    strict("regexp_match", patterns::regexp_match),
    strict("regexp_replace", patterns::regexp_replace),
    strict("repeat", repeat),
    strict("replace", |call| {
        let (text, from) = (call.text(0), call.text(1));
        Ok(Value::text(if from.is_empty() { text.to_owned() } else { text.replace(from, call.text(2)) }))
    }),
    strict("reverse", |call| Ok(Value::text(call.text(0).chars().rev().collect::<String>()))),
    strict("right", |call| Ok(Value::text(right(call.text(0), call.int(1))))),
    strict("rpad", |call| padded(call, Side::Right)),
    strict("rtrim", |call| Ok(trimmed(call, false, true))),
    strict("sha256", |call| Ok(Value::Bytes(Sha256::digest(call.bytes(0)).as_slice().into()))),
    strict("split_part", split_part),
    strict("starts_with", |call| Ok(Value::Bool(call.text(0).starts_with(call.text(1))))),
    strict("strpos", |call| Ok(Value::Int(position(call.text(0), call.text(1))))),
    strict("substr", substring),
    strict("substring", substring),
    strict("to_hex", |call| {
        let int = call.int(0);
        Ok(Value::text(if *call.ty(0).base() == Type::Int8 { format!("{int:x}") } else { format!("{:x}", int as i32) }))
    }),
    strict("translate", translate),
    strict("upper", |call| Ok(Value::text(call.text(0).chars().map(upper).collect::<String>()))),
];

fn invalid(message: impl Into<String>) -> DatabaseError {
    DatabaseError::new("22023", message)
}

fn count(call: &Call<'_>, nulls: bool) -> Value {
    Value::Int(call.args.iter().filter(|arg| arg.is_null() == nulls).count() as i64)
}

fn extreme(call: &Call<'_>, wanted: std::cmp::Ordering) -> Value {
    let known = call.args.iter().filter(|arg| !arg.is_null());
    let best = known.reduce(|best, arg| if compare(arg, best, call.ty(0)) == wanted { arg } else { best });
    best.cloned().unwrap_or(Value::Null)
}

/// The arguments from `start` on as `concat` shows them: booleans as `t` and `f`, nulls left out.
fn printed_from(call: &Call<'_>, start: usize) -> Vec<String> {
    (start..call.len()).filter(|index| !call.arg(*index).is_null()).map(|index| call.printed(index)).collect()
}

fn length(call: &Call<'_>) -> Outcome {
    Ok(Value::Int(match call.arg(0) {
        Value::Bytes(bytes) => bytes.len() as i64,
        _ if search::is_of_vectors(call) => return search::length(call),
        _ if matches!(call.ty(0).base(), Type::Char(_)) => call.text(0).trim_end_matches(' ').chars().count() as i64,
        _ => call.text(0).chars().count() as i64,
    }))
}

fn chr(call: &Call<'_>) -> Outcome {
    match call.int(0) {
        0 => Err(DatabaseError::new("54000", "null character not permitted")),
        code @ ..0 => Err(invalid(format!("character number must be positive: {code}"))),
        code => {
            u32::try_from(code).ok().and_then(char::from_u32).map(|c| Value::text(c.to_string())).ok_or_else(|| {
                DatabaseError::new("54000", format!("requested character too large for encoding: {code}"))
            })
        }
    }
}

fn concatenate(call: &Call<'_>) -> Outcome {
    let is_array = |index| matches!(call.ty(index).base(), Type::Array(_));
    if is_array(0) || is_array(1) {
        return arrays::concatenate(call);
    }
    if call.arg(0).is_null() || call.arg(1).is_null() {
        return Ok(Value::Null);
    }
    match call.ty(0).base() {
        _ if search::is_of_vectors(call) => search::concatenate(call),
        Type::Jsonb => super::json_tree::concatenate(call.text(0), call.text(1)),
        Type::Bytea => Ok(Value::Bytes([call.bytes(0), call.bytes(1)].concat().into())),
        _ => Ok(Value::text([call.text(0), call.text(1)].concat())),
    }
}

fn trimmed(call: &Call<'_>, start: bool, end: bool) -> Value {
    let set: Vec<char> = if call.len() > 1 { call.text(1).chars().collect() } else { vec![' '] };
    let mut text = call.text(0);
    if start {
        text = text.trim_start_matches(|c| set.contains(&c));
    }
    if end {
        text = text.trim_end_matches(|c| set.contains(&c));
    }
    Value::text(text)
}

fn capitalized(text: &str) -> String {
    let mut in_word = false;
    text.chars()
        .map(|c| {
            let changed = if in_word { lower(c) } else { upper(c) };
            in_word = c.is_alphanumeric();
            changed
        })
        .collect()
}

/// How many of `text`'s characters `wanted` keeps: a negative number leaves out that many.
fn kept(text: &str, wanted: i64) -> usize {
    let all = text.chars().count() as i64;
    let kept = if wanted < 0 { all + wanted } else { wanted.min(all) };
    usize::try_from(kept).unwrap_or(0)
}

fn left(text: &str, wanted: i64) -> String {
    text.chars().take(kept(text, wanted)).collect()
}

fn right(text: &str, wanted: i64) -> String {
    let all = text.chars().count();
    text.chars().skip(all - kept(text, wanted)).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

fn padded(call: &Call<'_>, side: Side) -> Outcome {
    let (text, length) = (call.text(0), usize::try_from(call.int(1)).unwrap_or(0));
    let fill = if call.len() > 2 { call.text(2) } else { " " };
    let present = text.chars().count();
    if present >= length {
        return Ok(Value::text(text.chars().take(length).collect::<String>()));
    }
    if length > LONGEST {
        return Err(DatabaseError::new("54000", "requested length too large"));
    }
    let padding: String = fill.chars().cycle().take(if fill.is_empty() { 0 } else { length - present }).collect();
    Ok(Value::text(if side == Side::Left { padding + text } else { text.to_owned() + &padding }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode(call: &Call<'_>) -> Outcome {
    let bytes = call.bytes(0);
    Ok(Value::text(match call.text(1) {
        "hex" => hex(bytes),
        "base64" => base64_lines(bytes),
        "escape" => bytes
            .iter()
            .map(|byte| match byte {
                b'\\' => r"\\".to_owned(),
                0 | 128.. => format!("\\{byte:03o}"),
                plain => char::from(*plain).to_string(),
            })
            .collect(),
        other => return Err(invalid(format!("unrecognized encoding: \"{other}\""))),
    }))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// In lines of 76 characters, as PostgreSQL writes it.
fn base64_lines(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (index, chunk) in bytes.chunks(3).enumerate() {
        if index > 0 && index % 19 == 0 {
            out.push('\n');
        }
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = BASE64[(word >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

fn decode(call: &Call<'_>) -> Outcome {
    let text = call.text(0);
    let bytes = match call.text(1) {
        "hex" => decode_hex(text)?,
        "base64" => decode_base64(text)?,
        "escape" if text.starts_with("\\x") => {
            return Err(DatabaseError::new("22P02", "invalid input syntax for type bytea"));
        }
        "escape" => match roadbed_plan::value::parse(text, &Type::Bytea, call.clock)? {
            Value::Bytes(bytes) => bytes.into_vec(),
            _ => Vec::new(),
        },
        other => return Err(invalid(format!("unrecognized encoding: \"{other}\""))),
    };
    Ok(Value::Bytes(bytes.into()))
}

fn decode_hex(text: &str) -> Result<Vec<u8>, DatabaseError> {
    let mut digits = Vec::new();
    for c in text.chars().filter(|c| !c.is_ascii_whitespace()) {
        let digit = c.to_digit(16).ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{c}\"")))?;
        digits.push(digit as u8);
    }
    if digits.len() % 2 == 1 {
        return Err(invalid("invalid hexadecimal data: odd number of digits"));
    }
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn decode_base64(text: &str) -> Result<Vec<u8>, DatabaseError> {
    let (mut word, mut bits, mut out) = (0u32, 0, Vec::new());
    for c in text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=') {
        let Some(digit) = BASE64.iter().position(|known| char::from(*known) == c) else {
            return Err(invalid(format!("invalid symbol \"{c}\" found while decoding base64 sequence")));
        };
        word = word << 6 | digit as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits & 255) as u8);
        }
    }
    let symbols = text.chars().filter(|c| !c.is_ascii_whitespace()).count();
    if symbols % 4 != 0 {
        let hint = "Input data is missing padding, is truncated, or is otherwise corrupted.";
        return Err(invalid("invalid base64 end sequence").hint(hint));
    }
    Ok(out)
}

/// `format('%s %I %L', …)`
fn format(call: &Call<'_>) -> Outcome {
    if call.arg(0).is_null() {
        return Ok(Value::Null);
    }
    let mut out = String::new();
    let mut next = 1;
    let mut chars = call.text(0).chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut spec = String::new();
        while let Some(c) = chars.next_if(|c| c.is_ascii_digit() || matches!(c, '$' | '-')) {
            spec.push(c);
        }
        let (place, width) = spec.split_once('$').map_or((None, spec.as_str()), |(place, width)| (Some(place), width));
        let index = place.and_then(|place| place.parse().ok()).unwrap_or(next);
        next = index + 1;
        if index >= call.len() {
            return Err(invalid("too few arguments for format()"));
        }
        let shown = match (chars.next(), call.arg(index).is_null()) {
            (Some('s'), true) => String::new(),
            (Some('s'), false) => call.printed(index),
            (Some('I'), true) => {
                return Err(DatabaseError::new("22004", "null values cannot be formatted as an SQL identifier"));
            }
            (Some('I'), false) => quote_ident(&call.printed(index)),
            (Some('L'), true) => "NULL".to_owned(),
            (Some('L'), false) => quote_literal(&call.printed(index)),
            (Some(other), _) => {
                let message = format!("unrecognized format() type specifier \"{other}\"");
                return Err(invalid(message).hint("For a single \"%\" use \"%%\"."));
            }
            (None, _) => {
                let hint = "For a single \"%\" use \"%%\".";
                return Err(invalid("unterminated format() type specifier").hint(hint));
            }
        };
        let (left_aligned, width) = width.strip_prefix('-').map_or((false, width), |width| (true, width));
        let missing = width.parse::<usize>().unwrap_or(0).saturating_sub(shown.chars().count());
        let padding = " ".repeat(missing);
        out.push_str(&if left_aligned { shown + &padding } else { padding + &shown });
    }
    Ok(Value::text(out))
}

fn overlay(call: &Call<'_>) -> Outcome {
    let text: Vec<char> = call.text(0).chars().collect();
    let new = call.text(1);
    let start = call.int(2);
    if start <= 0 {
        return Err(DatabaseError::new("22011", "negative substring length not allowed"));
    }
    let replaced = if call.len() > 3 { call.int(3) } else { new.chars().count() as i64 };
    let head = usize::try_from(start - 1).unwrap_or(0).min(text.len());
    let tail = usize::try_from(start - 1 + replaced).unwrap_or(0).min(text.len());
    let joined: String = text[..head].iter().chain(&new.chars().collect::<Vec<_>>()).chain(&text[tail..]).collect();
    Ok(Value::text(joined))
}

fn position(text: &str, wanted: &str) -> i64 {
    text.find(wanted).map_or(0, |at| text[..at].chars().count() as i64 + 1)
}

fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { crate::sql::quote_identifier(name) }
}

fn quote_literal(text: &str) -> String {
    let quoted = crate::sql::quote_text(text);
    if text.contains('\\') { format!("E{}", quoted.replace('\\', r"\\")) } else { quoted }
}

/// No text that PostgreSQL holds is longer.
const LONGEST: usize = 1 << 28;

fn repeat(call: &Call<'_>) -> Outcome {
    let times = usize::try_from(call.int(1)).unwrap_or(0);
    if call.text(0).len().saturating_mul(times) > LONGEST {
        return Err(DatabaseError::new("54000", "requested length too large"));
    }
    Ok(Value::text(call.text(0).repeat(times)))
}

fn split_part(call: &Call<'_>) -> Outcome {
    let (text, separator, wanted) = (call.text(0), call.text(1), call.int(2));
    if wanted == 0 {
        return Err(invalid("field position must not be zero"));
    }
    let parts: Vec<&str> = if separator.is_empty() { vec![text] } else { text.split(separator).collect() };
    let index = if wanted > 0 { wanted - 1 } else { parts.len() as i64 + wanted };
    let part = usize::try_from(index).ok().and_then(|index| parts.get(index)).copied();
    Ok(Value::text(part.unwrap_or_default()))
}

fn substring(call: &Call<'_>) -> Outcome {
    if call.ty(1).is_text() {
        return patterns::substring_by_pattern(call);
    }
    let start = call.int(1);
    let end = if call.len() > 2 {
        if call.int(2) < 0 {
            return Err(DatabaseError::new("22011", "negative substring length not allowed"));
        }
        start.saturating_add(call.int(2))
    } else {
        i64::MAX
    };
    let skipped = usize::try_from(start - 1).unwrap_or(0);
    let taken = usize::try_from(end.saturating_sub(start.max(1))).unwrap_or(0);
    Ok(match call.arg(0) {
        Value::Bytes(bytes) => Value::Bytes(bytes.iter().skip(skipped).take(taken).copied().collect()),
        _ => Value::text(call.text(0).chars().skip(skipped).take(taken).collect::<String>()),
    })
}

fn translate(call: &Call<'_>) -> Outcome {
    let from: Vec<char> = call.text(1).chars().collect();
    let to: Vec<char> = call.text(2).chars().collect();
    let changed = call.text(0).chars().filter_map(|c| match from.iter().position(|known| *known == c) {
        Some(place) => to.get(place).copied(),
        None => Some(c),
    });
    Ok(Value::text(changed.collect::<String>()))
}
