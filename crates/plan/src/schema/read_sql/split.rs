//! A file's statements one by one, with their places. Only finds where each ends; what it says is the parser's.

use std::ops::Range;

use pg_query::protobuf::Node;

use super::fault::Fault;

/// One statement's text, from its first word up to its semicolon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) offset: usize,
    pub(super) text: &'a str,
}

/// Walks through a file. Rows of `copy … from stdin` are taken out by [`Splitter::copy_rows`].
pub(super) struct Splitter<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: usize::from(text.starts_with('\u{feff}')) * '\u{feff}'.len_utf8() }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The next statement; empty ones are passed over.
    pub(super) fn next(&mut self) -> Option<Result<Piece<'a>, Fault>> {
        loop {
            let start = skip_blank(self.text, self.at);
            self.at = start;
            if start >= self.text.len() {
                return None;
            }
            if self.text[start..].starts_with('\\') {
                match self.meta_command() {
                    Ok(()) => continue,
                    Err(fault) => return Some(Err(fault)),
                }
            }
            let end = self.statement_end(start);
            self.at = (end + 1).min(self.text.len());
            if end > start {
                return Some(Ok(Piece { offset: start, text: self.text[start..end].trim_end() }));
            }
        }
    }

    /// The same statement up to the semicolon after its own.
    fn extend(&mut self, piece: Piece<'a>) -> Option<Piece<'a>> {
        let seen = self.at;
        if seen >= self.text.len() {
            return None;
        }
        let end = self.statement_end(seen);
        self.at = (end + 1).min(self.text.len());
        Some(Piece { offset: piece.offset, text: self.text[piece.offset..end].trim_end() })
    }

    /// The lines after a `copy … from stdin;` up to the line `\.`, which is passed over.
    pub(super) fn copy_rows(&mut self) -> Range<usize> {
        let start = self.text[self.at..].find('\n').map_or(self.text.len(), |end| self.at + end + 1);
        let mut line = start;
        while line < self.text.len() {
            let end = self.text[line..].find('\n').map_or(self.text.len(), |length| line + length + 1);
            if self.text[line..end].trim_end_matches(['\r', '\n']) == "\\." {
                self.at = end;
                return start..line;
            }
            line = end;
        }
        self.at = self.text.len();
        start..self.text.len()
    }

    /// `pg_dump` frames its output with `\restrict`; other commands of psql mean something that is lost here.
    fn meta_command(&mut self) -> Result<(), Fault> {
        let line = self.text[self.at..].lines().next().unwrap_or_default();
        if line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ") {
            self.at += line.len();
            return Ok(());
        }
        let command = line.split_whitespace().next().unwrap_or(line);
        Err(Fault::new("42601", format!("`{command}` is a command of psql, not SQL"))
            .span(0, command.len())
            .help("leave it out"))
    }

    fn statement_end(&self, start: usize) -> usize {
        let mut at = start;
        while at < self.text.len() && self.text.as_bytes()[at] != b';' {
            at = token_end(self.text, at);
        }
        at
    }
}

/// Parses one statement. A body with semicolons of its own (`begin atomic … end`) takes in what follows.
pub(super) fn parse<'a>(splitter: &mut Splitter<'a>, piece: &mut Piece<'a>) -> Result<Vec<Node>, Fault> {
    loop {
        let message = match pg_query::parse(piece.text, 0) {
            Ok(parsed) => {
                let nodes = parsed.protobuf.stmts.into_iter().filter_map(|raw| raw.stmt.map(|node| *node)).collect();
                return Ok(nodes);
            }
            Err(pg_query::Error::Parse(message)) => message,
            Err(other) => return Err(Fault::new("54001", other.to_string())),
        };
        let open = message == "syntax error at end of input" && piece.text.to_ascii_lowercase().contains("atomic");
        match open.then(|| splitter.extend(*piece)).flatten() {
            Some(longer) => *piece = longer,
            None => return Err(syntax_fault(piece.text, message)),
        }
    }
}

/// The parser tells the token at which it stopped, but not its place: the first one that ends a readable beginning.
fn syntax_fault(text: &str, message: String) -> Fault {
    let near = message.split_once(" at or near \"").and_then(|(_, rest)| rest.strip_suffix('"')).map(str::to_owned);
    let fault = Fault::new("42601", message);
    let Some(near) = near else {
        let last = text.char_indices().next_back().map_or(0, |(at, _)| at);
        return fault.span(last, text.len() - last);
    };
    let mut at = 0;
    while at < text.len() {
        let end = token_end(text, at);
        if text[at..].starts_with(near.as_str()) && stops_at(&text[..end], &near) {
            return fault.span(at, near.len());
        }
        at = end;
    }
    match text.find(near.as_str()) {
        Some(at) => fault.span(at, near.len()),
        None => fault,
    }
}

fn stops_at(beginning: &str, near: &str) -> bool {
    matches!(pg_query::parse(beginning, 0), Err(pg_query::Error::Parse(message))
        if message.strip_suffix('"').is_some_and(|message| message.ends_with(near)))
}

/// Where `name` first stands as a word of its own, and how long it is there.
pub(super) fn find_name(text: &str, name: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    while at < text.len() {
        let end = token_end(text, at);
        let token = &text[at..end];
        let quoted = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let same = match quoted {
            Some(inner) => inner.replace("\"\"", "\"") == name,
            None => token.eq_ignore_ascii_case(name) || token.strip_prefix('\'') == Some(&format!("{name}'")),
        };
        if same {
            return Some((at, end - at));
        }
        at = end;
    }
    None
}

/// How long the token or dotted name at `at` is.
pub(super) fn name_length(text: &str, at: usize) -> usize {
    if !text.is_char_boundary(at) || at >= text.len() {
        return 0;
    }
    let mut end = token_end(text, at);
    while text[end..].starts_with('.') && end + 1 < text.len() {
        end = token_end(text, end + 1);
    }
    end - at
}

fn skip_blank(text: &str, mut at: usize) -> usize {
    while at < text.len() {
        let byte = text.as_bytes()[at];
        let comment = text[at..].starts_with("--") || text[at..].starts_with("/*");
        if !byte.is_ascii_whitespace() && !comment {
            break;
        }
        at = token_end(text, at);
    }
    at
}

/// Where the token that starts at `at` ends. Anything that cannot hold a semicolon may be cut up small.
fn token_end(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let rest = &text[at..];
    match bytes[at] {
        b'\'' => quoted_end(bytes, at + 1, b'\'', false),
        b'"' => quoted_end(bytes, at + 1, b'"', false),
        b'$' => dollar_end(text, at),
        b'-' if rest.starts_with("--") => rest.find('\n').map_or(text.len(), |end| at + end + 1),
        b'/' if rest.starts_with("/*") => comment_end(bytes, at),
        byte if is_word(byte) && !byte.is_ascii_digit() => {
            let end = rest.bytes().position(|b| !is_word(b) && b != b'$').map_or(text.len(), |length| at + length);
            let escapes = end == at + 1 && (byte == b'e' || byte == b'E') && bytes.get(end) == Some(&b'\'');
            if escapes { quoted_end(bytes, end + 1, b'\'', true) } else { end }
        }
        b'0'..=b'9' => rest.bytes().position(|b| !is_word(b) && b != b'.').map_or(text.len(), |length| at + length),
        _ => at + 1,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// A doubled quote starts the next token, which is as good as going on.
fn quoted_end(bytes: &[u8], mut at: usize, quote: u8, escapes: bool) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn dollar_end(text: &str, at: usize) -> usize {
    let after = &text[at + 1..];
    let length = after.bytes().position(|byte| !is_word(byte)).unwrap_or(after.len());
    let opens = after.as_bytes().get(length) == Some(&b'$') && !after.starts_with(|c: char| c.is_ascii_digit());
    if !opens {
        return at + 1;
    }
    let tag = &text[at..at + length + 2];
    let body = at + tag.len();
    text[body..].find(tag).map_or(text.len(), |end| body + end + tag.len())
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => {
                depth += 1;
                at += 2;
            }
            Some(b"*/") => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}
