//! Reads JSON text with PostgreSQL's errors: checks `json`, normalizes `jsonb`, and takes values apart for operators.

use std::borrow::Cow;

use super::fault::INVALID_TEXT;
use super::json::write_json_string;
use super::numeric;
use crate::error::DatabaseError;

/// Deeper values are refused, as PostgreSQL refuses them when its stack runs out.
const MAX_DEPTH: usize = 1_000;

/// One JSON value taken apart as `jsonb` keeps it: numbers in canonical form, keys sorted, the last of equal keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    /// A canonical `numeric`.
    Number(Box<str>),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Checks that `text` is JSON; nothing is decoded.
pub(crate) fn check_json(text: &str) -> Result<(), DatabaseError> {
    let mut reader = Reader::new(text, false)?;
    reader.skip_value()?;
    reader.expect_end()
}

/// Reads `text` as `jsonb` does.
pub(crate) fn parse_jsonb(text: &str) -> Result<Json<'_>, DatabaseError> {
    let mut reader = Reader::new(text, true)?;
    let value = reader.read_value()?;
    reader.expect_end()?;
    Ok(value)
}

/// PostgreSQL's text of a `jsonb`.
pub(crate) fn normalize_jsonb(text: &str) -> Result<String, DatabaseError> {
    Ok(parse_jsonb(text)?.to_text())
}

impl Json<'_> {
    pub(crate) fn to_text(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        // `write` puts together valid strings only.
        String::from_utf8(out).unwrap_or_default()
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Number(text) => out.extend_from_slice(text.as_bytes()),
            Self::String(text) => write_json_string(out, text),
            Self::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    write_json_string(out, key);
                    out.extend_from_slice(b": ");
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Sorts members as `jsonb` does, by length and then bytes, and keeps the last of equal keys.
pub(crate) fn sort_members(members: &mut Vec<(Cow<'_, str>, Json<'_>)>) {
    members.sort_by(|(left, _), (right, _)| {
        left.len().cmp(&right.len()).then_with(|| left.as_bytes().cmp(right.as_bytes()))
    });
    members.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    End,
    String,
    Number,
    True,
    False,
    Null,
    Punctuation(u8),
}

/// A reader with one token of look-ahead.
pub(crate) struct Reader<'a> {
    text: &'a str,
    /// Where the token starts and ends.
    start: usize,
    end: usize,
    /// Where the token before it ended.
    previous_end: usize,
    kind: Kind,
    decodes: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, decodes: bool) -> Result<Self, DatabaseError> {
        let mut reader = Self { text, start: 0, end: 0, previous_end: 0, kind: Kind::End, decodes };
        reader.advance()?;
        Ok(reader)
    }

    fn token(&self) -> &'a str {
        &self.text[self.start..self.end]
    }

    fn expect_end(&self) -> Result<(), DatabaseError> {
        if self.kind == Kind::End { Ok(()) } else { Err(self.unexpected("end of input")) }
    }

    fn unexpected(&self, wanted: &str) -> DatabaseError {
        if self.kind == Kind::End {
            return invalid("The input string ended unexpectedly.");
        }
        invalid(format!("Expected {wanted}, but found \"{}\".", self.token()))
    }

    fn advance(&mut self) -> Result<(), DatabaseError> {
        let bytes = self.text.as_bytes();
        self.previous_end = self.end;
        self.start = self.end;
        while matches!(bytes.get(self.start), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.start += 1;
        }
        self.end = self.start;
        self.kind = match bytes.get(self.start) {
            None => Kind::End,
            Some(&byte @ (b'{' | b'}' | b'[' | b']' | b',' | b':')) => {
                self.end += 1;
                Kind::Punctuation(byte)
            }
            Some(b'"') => self.scan_string()?,
            Some(b'-' | b'0'..=b'9') => self.scan_number()?,
            Some(_) => self.scan_word()?,
        };
        Ok(())
    }

    fn scan_word(&mut self) -> Result<Kind, DatabaseError> {
        self.skip_alphanumeric();
        match self.token() {
            "true" => Ok(Kind::True),
            "false" => Ok(Kind::False),
            "null" => Ok(Kind::Null),
            "" => {
                self.end += 1;
                Err(self.invalid_token())
            }
            _ => Err(self.invalid_token()),
        }
    }

    fn skip_alphanumeric(&mut self) -> bool {
        let from = self.end;
        let bytes = self.text.as_bytes();
        while bytes.get(self.end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 128) {
            self.end += 1;
        }
        self.end > from
    }

    fn invalid_token(&self) -> DatabaseError {
        invalid(format!("Token \"{}\" is invalid.", self.token()))
    }

    fn scan_number(&mut self) -> Result<Kind, DatabaseError> {
        let bytes = self.text.as_bytes();
        let digits = |at: &mut usize| {
            let from = *at;
            while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            *at > from
        };
        let mut at = self.start + usize::from(bytes[self.start] == b'-');
        let mut valid = true;
        if bytes.get(at) == Some(&b'0') {
            at += 1;
        } else {
            valid &= digits(&mut at);
        }
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            valid &= digits(&mut at);
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            valid &= digits(&mut at);
        }
        self.end = at;
        let trailing = self.skip_alphanumeric();
        if valid && !trailing { Ok(Kind::Number) } else { Err(self.invalid_token()) }
    }

    fn scan_string(&mut self) -> Result<Kind, DatabaseError> {
        let bytes = self.text.as_bytes();
        let mut surrogates = Surrogates::default();
        self.end += 1;
        loop {
            let Some(&byte) = bytes.get(self.end) else { return Err(self.invalid_token()) };
            match byte {
                b'"' => break,
                b'\\' => self.scan_escape(&mut surrogates)?,
                0..0x20 => return Err(invalid(format!("Character with value 0x{byte:02x} must be escaped."))),
                _ => {
                    if self.decodes {
                        surrogates.expect_none()?;
                    }
                    self.end += 1;
                }
            }
        }
        if self.decodes {
            surrogates.expect_none()?;
        }
        self.end += 1;
        Ok(Kind::String)
    }

    fn scan_escape(&mut self, surrogates: &mut Surrogates) -> Result<(), DatabaseError> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.end + 1) {
            None => {
                self.end = bytes.len();
                Err(self.invalid_token())
            }
            Some(b'u') => {
                let digits = bytes.get(self.end + 2..self.end + 6).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
                let Some(digits) = digits else {
                    if bytes.len() < self.end + 6 && bytes[self.end + 2..].iter().all(u8::is_ascii_hexdigit) {
                        self.end = bytes.len();
                        return Err(self.invalid_token());
                    }
                    return Err(invalid("\"\\u\" must be followed by four hexadecimal digits."));
                };
                if self.decodes {
                    surrogates.take(hex_unit(digits))?;
                }
                self.end += 6;
                Ok(())
            }
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                if self.decodes {
                    surrogates.expect_none()?;
                }
                self.end += 2;
                Ok(())
            }
            Some(_) => {
                let escaped = self.text[self.end + 1..].chars().next().unwrap_or_default();
                Err(invalid(format!("Escape sequence \"\\{escaped}\" is invalid.")))
            }
        }
    }

    /// Passes over one value.
    fn skip_value(&mut self) -> Checked {
        self.walk(&mut |_| Ok(()))
    }

    fn read_value(&mut self) -> Result<Json<'a>, DatabaseError> {
        let mut builder = Builder::default();
        self.walk(&mut |event| builder.take(event))?;
        Ok(builder.done.unwrap_or(Json::Null))
    }

    /// Tells `visit` what one value is made of. A loop with a stack of its own: depth costs callers no stack.
    fn walk(&mut self, visit: &mut dyn FnMut(Event<'a>) -> Checked) -> Checked {
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.kind {
                Kind::Punctuation(bracket @ (b'{' | b'[')) => {
                    if open.len() >= MAX_DEPTH {
                        return Err(DatabaseError::new("54001", "stack depth limit exceeded"));
                    }
                    visit(if bracket == b'{' { Event::Object } else { Event::Array })?;
                    open.push(closing(bracket));
                    self.advance()?;
                    if self.kind != Kind::Punctuation(closing(bracket)) {
                        if bracket == b'{' {
                            visit(Event::Key(self.read_key("string or \"}\"")?))?;
                        }
                        continue;
                    }
                }
                Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {
                    visit(Event::Scalar(self.kind, self.token()))?;
                    self.advance()?;
                }
                Kind::Punctuation(_) | Kind::End => return Err(self.unexpected("JSON value")),
            }
            if !self.close(&mut open, visit)? {
                return Ok(());
            }
        }
    }

    /// Closes what ends after a value; whether another value follows.
    fn close(
        &mut self,
        open: &mut Vec<u8>,
        visit: &mut dyn FnMut(Event<'a>) -> Checked,
    ) -> Result<bool, DatabaseError> {
        while let Some(&innermost) = open.last() {
            if self.kind == Kind::Punctuation(innermost) {
                open.pop();
                visit(Event::Close)?;
                self.advance()?;
                continue;
            }
            let in_object = innermost == b'}';
            if self.kind != Kind::Punctuation(b',') {
                return Err(self.unexpected(if in_object { "\",\" or \"}\"" } else { "\",\" or \"]\"" }));
            }
            self.advance()?;
            if in_object {
                visit(Event::Key(self.read_key("string")?))?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Reads a key's token and the colon after it.
    fn read_key(&mut self, wanted: &str) -> Result<&'a str, DatabaseError> {
        if self.kind != Kind::String {
            return Err(self.unexpected(wanted));
        }
        let key = self.token();
        self.advance()?;
        if self.kind != Kind::Punctuation(b':') {
            return Err(self.unexpected("\":\""));
        }
        self.advance()?;
        Ok(key)
    }
}

type Checked = Result<(), DatabaseError>;

fn closing(bracket: u8) -> u8 {
    if bracket == b'{' { b'}' } else { b']' }
}

/// What a walk over a value comes across; texts are tokens as they stand.
#[derive(Clone, Copy)]
enum Event<'a> {
    Object,
    Array,
    Key(&'a str),
    Scalar(Kind, &'a str),
    Close,
}

/// Builds a value from a walk over it.
#[derive(Default)]
struct Builder<'a> {
    open: Vec<Json<'a>>,
    keys: Vec<Cow<'a, str>>,
    done: Option<Json<'a>>,
}

impl<'a> Builder<'a> {
    fn take(&mut self, event: Event<'a>) -> Checked {
        let finished = match event {
            Event::Object => {
                self.open.push(Json::Object(Vec::new()));
                return Ok(());
            }
            Event::Array => {
                self.open.push(Json::Array(Vec::new()));
                return Ok(());
            }
            Event::Key(token) => {
                self.keys.push(unescape(token));
                return Ok(());
            }
            Event::Scalar(kind, token) => scalar(kind, token)?,
            Event::Close => match self.open.pop() {
                Some(Json::Object(mut members)) => {
                    sort_members(&mut members);
                    Json::Object(members)
                }
                other => other.unwrap_or(Json::Null),
            },
        };
        match self.open.last_mut() {
            Some(Json::Object(members)) => members.push((self.keys.pop().unwrap_or_default(), finished)),
            Some(Json::Array(items)) => items.push(finished),
            _ => self.done = Some(finished),
        }
        Ok(())
    }
}

fn scalar(kind: Kind, token: &str) -> Result<Json<'_>, DatabaseError> {
    Ok(match kind {
        Kind::String => Json::String(unescape(token)),
        Kind::Number => Json::Number(numeric::canonical(token, None)?),
        Kind::True => Json::Bool(true),
        Kind::False => Json::Bool(false),
        Kind::Null | Kind::End | Kind::Punctuation(_) => Json::Null,
    })
}

/// The items of a JSON array as they stand in `text`; `None` when it is no array.
pub(crate) fn raw_items(text: &str) -> Result<Option<Vec<&str>>, DatabaseError> {
    let mut reader = Reader::new(text, false)?;
    if reader.kind != Kind::Punctuation(b'[') {
        return Ok(None);
    }
    let mut items = Vec::new();
    reader.advance()?;
    while reader.kind != Kind::Punctuation(b']') {
        if !items.is_empty() {
            if reader.kind != Kind::Punctuation(b',') {
                return Err(reader.unexpected("\",\" or \"]\""));
            }
            reader.advance()?;
        }
        let start = reader.start;
        reader.skip_value()?;
        items.push(&text[start..reader.previous_end]);
    }
    Ok(Some(items))
}

/// The text a JSON string token (quotes included) stands for.
pub(crate) fn unescape(token: &str) -> Cow<'_, str> {
    let inner = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut high = 0;
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escaped = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        match escaped {
            b'b' => text.push('\u{8}'),
            b'f' => text.push('\u{c}'),
            b'n' => text.push('\n'),
            b'r' => text.push('\r'),
            b't' => text.push('\t'),
            b'u' => {
                let unit = hex_unit(rest.as_bytes().get(..4).unwrap_or_default());
                rest = rest.get(4..).unwrap_or_default();
                match unit {
                    0xD800..0xDC00 => high = unit,
                    0xDC00..0xE000 => {
                        let code = 0x10000 + ((high & 0x3FF) << 10) + (unit & 0x3FF);
                        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    unit => text.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            other => text.push(other as char),
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

fn hex_unit(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |unit, digit| unit * 16 + (*digit as char).to_digit(16).unwrap_or(0))
}

/// Checks that escaped surrogates come in pairs.
#[derive(Default)]
struct Surrogates {
    high: bool,
}

impl Surrogates {
    fn take(&mut self, unit: u32) -> Result<(), DatabaseError> {
        match unit {
            0xD800..0xDC00 if self.high => Err(invalid("Unicode high surrogate must not follow a high surrogate.")),
            0xD800..0xDC00 => {
                self.high = true;
                Ok(())
            }
            0xDC00..0xE000 if self.high => {
                self.high = false;
                Ok(())
            }
            0xDC00..0xE000 => Err(unpaired()),
            0 if !self.high => Err(DatabaseError::new("22P05", "unsupported Unicode escape sequence")
                .details("\\u0000 cannot be converted to text.")),
            _ => self.expect_none(),
        }
    }

    fn expect_none(&self) -> Result<(), DatabaseError> {
        if self.high { Err(unpaired()) } else { Ok(()) }
    }
}

fn unpaired() -> DatabaseError {
    invalid("Unicode low surrogate must follow a high surrogate.")
}

fn invalid(details: impl Into<String>) -> DatabaseError {
    DatabaseError::new(INVALID_TEXT, "invalid input syntax for type json").details(details)
}

/// Checks a string token whose text is wanted, as PostgreSQL does when it decodes it.
pub(crate) fn decode_string(token: &str) -> Result<Cow<'_, str>, DatabaseError> {
    if token.contains('\\') {
        Reader::new(token, true)?;
    }
    Ok(unescape(token))
}
