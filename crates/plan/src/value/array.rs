//! Arrays: PostgreSQL's literals (`{a,"b c",NULL}`) into the canonical JSON array and back.

use super::fault::{INVALID_TEXT, is_space};
use super::format::write_text;
use super::json::{from_json_text, write_json};
use super::json_syntax::raw_items;
use super::parse::parse;
use super::{Type, Value};
use crate::clock::Clock;
use crate::error::DatabaseError;

const UNEVEN: &str = "Multidimensional arrays must have sub-arrays with matching dimensions.";
const MAX_DIMENSIONS: usize = 6;

/// Reads an array literal whose items have the type `item`.
pub(crate) fn parse_array(text: &str, item: &Type, clock: &Clock) -> Result<Value, DatabaseError> {
    let mut reader = LiteralReader { text, rest: text, tokens: Vec::new(), dimensions: Vec::new() };
    reader.skip_space();
    reader.skip_bounds()?;
    if !reader.rest.starts_with('{') {
        return Err(malformed(text, "Array value must start with \"{\" or dimension information."));
    }
    reader.read_braces(0)?;
    reader.skip_space();
    if !reader.rest.is_empty() {
        return Err(malformed(text, "Junk after closing right brace."));
    }
    // The items are read when the braces have proved right, as PostgreSQL does.
    let mut out = Vec::with_capacity(text.len() + 2);
    for token in reader.tokens {
        match token {
            Token::Punctuation(byte) => out.push(byte),
            Token::Null => out.extend_from_slice(b"null"),
            Token::Item(text) => write_json(&mut out, &parse(&text, item, clock)?, item),
        }
    }
    Ok(Value::text(String::from_utf8(out).unwrap_or_default()))
}

/// A piece of an array literal; the punctuation is that of the canonical array.
enum Token {
    Punctuation(u8),
    Null,
    Item(String),
}

/// Writes a canonical array as PostgreSQL's `array_out` does.
pub(crate) fn write_array(out: &mut Vec<u8>, canonical: &str, item: &Type) {
    let Ok(Some(items)) = raw_items(canonical) else {
        out.extend_from_slice(canonical.as_bytes());
        return;
    };
    out.push(b'{');
    for (index, raw) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if raw.starts_with('[') && !item.is_json() {
            write_array(out, raw, item);
            continue;
        }
        match from_json_text(raw, item, &Clock::System) {
            Ok(Value::Null) => out.extend_from_slice(b"NULL"),
            Ok(value) => write_item(out, &value, item),
            // A canonical array holds only items of its type; whatever else stands there is shown as it is.
            Err(_) => out.extend_from_slice(raw.as_bytes()),
        }
    }
    out.push(b'}');
}

/// The items of a canonical array as values.
pub(crate) fn array_values(canonical: &str, item: &Type) -> Result<Vec<Value>, DatabaseError> {
    let items = raw_items(canonical)?.unwrap_or_default();
    items.into_iter().map(|raw| from_json_text(raw, item, &Clock::System)).collect()
}

/// The items of an array's value, those of all dimensions one after the other.
///
/// # Errors
/// When an item is none of the type `item`.
pub fn array_items(array: &Value, item: &Type) -> Result<Vec<Value>, DatabaseError> {
    let Value::Text(canonical) = array else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for raw in raw_items(canonical)?.unwrap_or_default() {
        if raw.starts_with('[') && !item.is_json() {
            found.extend(array_items(&Value::text(raw), item)?);
        } else {
            found.push(from_json_text(raw, item, &Clock::System)?);
        }
    }
    Ok(found)
}

/// Reads a JSON array into an array type, as `json_to_recordset` does.
pub(crate) fn array_from_json(raw: &str, item: &Type, clock: &Clock) -> Result<Value, DatabaseError> {
    let mut writer = JsonItems { out: Vec::with_capacity(raw.len()), path: Vec::new(), item, clock };
    writer.write(raw)?;
    Ok(Value::text(String::from_utf8(writer.out).unwrap_or_default()))
}

struct JsonItems<'a> {
    out: Vec<u8>,
    /// Where in the outer arrays the current one stands.
    path: Vec<usize>,
    item: &'a Type,
    clock: &'a Clock,
}

impl JsonItems<'_> {
    /// Writes the array and returns its dimensions. Whether items are arrays is the first one's to say.
    fn write(&mut self, raw: &str) -> Result<Vec<usize>, DatabaseError> {
        let items = raw_items(raw)?.ok_or_else(|| self.no_array())?;
        let nested = items.first().is_some_and(|first| first.starts_with('['));
        if nested && self.path.len() + 1 >= MAX_DIMENSIONS {
            return Err(too_many_dimensions());
        }
        let mut inner: Option<Vec<usize>> = None;
        self.out.push(b'[');
        for (index, raw) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            if !nested {
                write_json(&mut self.out, &from_json_text(raw, self.item, self.clock)?, self.item);
                continue;
            }
            self.path.push(index);
            let dimensions = self.write(raw)?;
            self.path.pop();
            if inner.as_ref().is_some_and(|first| *first != dimensions) {
                return Err(DatabaseError::new(INVALID_TEXT, "malformed JSON array").details(UNEVEN));
            }
            inner = Some(dimensions);
        }
        self.out.push(b']');
        let mut dimensions = vec![items.len()];
        dimensions.extend(inner.unwrap_or_default());
        Ok(dimensions)
    }

    fn no_array(&self) -> DatabaseError {
        let error = DatabaseError::new(INVALID_TEXT, "expected JSON array");
        if self.path.is_empty() {
            return error;
        }
        let subscripts: String = self.path.iter().map(|index| format!("[{index}]")).collect();
        error.hint(format!("See the array element {subscripts}."))
    }
}

fn too_many_dimensions() -> DatabaseError {
    DatabaseError::new("54000", "number of array dimensions (7) exceeds the maximum allowed (6)")
}

fn write_item(out: &mut Vec<u8>, value: &Value, item: &Type) {
    let mut text = Vec::new();
    write_text(&mut text, value, item);
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | 0x09..=0x0d);
    if !text.is_empty() && !text.eq_ignore_ascii_case(b"null") && !text.iter().any(special) {
        out.extend_from_slice(&text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn malformed(text: &str, details: impl Into<String>) -> DatabaseError {
    DatabaseError::new(INVALID_TEXT, format!("malformed array literal: \"{text}\"")).details(details)
}

/// Cuts a literal into tokens.
struct LiteralReader<'a> {
    text: &'a str,
    rest: &'a str,
    tokens: Vec<Token>,
    /// The length of the first array at each depth; the later ones must have the same.
    dimensions: Vec<Option<usize>>,
}

impl LiteralReader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
    }

    /// `[2:4]=` says where the subscripts start, which a JSON array cannot keep.
    fn skip_bounds(&mut self) -> Result<(), DatabaseError> {
        if !self.rest.starts_with('[') {
            return Ok(());
        }
        let fault = |details: &str| malformed(self.text, details);
        let mut rest = self.rest;
        while let Some(inside) = rest.strip_prefix('[') {
            let end = inside.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | ':')).unwrap_or(inside.len());
            if end == 0 {
                return Err(fault("\"[\" must introduce explicitly-specified array dimensions."));
            }
            let after = inside[end..].strip_prefix(']');
            rest = after.ok_or_else(|| fault("Missing \"]\" after array dimensions."))?;
        }
        self.rest = rest.strip_prefix('=').ok_or_else(|| fault("Missing \"=\" after array dimensions."))?;
        self.skip_space();
        if !self.rest.starts_with('{') {
            return Err(malformed(self.text, "Array contents must start with \"{\"."));
        }
        Ok(())
    }

    fn unexpected(&self) -> DatabaseError {
        match self.rest.chars().next() {
            None => malformed(self.text, "Unexpected end of input."),
            Some(found @ ('{' | '}' | ',')) => malformed(self.text, format!("Unexpected \"{found}\" character.")),
            Some(_) => malformed(self.text, "Unexpected array element."),
        }
    }

    fn read_braces(&mut self, depth: usize) -> Result<(), DatabaseError> {
        if depth >= MAX_DIMENSIONS {
            return Err(too_many_dimensions());
        }
        if self.dimensions.len() == depth {
            self.dimensions.push(None);
        }
        self.rest = &self.rest[1..];
        self.tokens.push(Token::Punctuation(b'['));
        self.skip_space();
        if depth == 0 && self.rest.starts_with('}') {
            self.rest = &self.rest[1..];
            self.tokens.push(Token::Punctuation(b']'));
            return Ok(());
        }
        let mut count = 0;
        loop {
            if count > 0 {
                self.tokens.push(Token::Punctuation(b','));
            }
            self.skip_space();
            let is_leaf_depth = self.dimensions.len() == depth + 1;
            if self.rest.starts_with('{') && (!is_leaf_depth || count == 0) {
                self.read_braces(depth + 1)?;
            } else if is_leaf_depth {
                self.read_item()?;
            } else {
                return Err(self.unexpected());
            }
            count += 1;
            self.skip_space();
            if !self.rest.starts_with(',') {
                break;
            }
            self.rest = &self.rest[1..];
        }
        if !self.rest.starts_with('}') {
            return Err(self.unexpected());
        }
        if *self.dimensions[depth].get_or_insert(count) != count {
            return Err(malformed(self.text, UNEVEN));
        }
        self.rest = &self.rest[1..];
        self.tokens.push(Token::Punctuation(b']'));
        Ok(())
    }

    fn read_item(&mut self) -> Result<(), DatabaseError> {
        let (text, quoted) = match self.rest.strip_prefix('"') {
            Some(rest) => (self.read_quoted(rest)?, true),
            None => (self.read_bare()?, false),
        };
        if !quoted && text.eq_ignore_ascii_case("null") {
            self.tokens.push(Token::Null);
        } else {
            self.tokens.push(Token::Item(text));
        }
        Ok(())
    }

    fn read_quoted(&mut self, mut rest: &'_ str) -> Result<String, DatabaseError> {
        let mut text = String::new();
        loop {
            let end = malformed(self.text, "Unexpected end of input.");
            let Some(at) = rest.find(['"', '\\']) else { return Err(end) };
            text.push_str(&rest[..at]);
            if rest[at..].starts_with('"') {
                let start = self.rest.len() - (rest.len() - at - 1);
                self.rest = &self.rest[start..];
                return Ok(text);
            }
            let escaped = rest[at + 1..].chars().next().ok_or(end)?;
            text.push(escaped);
            rest = &rest[at + 1 + escaped.len_utf8()..];
        }
    }

    fn read_bare(&mut self) -> Result<String, DatabaseError> {
        let mut text = String::new();
        let mut kept = 0;
        let mut chars = self.rest.char_indices();
        loop {
            match chars.next() {
                None => {
                    self.rest = "";
                    return Err(self.unexpected());
                }
                Some((at, ',' | '{' | '}' | '"')) => {
                    self.rest = &self.rest[at..];
                    break;
                }
                Some((_, '\\')) => {
                    let Some((_, escaped)) = chars.next() else {
                        self.rest = "";
                        return Err(self.unexpected());
                    };
                    text.push(escaped);
                    kept = text.len();
                }
                Some((_, other)) => {
                    text.push(other);
                    if !is_space(other) {
                        kept = text.len();
                    }
                }
            }
        }
        text.truncate(kept);
        if text.is_empty() || self.rest.starts_with(['{', '"']) {
            return Err(self.unexpected());
        }
        Ok(text)
    }
}
