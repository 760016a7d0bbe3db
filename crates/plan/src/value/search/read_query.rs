//! The four ways of writing a search: PostgreSQL's operators, plain words, a phrase, and what people type into a
//! search box.

use super::query::{Lexeme, Node};
use super::{Configuration, TsQuery};
use crate::error::DatabaseError;

const FARTHEST: u32 = 16_384;
/// PostgreSQL bounds queries by their bytes. A tree of this many parts fits on every stack.
const MOST_PARTS: usize = 1_000;

/// How a search is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryForm {
    /// `cat & (dog | !mouse)`
    Standard,
    /// Words that must all be there.
    Plain,
    /// Words that must follow each other.
    Phrase,
    /// `cat "big dog" or -mouse`
    Web,
}

impl QueryForm {
    /// The function of PostgreSQL's that reads it.
    pub fn function(self) -> &'static str {
        match self {
            Self::Standard => "to_tsquery",
            Self::Plain => "plainto_tsquery",
            Self::Phrase => "phraseto_tsquery",
            Self::Web => "websearch_to_tsquery",
        }
    }

    /// Reads `text`, its words becoming lexemes as `configuration` says.
    ///
    /// # Errors
    /// When it is not written so; only the standard form can be wrong.
    pub fn read(self, configuration: Configuration, text: &str) -> Result<TsQuery, DatabaseError> {
        let mut words = |word: Word| lexemes(configuration, &word, Join::Phrase);
        let root = match self {
            Self::Standard => standard(text, &mut words)?,
            Self::Plain => Some(lexemes(configuration, &Word::plain(text), Join::And)),
            Self::Phrase => Some(words(Word::plain(text))),
            Self::Web => web(text, &mut words),
        };
        let parts = root.as_ref().map_or(0, Node::parts);
        if parts > MOST_PARTS { Err(too_large()) } else { Ok(TsQuery::cleaned(root)) }
    }
}

fn too_large() -> DatabaseError {
    DatabaseError::new("54000", "tsquery is too large")
}

/// A word of a query, before it is made lexemes.
pub(super) struct Word {
    pub(super) text: String,
    prefix: bool,
    weights: u8,
}

impl Word {
    fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), prefix: false, weights: 0 }
    }

    pub(super) fn into_lexeme(self) -> Lexeme {
        Lexeme { text: self.text, prefix: self.prefix, weights: self.weights }
    }
}

#[derive(Clone, Copy)]
enum Join {
    And,
    Phrase,
}

impl Join {
    fn of(self, left: Node, right: Node) -> Node {
        match self {
            Self::And => Node::And(Box::new(left), Box::new(right)),
            Self::Phrase => Node::Phrase(Box::new(left), Box::new(right), 1),
        }
    }
}

/// The lexemes of a word, joined; what is left out between two of them keeps its place.
fn lexemes(configuration: Configuration, word: &Word, join: Join) -> Node {
    let mut whole: Option<Node> = None;
    let mut last = 0;
    for (text, position) in configuration.lexemes(&word.text, &mut 0) {
        let gap = if last > 0 { position - last - 1 } else { 0 };
        for _ in 0..gap {
            whole = whole.map(|before| join.of(before, Node::Stop));
        }
        last = position;
        let lexeme = Node::Lexeme(Lexeme { text, prefix: word.prefix, weights: word.weights });
        whole = Some(match whole {
            None => lexeme,
            Some(before) => join.of(before, lexeme),
        });
        if position > MOST_PARTS {
            break;
        }
    }
    whole.unwrap_or(Node::Stop)
}

impl Node {
    /// How many parts the tree has; counted without descending far.
    fn parts(&self) -> usize {
        let mut open = vec![self];
        let mut count = 0;
        while let Some(node) = open.pop() {
            count += 1;
            match node {
                Self::Stop | Self::Lexeme(_) => {}
                Self::Not(inner) => open.push(inner),
                Self::And(left, right) | Self::Or(left, right) | Self::Phrase(left, right, _) => {
                    open.push(left);
                    open.push(right);
                }
            }
        }
        count
    }
}

/// Reads the standard form; `None` when there is nothing in it.
pub(super) fn standard(text: &str, words: &mut dyn FnMut(Word) -> Node) -> Result<Option<Node>, DatabaseError> {
    let mut reader = StandardReader { reader: Reader::new(text), words, parts: 0 };
    reader.reader.skip_space();
    if reader.reader.is_done() {
        return Ok(None);
    }
    let node = reader.any()?;
    reader.reader.skip_space();
    if reader.reader.is_done() { Ok(Some(node)) } else { Err(reader.fault()) }
}

struct StandardReader<'a, 'w> {
    reader: Reader<'a>,
    words: &'w mut dyn FnMut(Word) -> Node,
    parts: usize,
}

impl StandardReader<'_, '_> {
    fn fault(&self) -> DatabaseError {
        DatabaseError::new("42601", format!("syntax error in tsquery: \"{}\"", self.reader.text))
    }

    fn count(&mut self) -> Result<(), DatabaseError> {
        self.parts += 1;
        if self.parts > MOST_PARTS { Err(too_large()) } else { Ok(()) }
    }

    fn any(&mut self) -> Result<Node, DatabaseError> {
        let mut left = self.all()?;
        while self.reader.accept('|') {
            left = Node::Or(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Node, DatabaseError> {
        let mut left = self.phrase()?;
        while self.reader.accept('&') {
            left = Node::And(Box::new(left), Box::new(self.phrase()?));
        }
        Ok(left)
    }

    fn phrase(&mut self) -> Result<Node, DatabaseError> {
        let mut left = self.operand()?;
        while self.reader.accept('<') {
            let distance = self.distance()?;
            left = Node::Phrase(Box::new(left), Box::new(self.operand()?), distance);
        }
        Ok(left)
    }

    /// `->` or `2>`
    fn distance(&mut self) -> Result<u16, DatabaseError> {
        let Some((inside, _)) = self.reader.rest().split_once('>') else { return Err(self.fault()) };
        let distance = match inside {
            "-" => Some(1),
            digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse::<u32>().ok().filter(|distance| *distance <= FARTHEST)
            }
            _ => return Err(self.fault()),
        };
        self.reader.at += inside.len() + 1;
        distance.and_then(|distance| u16::try_from(distance).ok()).ok_or_else(|| {
            let message = "distance in phrase operator must be an integer value between zero and 16384 inclusive";
            DatabaseError::new("22023", message)
        })
    }

    fn operand(&mut self) -> Result<Node, DatabaseError> {
        self.count()?;
        self.reader.skip_space();
        if self.reader.is_done() {
            let message = format!("no operand in tsquery: \"{}\"", self.reader.text);
            return Err(DatabaseError::new("42601", message));
        }
        if self.reader.accept('!') {
            return Ok(Node::Not(Box::new(self.operand()?)));
        }
        if self.reader.accept('(') {
            let inside = self.any()?;
            return if self.reader.accept(')') { Ok(inside) } else { Err(self.fault()) };
        }
        let Some(word) = self.reader.lexeme(true) else { return Err(self.fault()) };
        Ok((self.words)(word))
    }
}

/// What people type: words, `"phrases"`, `or`, and `-` before what must not be there. Nothing of it is wrong.
fn web(text: &str, words: &mut dyn FnMut(Word) -> Node) -> Option<Node> {
    let mut alternatives: Option<Node> = None;
    let mut all: Option<Node> = None;
    let mut rest = text;
    let mut negations = 0;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || is_operator(c));
        let Some(first) = rest.chars().next() else { break };
        if negations == 0
            && all.is_some()
            && let Some(after) = or_operator(rest)
        {
            alternatives = join(alternatives, all.take(), Node::Or);
            rest = after;
            continue;
        }
        if first == '-' {
            negations += 1;
            rest = &rest[1..];
            continue;
        }
        let (word, after) = match rest.strip_prefix('"') {
            Some(inside) => match inside.split_once('"') {
                Some(quoted) => quoted,
                None => {
                    rest = inside;
                    continue;
                }
            },
            None => {
                let ends = |c: char| c.is_whitespace() || is_operator(c) || matches!(c, '"' | ':');
                let length = rest.char_indices().skip(1).find(|(_, c)| ends(*c)).map_or(rest.len(), |(at, _)| at);
                rest.split_at(length)
            }
        };
        rest = after;
        let mut node = words(Word::plain(word));
        for _ in 0..negations.min(MOST_PARTS) {
            node = Node::Not(Box::new(node));
        }
        negations = 0;
        all = join(all, Some(node), Node::And);
    }
    join(alternatives, all, Node::Or)
}

fn join(left: Option<Node>, right: Option<Node>, with: fn(Box<Node>, Box<Node>) -> Node) -> Option<Node> {
    match (left, right) {
        (Some(left), Some(right)) => Some(with(Box::new(left), Box::new(right))),
        (left, right) => left.or(right),
    }
}

/// What follows `or`, where it is a word of its own and not the last one.
fn or_operator(text: &str) -> Option<&str> {
    let (word, rest) = text.split_at_checked(2)?;
    let stands_alone = !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_'));
    (word.eq_ignore_ascii_case("or") && stands_alone && !rest.trim().is_empty()).then_some(rest)
}

fn is_operator(c: char) -> bool {
    matches!(c, '!' | '&' | '|' | '(' | ')')
}

/// Reads words of queries and vectors.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Blanks and then `wanted`, if that comes next.
    fn accept(&mut self, wanted: char) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// A word, quoted or bare; in a query with its `:*AB`. `None` when there is none.
    pub(super) fn lexeme(&mut self, in_query: bool) -> Option<Word> {
        let text = if self.rest().starts_with('\'') { self.quoted()? } else { self.bare(in_query)? };
        if text.is_empty() {
            return None;
        }
        let (prefix, weights) = if in_query { self.marks() } else { (false, 0) };
        Some(Word { text, prefix, weights })
    }

    fn quoted(&mut self) -> Option<String> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next()? {
                '\\' => text.push(self.next()?),
                '\'' if self.rest().starts_with('\'') => text.extend(self.next()),
                '\'' => return Some(text),
                other => text.push(other),
            }
        }
    }

    fn bare(&mut self, in_query: bool) -> Option<String> {
        let mut text = String::new();
        while let Some(c) = self.rest().chars().next() {
            if c.is_whitespace() || c == ':' || (in_query && (is_operator(c) || c == '<')) {
                break;
            }
            self.next();
            text.push(if c == '\\' { self.next()? } else { c });
        }
        Some(text)
    }

    /// `:*AB`
    fn marks(&mut self) -> (bool, u8) {
        let (mut prefix, mut weights) = (false, 0);
        if self.rest().starts_with(':') {
            self.at += 1;
            while let Some(c) = self.rest().chars().next() {
                match c {
                    '*' => prefix = true,
                    'A' | 'a' => weights |= 8,
                    'B' | 'b' => weights |= 4,
                    'C' | 'c' => weights |= 2,
                    'D' | 'd' => weights |= 1,
                    _ => break,
                }
                self.at += 1;
            }
        }
        (prefix, weights)
    }

    /// `:1,2A`; none when there is no colon.
    pub(super) fn places(&mut self) -> Option<Vec<(usize, u8)>> {
        let mut places = Vec::new();
        if !self.rest().starts_with(':') {
            return Some(places);
        }
        loop {
            self.at += 1;
            let digits = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
            let position = self.rest()[..digits].parse().ok()?;
            self.at += digits;
            let weight = match self.rest().chars().next() {
                Some('A' | 'a' | '*') => 3,
                Some('B' | 'b') => 2,
                Some('C' | 'c') => 1,
                _ => 0,
            };
            let marked = self.rest().starts_with(['A', 'a', '*', 'B', 'b', 'C', 'c', 'D', 'd']);
            self.at += usize::from(marked);
            places.push((position, weight));
            if !self.rest().starts_with(',') {
                return Some(places);
            }
        }
    }
}
