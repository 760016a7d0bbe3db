//! Reads a text and, where it does not fit, says so in the words of the parser that PostgREST uses (Parsec):
//! the furthest place that was reached, what stood there, and what would have fitted.
//!
//! A parser that fails without having moved lets the next alternative try; one that has moved ends the parse,
//! unless it ran under [`Reader::attempt`].

use std::mem;

use super::super::error::RestError;

/// How deep parentheses may stand in each other.
const MAX_DEPTH: usize = 32;

/// What was noted at the furthest place so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Note {
    at: usize,
    messages: Vec<Message>,
}

#[derive(Clone, Debug, PartialEq)]
enum Message {
    /// A character, or the end.
    Found(Option<char>),
    /// A character where there must be none; it outweighs `Found`.
    Extra(char),
    /// A text that would fit.
    Text(&'static str),
    /// What would fit, in words.
    Words(&'static str),
    TooDeep,
}

pub(super) type Parsed<T> = Result<T, Note>;

pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// What alternatives that failed here without moving have said.
    note: Note,
    /// Whether notes are taken; only a text that turned out wrong is read again with them.
    notes: bool,
    depth: usize,
}

/// Reads `text` by `grammar`; `name` is what messages call it. What follows the part that fits is ignored, as PostgREST does.
pub(super) fn read<T>(name: &str, text: &str, grammar: impl Fn(&mut Reader<'_>) -> Parsed<T>) -> Result<T, RestError> {
    let mut reader = Reader::new(text, false);
    if let Ok(value) = grammar(&mut reader) {
        return Ok(value);
    }
    match grammar(&mut Reader::new(text, true)) {
        Ok(value) => Ok(value),
        Err(note) => Err(RestError::Syntax {
            message: format!("\"failed to parse {name} ({text})\" {}", position(text, note.at)),
            details: note.words(),
        }),
    }
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, notes: bool) -> Self {
        Self { text, at: 0, note: Note::default(), notes, depth: 0 }
    }

    fn next(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn accept(&mut self, length: usize) {
        self.at += length;
        self.note = Note { at: self.at, messages: Vec::new() };
    }

    /// A failure here, with what was noted here before.
    fn miss(&mut self, at: usize, messages: impl FnOnce() -> Vec<Message>) -> Note {
        let before = mem::take(&mut self.note);
        if self.notes { before.merge(Note { at, messages: messages() }) } else { before }
    }

    /// A character that passes; `words` name those that do, where PostgREST has a name for them.
    pub(super) fn character(&mut self, words: Option<&'static str>, passes: impl Fn(char) -> bool) -> Parsed<char> {
        match self.next() {
            Some(found) if passes(found) => {
                self.accept(found.len_utf8());
                Ok(found)
            }
            found => {
                Err(self
                    .miss(self.at, || [Message::Found(found)].into_iter().chain(words.map(Message::Words)).collect()))
            }
        }
    }

    pub(super) fn text(&mut self, wanted: &'static str) -> Parsed<()> {
        let rest = &self.text[self.at..];
        if rest.starts_with(wanted) {
            self.accept(wanted.len());
            return Ok(());
        }
        let common = wanted.chars().zip(rest.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        let found = rest[common..].chars().next();
        let messages = || vec![Message::Found(found), Message::Text(wanted)];
        if common == 0 {
            return Err(self.miss(self.at, messages));
        }
        // Parsec counts the common part as read, yet reports the place where the text began.
        let note = Note { at: self.at, messages: if self.notes { messages() } else { Vec::new() } };
        self.at += common;
        Err(note)
    }

    /// Whether `wanted` comes next; it is not consumed.
    pub(super) fn ahead(&mut self, wanted: &'static str) -> Parsed<()> {
        let rest = &self.text[self.at..];
        if rest.starts_with(wanted) {
            return Ok(());
        }
        let common: usize =
            wanted.chars().zip(rest.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        let found = rest[common..].chars().next();
        Err(self.miss(self.at, || vec![Message::Found(found), Message::Text(wanted)]))
    }

    /// Fails when a character that passes comes next; nothing is consumed.
    pub(super) fn none_ahead(&mut self, wanted: Option<&'static str>, passes: impl Fn(char) -> bool) -> Parsed<()> {
        let found = self.next();
        match found {
            Some(found) if passes(found) => {
                let after = self.at + found.len_utf8();
                Err(self.miss(after, || vec![Message::Extra(found)]))
            }
            _ => {
                self.note = self
                    .miss(self.at, || [Message::Found(found)].into_iter().chain(wanted.map(Message::Text)).collect());
                Ok(())
            }
        }
    }

    pub(super) fn end(&mut self) -> Parsed<()> {
        let found = self.next();
        let note = self
            .miss(self.at, || vec![found.map_or(Message::Found(None), Message::Extra), Message::Words("end of input")]);
        match found {
            None => {
                self.note = note;
                Ok(())
            }
            Some(_) => Err(note),
        }
    }

    /// A failure that says nothing.
    pub(super) fn pass(&mut self) -> Note {
        self.miss(self.at, Vec::new)
    }

    /// `second`, when `first` failed without having moved.
    pub(super) fn either<T>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Parsed<T>,
        second: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.at;
        match first(self) {
            Err(note) if self.at == start => {
                self.note = note;
                second(self)
            }
            result => result,
        }
    }

    pub(super) fn optional<T>(&mut self, parser: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<Option<T>> {
        self.either(|reader| parser(reader).map(Some), |_| Ok(None))
    }

    /// As `parser`, but where it fails it has not moved.
    pub(super) fn attempt<T>(&mut self, parser: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let start = self.at;
        let before = self.note.clone();
        parser(self).map_err(|note| match mem::replace(&mut self.at, start) == start {
            true => note,
            false => before.merge(note),
        })
    }

    /// As `parser`, but where it fails without having moved, `words` say what would have fitted.
    pub(super) fn labelled<T>(
        &mut self,
        words: &'static str,
        parser: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.at;
        let before = mem::replace(&mut self.note, Note { at: start, messages: Vec::new() });
        match parser(self) {
            Ok(value) => {
                if self.at == start {
                    self.note = before.merge(mem::take(&mut self.note).labelled(words));
                }
                Ok(value)
            }
            Err(note) if self.at == start => Err(before.merge(note.labelled(words))),
            Err(note) => Err(note),
        }
    }

    /// As often as it goes.
    pub(super) fn many<T>(&mut self, parser: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut found = Vec::new();
        while let Some(item) = self.optional(&parser)? {
            found.push(item);
        }
        Ok(found)
    }

    /// At least once. What the last item but one could have gone on with is forgotten, as in Parsec.
    pub(super) fn separated<T>(
        &mut self,
        parser: impl Fn(&mut Self) -> Parsed<T>,
        separator: impl Fn(&mut Self) -> Parsed<()>,
    ) -> Parsed<Vec<T>> {
        let mut found = vec![parser(self)?];
        loop {
            let further = self.optional(|reader| {
                separator(reader)?;
                parser(reader)
            })?;
            match further {
                Some(item) => found.push(item),
                None => return Ok(found),
            }
            self.note = Note { at: self.at, messages: Vec::new() };
        }
    }

    /// The text of one or more characters, each read by `parser`.
    pub(super) fn characters(&mut self, parser: impl Fn(&mut Self) -> Parsed<char>) -> Parsed<&'a str> {
        let start = self.at;
        parser(self)?;
        while self.optional(&parser)?.is_some() {}
        Ok(&self.text[start..self.at])
    }

    /// The text of the characters that pass, perhaps none.
    pub(super) fn while_(&mut self, passes: impl Fn(char) -> bool) -> Parsed<&'a str> {
        let start = self.at;
        while self.optional(|reader| reader.character(None, &passes))?.is_some() {}
        Ok(&self.text[start..self.at])
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        self.accept(rest.len());
        rest
    }

    /// Blanks, `parser`, blanks.
    pub(super) fn lexeme<T>(&mut self, parser: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let blank = |c| c == ' ' || c == '\t';
        self.while_(blank)?;
        let value = parser(self)?;
        self.while_(blank)?;
        Ok(value)
    }

    /// One level further down.
    pub(super) fn deeper<T>(&mut self, parser: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err(self.miss(self.at, || vec![Message::TooDeep]));
        }
        self.depth += 1;
        let result = parser(self);
        self.depth -= 1;
        result
    }
}

impl Note {
    /// The one that is further; of two at the same place, both.
    fn merge(mut self, other: Self) -> Self {
        if other.messages.is_empty() || (!self.messages.is_empty() && self.at > other.at) {
            return self;
        }
        if self.messages.is_empty() || self.at < other.at {
            return other;
        }
        self.messages.extend(other.messages);
        self
    }

    fn labelled(mut self, words: &'static str) -> Self {
        if !self.messages.is_empty() {
            self.messages.retain(|message| !matches!(message, Message::Text(_) | Message::Words(_)));
            self.messages.push(Message::Words(words));
        }
        self
    }

    /// `unexpected "x" expecting a, b or c`
    fn words(&self) -> String {
        let extra = self.messages.iter().find_map(|message| match message {
            Message::Extra(found) => Some(format!("unexpected {}", quoted(*found, '\''))),
            _ => None,
        });
        let found = || {
            self.messages.iter().find_map(|message| match message {
                Message::Found(Some(found)) => Some(format!("unexpected {}", quoted(*found, '"'))),
                Message::Found(None) => Some("unexpected end of input".to_owned()),
                _ => None,
            })
        };
        let deep = self.messages.contains(&Message::TooDeep).then(|| format!("more than {MAX_DEPTH} levels deep"));
        let parts: Vec<String> = extra.or_else(found).into_iter().chain(self.expected()).chain(deep).collect();
        if parts.is_empty() { "unknown parse error".to_owned() } else { parts.join(" ") }
    }

    fn expected(&self) -> Option<String> {
        let mut names: Vec<String> = Vec::new();
        for message in &self.messages {
            let name = match message {
                Message::Text(text) => format!("\"{}\"", text.replace('"', "\\\"")),
                Message::Words(words) => (*words).to_owned(),
                Message::Found(_) | Message::Extra(_) | Message::TooDeep => continue,
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let last = names.pop()?;
        Some(match names.is_empty() {
            true => format!("expecting {last}"),
            false => format!("expecting {} or {last}", names.join(", ")),
        })
    }
}

/// A character as Haskell shows it.
fn quoted(character: char, quote: char) -> String {
    match character {
        '\n' => format!("{quote}\\n{quote}"),
        '\t' => format!("{quote}\\t{quote}"),
        '\r' => format!("{quote}\\r{quote}"),
        '\\' => format!("{quote}\\\\{quote}"),
        _ if character == quote => format!("{quote}\\{quote}{quote}"),
        ' '..='~' => format!("{quote}{character}{quote}"),
        _ => format!("{quote}\\{}{quote}", u32::from(character)),
    }
}

/// `(line 1, column 5)`
fn position(text: &str, at: usize) -> String {
    let (mut line, mut column) = (1, 1);
    for character in text.get(..at).unwrap_or(text).chars() {
        match character {
            '\n' => (line, column) = (line + 1, 1),
            '\t' => column += 8 - (column - 1) % 8,
            _ => column += 1,
        }
    }
    format!("(line {line}, column {column})")
}
