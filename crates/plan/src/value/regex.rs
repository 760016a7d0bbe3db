//! PostgreSQL's advanced regular expressions as those of the `regex` crate, with PostgreSQL's errors.
//! Back references and look-around, which the crate does not have, are refused.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use crate::error::DatabaseError;

/// What a bound `{m,n}` may count to.
const MAX_REPETITIONS: u32 = 255;
const MAX_DEPTH: usize = 200;
/// Bytes that a pattern may take when compiled. A match takes time in proportion to it, and cannot be interrupted.
const MAX_COMPILED: usize = 1 << 20;

/// How a pattern is read, as flags of `regexp_*` functions and embedded options (`(?i)`) say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegexOptions {
    /// `i`
    pub any_case: bool,
    /// `n` and `p`: `.` and `[^…]` stop at a line's end.
    pub dot_stops: bool,
    /// `n` and `w`: `^` and `$` match at lines' ends.
    pub anchors_at_lines: bool,
    /// `x`: white space and comments mean nothing.
    pub expanded: bool,
    /// `q`: the pattern is a plain text.
    pub literal: bool,
}

impl RegexOptions {
    /// Takes one flag; false when there is no such flag.
    pub fn set(&mut self, flag: char) -> bool {
        match flag {
            'i' => self.any_case = true,
            'c' => self.any_case = false,
            'n' | 'm' => (self.dot_stops, self.anchors_at_lines) = (true, true),
            's' => (self.dot_stops, self.anchors_at_lines) = (false, false),
            'p' => (self.dot_stops, self.anchors_at_lines) = (true, false),
            'w' => (self.dot_stops, self.anchors_at_lines) = (false, true),
            'x' => self.expanded = true,
            't' => self.expanded = false,
            'q' => self.literal = true,
            'b' | 'e' => {}
            _ => return false,
        }
        true
    }
}

/// Compiles the pattern of `~`, or of `~*` when `any_case`.
pub fn regex(pattern: &str, any_case: bool) -> Result<Regex, DatabaseError> {
    regex_with(pattern, RegexOptions { any_case, ..RegexOptions::default() })
}

/// Compiles a pattern; options at its start change the given ones.
pub fn regex_with(pattern: &str, mut options: RegexOptions) -> Result<Regex, DatabaseError> {
    let rest = read_director(pattern, &mut options)?;
    let translated = if options.literal { regex::escape(rest) } else { Translator::new(rest, options).translate()? };
    RegexBuilder::new(&translated)
        .case_insensitive(options.any_case)
        .dot_matches_new_line(!options.dot_stops)
        .multi_line(options.anchors_at_lines)
        .size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => invalid("regular expression is too complex"),
            _ => invalid("invalid regexp (reg version 0.8)"),
        })
}

/// Passes over `***=`, `***:` and `(?flags)` at a pattern's start.
fn read_director<'a>(pattern: &'a str, options: &mut RegexOptions) -> Result<&'a str, DatabaseError> {
    if let Some(text) = pattern.strip_prefix("***=") {
        options.literal = true;
        return Ok(text);
    }
    let pattern = pattern.strip_prefix("***:").unwrap_or(pattern);
    let Some(flags) = pattern.strip_prefix("(?").filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
    else {
        return Ok(pattern);
    };
    let Some((flags, rest)) = flags.split_once(')') else { return Err(invalid("invalid embedded option")) };
    if flags.chars().all(|flag| options.set(flag)) { Ok(rest) } else { Err(invalid("invalid embedded option")) }
}

fn invalid(reason: &str) -> DatabaseError {
    DatabaseError::new("2201B", format!("invalid regular expression: {reason}"))
}

fn unsupported(what: &str) -> DatabaseError {
    DatabaseError::new("0A000", format!("{what} in regular expressions are not supported"))
}

/// Whether what was just read may be repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Atom,
    /// An anchor, or the start of a branch.
    Fixed,
}

struct Translator<'a> {
    chars: Peekable<Chars<'a>>,
    options: RegexOptions,
    out: String,
    groups: usize,
    depth: usize,
}

impl<'a> Translator<'a> {
    fn new(pattern: &'a str, options: RegexOptions) -> Self {
        let out = String::with_capacity(pattern.len() + 8);
        Self { chars: pattern.chars().peekable(), options, out, groups: 0, depth: 0 }
    }

    fn translate(mut self) -> Result<String, DatabaseError> {
        self.read_alternatives()?;
        Ok(self.out)
    }

    /// Reads up to the closing parenthesis, or to the end when there is none open.
    fn read_alternatives(&mut self) -> Result<(), DatabaseError> {
        let mut before = Piece::Fixed;
        loop {
            self.skip_expanded();
            let Some(next) = self.chars.next() else {
                return if self.depth == 0 { Ok(()) } else { Err(invalid("parentheses () not balanced")) };
            };
            let bound = next == '{' && self.chars.peek().is_some_and(char::is_ascii_digit);
            match next {
                ')' if self.depth > 0 => return Ok(()),
                ')' => return Err(invalid("parentheses () not balanced")),
                '|' => {
                    self.out.push('|');
                    before = Piece::Fixed;
                }
                '*' | '+' | '?' => before = self.read_quantifier(next, before)?,
                '{' if bound => before = self.read_bound(before)?,
                other => before = self.read_piece(other)?,
            }
        }
    }

    fn skip_expanded(&mut self) {
        if !self.options.expanded {
            return;
        }
        while let Some(next) = self.chars.next_if(|c| c.is_whitespace() || *c == '#') {
            if next == '#' {
                while self.chars.next_if(|c| *c != '\n').is_some() {}
            }
        }
    }

    fn read_quantifier(&mut self, quantifier: char, before: Piece) -> Result<Piece, DatabaseError> {
        if before == Piece::Fixed {
            return Err(invalid("quantifier operand invalid"));
        }
        self.out.push(quantifier);
        self.read_laziness();
        Ok(Piece::Fixed)
    }

    fn read_laziness(&mut self) {
        if self.chars.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
    }

    fn read_bound(&mut self, before: Piece) -> Result<Piece, DatabaseError> {
        if before == Piece::Fixed {
            return Err(invalid("quantifier operand invalid"));
        }
        let least = self.read_count()?.unwrap_or(0);
        let most = match self.chars.next_if_eq(&',') {
            Some(_) => self.read_count()?,
            None => Some(least),
        };
        match self.chars.next() {
            Some('}') => {}
            None => return Err(invalid("braces {} not balanced")),
            Some(_) => return Err(invalid("invalid repetition count(s)")),
        }
        match most {
            Some(most) if most < least => return Err(invalid("invalid repetition count(s)")),
            Some(most) => self.out.push_str(&format!("{{{least},{most}}}")),
            None => self.out.push_str(&format!("{{{least},}}")),
        }
        self.read_laziness();
        Ok(Piece::Fixed)
    }

    fn read_count(&mut self) -> Result<Option<u32>, DatabaseError> {
        let mut count = None;
        while let Some(digit) = self.chars.next_if(char::is_ascii_digit) {
            let sum = count.unwrap_or(0) * 10 + digit.to_digit(10).unwrap_or(0);
            if sum > MAX_REPETITIONS {
                return Err(invalid("invalid repetition count(s)"));
            }
            count = Some(sum);
        }
        Ok(count)
    }

    fn read_piece(&mut self, first: char) -> Result<Piece, DatabaseError> {
        match first {
            '(' => return self.read_group(),
            '[' => return self.read_brackets(),
            '\\' => return self.read_escape(),
            '^' | '$' => {
                self.out.push(first);
                return Ok(Piece::Fixed);
            }
            '.' => self.out.push('.'),
            other => self.push_literal(other),
        }
        Ok(Piece::Atom)
    }

    fn push_literal(&mut self, c: char) {
        if c.is_alphanumeric() {
            self.out.push(c);
        } else {
            self.out.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
        }
    }

    fn read_group(&mut self) -> Result<Piece, DatabaseError> {
        if self.depth >= MAX_DEPTH {
            return Err(invalid("regular expression is too complex"));
        }
        if self.chars.next_if_eq(&'?').is_some() {
            match self.chars.next() {
                Some(':') => self.out.push_str("(?:"),
                Some('=' | '!') => return Err(unsupported("lookahead constraints")),
                Some('<') => return Err(unsupported("lookbehind constraints")),
                Some(_) | None => return Err(invalid("quantifier operand invalid")),
            }
        } else {
            self.groups += 1;
            self.out.push('(');
        }
        self.depth += 1;
        self.read_alternatives()?;
        self.depth -= 1;
        self.out.push(')');
        Ok(Piece::Atom)
    }

    /// An escape outside of brackets.
    fn read_escape(&mut self) -> Result<Piece, DatabaseError> {
        let Some(escaped) = self.chars.next() else { return Err(invalid("invalid escape \\ sequence")) };
        let anchor = match escaped {
            'A' => "\\A",
            'Z' => "\\z",
            'm' => "\\b{start}",
            'M' => "\\b{end}",
            'y' => "\\b",
            'Y' => "\\B",
            _ => {
                if let Some(class) = class_escape(escaped) {
                    self.out.push_str(&format!("[{class}]"));
                    return Ok(Piece::Atom);
                }
                if matches!(escaped, '1'..='9') {
                    return self.read_back_reference(escaped);
                }
                let c = self.read_char_escape(escaped)?;
                self.push_literal(c);
                return Ok(Piece::Atom);
            }
        };
        self.out.push_str(anchor);
        Ok(Piece::Fixed)
    }

    /// A back reference, or an octal number when it has several digits and no such group stands before it.
    fn read_back_reference(&mut self, first: char) -> Result<Piece, DatabaseError> {
        let mut digits = String::from(first);
        while let Some(digit) = self.chars.next_if(|c| c.is_ascii_digit() && digits.len() < 3) {
            digits.push(digit);
        }
        if digits.parse().is_ok_and(|group: usize| group <= self.groups) {
            return Err(unsupported("back references"));
        }
        match u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32) {
            Some(c) if digits.len() > 1 => {
                self.push_literal(c);
                Ok(Piece::Atom)
            }
            _ => Err(invalid("invalid backreference number")),
        }
    }

    /// The character that an escape stands for.
    fn read_char_escape(&mut self, escaped: char) -> Result<char, DatabaseError> {
        let code = match escaped {
            'a' => 7,
            'b' => 8,
            'B' => u32::from('\\'),
            'e' => 27,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            'c' => u32::from(self.chars.next().ok_or_else(|| invalid("invalid escape \\ sequence"))?) & 31,
            'u' => self.read_hex(4, 4)?,
            'U' => self.read_hex(8, 8)?,
            'x' => self.read_hex(1, 255)?,
            '0' => self.read_octal(),
            other if other.is_ascii_alphanumeric() => return Err(invalid("invalid escape \\ sequence")),
            other => return Ok(other),
        };
        char::from_u32(code).ok_or_else(|| invalid("invalid escape \\ sequence"))
    }

    fn read_hex(&mut self, least: usize, most: usize) -> Result<u32, DatabaseError> {
        let (mut code, mut count) = (0u32, 0);
        while count < most
            && let Some(digit) = self.chars.next_if(char::is_ascii_hexdigit)
        {
            code = code.wrapping_mul(16).wrapping_add(digit.to_digit(16).unwrap_or(0));
            count += 1;
        }
        if count < least { Err(invalid("invalid escape \\ sequence")) } else { Ok(code) }
    }

    fn read_octal(&mut self) -> u32 {
        let (mut code, mut count) = (0, 1);
        while count < 3
            && let Some(digit) = self.chars.next_if(|c| ('0'..'8').contains(c))
        {
            code = code * 8 + digit.to_digit(8).unwrap_or(0);
            count += 1;
        }
        code
    }

    fn read_brackets(&mut self) -> Result<Piece, DatabaseError> {
        let word_edge = [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")];
        for (text, anchor) in word_edge {
            if self.chars.clone().take(text.len()).eq(text.chars()) {
                self.chars.nth(text.len() - 1);
                self.out.push_str(anchor);
                return Ok(Piece::Fixed);
            }
        }
        self.out.push('[');
        if self.chars.next_if_eq(&'^').is_some() {
            self.out.push('^');
            if self.options.dot_stops {
                self.out.push_str("\\n");
            }
        }
        let mut first = true;
        loop {
            match self.chars.next() {
                None => return Err(invalid("brackets [] not balanced")),
                Some(']') if !first => break,
                Some(next) => self.read_bracket_item(next)?,
            }
            first = false;
        }
        self.out.push(']');
        Ok(Piece::Atom)
    }

    /// A character, a range or a class.
    fn read_bracket_item(&mut self, next: char) -> Result<(), DatabaseError> {
        let Some(start) = self.read_bracket_char(next)? else {
            let mut ahead = self.chars.clone();
            let ranged = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
            return if ranged { Err(invalid("invalid character range")) } else { Ok(()) };
        };
        let mut ahead = self.chars.clone();
        if ahead.next() != Some('-') || matches!(ahead.next(), Some(']') | None) {
            self.push_literal(start);
            return Ok(());
        }
        self.chars.next();
        let Some(next) = self.chars.next() else { return Err(invalid("brackets [] not balanced")) };
        let end = self.read_bracket_char(next)?.filter(|end| *end >= start);
        let end = end.ok_or_else(|| invalid("invalid character range"))?;
        self.push_literal(start);
        self.out.push('-');
        self.push_literal(end);
        Ok(())
    }

    /// One character of a bracket expression; a class is written at once and gives none.
    fn read_bracket_char(&mut self, next: char) -> Result<Option<char>, DatabaseError> {
        match next {
            '\\' => {
                let Some(escaped) = self.chars.next() else { return Err(invalid("invalid escape \\ sequence")) };
                match class_escape(escaped) {
                    Some(class) if class.starts_with('^') => self.out.push_str(&format!("[{class}]")),
                    Some(class) => self.out.push_str(class),
                    None => return self.read_char_escape(escaped).map(Some),
                }
                Ok(None)
            }
            '[' => match self.chars.next_if(|c| matches!(c, ':' | '.' | '=')) {
                None => Ok(Some('[')),
                Some(':') => {
                    let name = self.read_name(':')?;
                    let class = named_class(&name).ok_or_else(|| invalid("invalid character class"))?;
                    self.out.push_str(class);
                    Ok(None)
                }
                Some(kind) => {
                    let name = self.read_name(kind)?;
                    let mut chars = name.chars();
                    match (chars.next(), chars.next()) {
                        (Some(only), None) => Ok(Some(only)),
                        _ => Err(invalid("invalid collating element")),
                    }
                }
            },
            other => Ok(Some(other)),
        }
    }

    /// Up to `:]`, `.]` or `=]`.
    fn read_name(&mut self, kind: char) -> Result<String, DatabaseError> {
        let mut name = String::new();
        while let Some(next) = self.chars.next() {
            if next == kind && self.chars.next_if_eq(&']').is_some() {
                return Ok(name);
            }
            name.push(next);
        }
        Err(invalid("brackets [] not balanced"))
    }
}

/// `\d` and its like, as they stand between brackets.
fn class_escape(escaped: char) -> Option<&'static str> {
    Some(match escaped {
        'd' => "0-9",
        'D' => "^0-9",
        'w' => "\\p{L}\\p{Nd}_",
        'W' => "^\\p{L}\\p{Nd}_",
        's' => "\\s",
        'S' => "^\\s",
        _ => return None,
    })
}

fn named_class(name: &str) -> Option<&'static str> {
    Some(match name {
        "alpha" => "\\p{L}",
        "alnum" => "\\p{L}\\p{Nd}",
        "ascii" => "\\x00-\\x7f",
        "blank" => " \\t",
        "cntrl" => "\\p{Cc}",
        "digit" => "0-9",
        "graph" => "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}",
        "lower" => "\\p{Ll}",
        "print" => "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Zs}",
        "punct" => "\\p{P}\\p{S}",
        "space" => "\\s",
        "upper" => "\\p{Lu}",
        "word" => "\\p{L}\\p{Nd}_",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    })
}
