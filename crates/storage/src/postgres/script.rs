//! A script cut into its statements, with the rows that follow each `copy … from stdin`.
//!
//! Cuts where `psql` does: at semicolons outside quotes, comments, parentheses and `begin atomic` bodies.

use std::ops::Range;

/// One statement and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// From its first word to before its semicolon, in bytes.
    pub(super) range: Range<usize>,
    /// Its bare words in lower case, as many as tell what it does; names in quotes are kept as they are.
    pub(super) words: Vec<String>,
    /// The lines of data below a `copy … from stdin`, less the closing `\.`.
    pub(super) copy_rows: Option<Range<usize>>,
}

/// Most words kept of a statement.
const WORDS: usize = 64;

/// Cuts `script`; whatever is no statement (an unclosed quote, say) is left in one for PostgreSQL to complain of.
pub(super) fn split(script: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut scanner = Scanner { text: script, bytes: script.as_bytes(), at: 0 };
    while let Some(statement) = scanner.statement() {
        statements.push(statement);
    }
    statements
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

/// How deep a place in a statement is.
#[derive(Default)]
struct Depth {
    parentheses: usize,
    /// `begin atomic` and `case` within it, each closed by `end`.
    blocks: usize,
}

impl Scanner<'_> {
    fn statement(&mut self) -> Option<Statement> {
        let mut start = None;
        let mut words = Vec::new();
        let mut depth = Depth::default();
        let mut end = self.at;
        while self.at < self.bytes.len() {
            let before = self.at;
            if self.skip_blank_or_comment() {
                continue;
            }
            let byte = self.bytes[self.at];
            if byte == b';' && depth.parentheses == 0 && depth.blocks == 0 {
                self.at += 1;
                if start.is_none() {
                    continue;
                }
                break;
            }
            start.get_or_insert(before);
            self.token(byte, &mut words, &mut depth);
            end = self.at;
        }
        let range = start?..end;
        let copy_rows = reads_stdin(&words).then(|| self.copy_rows());
        Some(Statement { range, words, copy_rows })
    }

    fn token(&mut self, byte: u8, words: &mut Vec<String>, depth: &mut Depth) {
        match byte {
            b'\'' => self.quoted(b'\'', false),
            b'"' => {
                let start = self.at;
                self.quoted(b'"', false);
                push_word(words, self.text[start..self.at].to_owned());
            }
            b'$' => self.dollar_quoted(),
            b'(' => {
                depth.parentheses += 1;
                self.at += 1;
            }
            b')' => {
                depth.parentheses = depth.parentheses.saturating_sub(1);
                self.at += 1;
            }
            _ if is_word_start(byte) => self.word(words, depth),
            _ if byte.is_ascii_digit() => self.skip_while(is_word_part),
            _ => self.at += 1,
        }
    }

    fn word(&mut self, words: &mut Vec<String>, depth: &mut Depth) {
        let start = self.at;
        self.skip_while(is_word_part);
        let word = self.text[start..self.at].to_ascii_lowercase();
        if self.bytes.get(self.at) == Some(&b'\'') && matches!(word.as_str(), "e" | "b" | "x" | "n") {
            return self.quoted(b'\'', word == "e");
        }
        // psql's rule: only a routine's definition can have a body of statements.
        let is_routine = words.first().is_some_and(|first| first == "create")
            && words.iter().take(4).any(|word| word == "function" || word == "procedure");
        if is_routine && depth.parentheses == 0 {
            match word.as_str() {
                "begin" => depth.blocks += 1,
                "case" if depth.blocks > 0 => depth.blocks += 1,
                "end" => depth.blocks = depth.blocks.saturating_sub(1),
                _ => {}
            }
        }
        push_word(words, word);
    }

    /// Whether something was skipped.
    fn skip_blank_or_comment(&mut self) -> bool {
        let rest = &self.bytes[self.at..];
        if rest[0].is_ascii_whitespace() {
            self.at += 1;
        } else if rest.starts_with(b"--") {
            self.skip_while(|byte| byte != b'\n');
        } else if rest.starts_with(b"/*") {
            self.skip_block_comment();
        } else {
            return false;
        }
        true
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) {
        let mut open = 0usize;
        while self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            if rest.starts_with(b"/*") {
                open += 1;
                self.at += 2;
            } else if rest.starts_with(b"*/") {
                open -= 1;
                self.at += 2;
                if open == 0 {
                    return;
                }
            } else {
                self.at += 1;
            }
        }
    }

    /// A doubled quote ends one part and begins the next, which reads the same.
    fn quoted(&mut self, quote: u8, backslashes: bool) {
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += if backslashes && byte == b'\\' && self.at + 1 < self.bytes.len() { 2 } else { 1 };
            if byte == quote {
                if backslashes && self.bytes.get(self.at) == Some(&quote) {
                    self.at += 1;
                    continue;
                }
                return;
            }
        }
    }

    fn dollar_quoted(&mut self) {
        let rest = &self.text[self.at + 1..];
        let tag = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|end| rest[*end..].starts_with('$'));
        let Some(tag) = tag.filter(|_| !rest.starts_with(|c: char| c.is_ascii_digit())) else {
            // `$1`, or a lone sign.
            self.at += 1;
            return;
        };
        let delimiter = &self.text[self.at..self.at + tag + 2];
        let body = self.at + delimiter.len();
        self.at = self.text[body..].find(delimiter).map_or(self.bytes.len(), |end| body + end + delimiter.len());
    }

    /// The lines after the one that the statement ends in, up to `\.`.
    fn copy_rows(&mut self) -> Range<usize> {
        self.skip_while(|byte| byte != b'\n');
        let start = (self.at + 1).min(self.bytes.len());
        self.at = start;
        while self.at < self.bytes.len() {
            let line = self.at;
            self.skip_while(|byte| byte != b'\n');
            let text = self.text[line..self.at].trim_end_matches('\r');
            self.at = (self.at + 1).min(self.bytes.len());
            if text == "\\." {
                return start..line;
            }
        }
        start..self.at
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|byte| wanted(*byte)) {
            self.at += 1;
        }
    }
}

fn push_word(words: &mut Vec<String>, word: String) {
    if words.len() < WORDS {
        words.push(word);
    }
}

fn reads_stdin(words: &[String]) -> bool {
    words.first().is_some_and(|first| first == "copy") && words.windows(2).any(|pair| pair == ["from", "stdin"])
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
mod tests {
    use super::split;

    #[track_caller]
    fn cut(script: &str, wanted: &[&str]) {
        let found: Vec<&str> = split(script).into_iter().map(|statement| &script[statement.range]).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn semicolons_end_statements() {
        cut("select 1; ; select 2 -- done; really\n;", &["select 1", "select 2"]);
        cut("-- nothing;\n/* at /* all; */ ; */", &[]);
    }

    #[test]
    fn semicolons_in_quotes_and_bodies_do_not() {
        cut(
            "select 'a;''b;', E'\\';', \"c;\", $$d;$$, $x$e;$$;$x$; select $1",
            &["select 'a;''b;', E'\\';', \"c;\", $$d;$$, $x$e;$$;$x$", "select $1"],
        );
        cut(
            "create rule r as on insert to t do also (delete from u; delete from v); select 1",
            &["create rule r as on insert to t do also (delete from u; delete from v)", "select 1"],
        );
        let body = "create or replace function f() returns int begin atomic select case when true then 1 end; end";
        cut(&format!("{body}; begin; end;"), &[body, "begin", "end"]);
    }

    #[test]
    fn rows_follow_a_copy() {
        let script = "copy t (a) from stdin;\n1;\n\\N\n\\.\nselect 1;";
        let statements = split(script);
        assert_eq!(&script[statements[0].range.clone()], "copy t (a) from stdin");
        assert_eq!(statements[0].copy_rows.clone().map(|rows| &script[rows]), Some("1;\n\\N\n"));
        assert_eq!(&script[statements[1].range.clone()], "select 1");
    }
}
