//! A body's text: what its `declare` says of types, which the parser's JSON leaves out, and where lines are.

use pg_query::protobuf::{ScanToken, Token};

use super::Fault;

/// What a body declares, by name, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Declared {
    pub(super) types: Vec<(String, String)>,
}

/// A body as the parser is given it, and what it declares.
pub(super) struct Prepared {
    pub(super) text: String,
    pub(super) declared: Declared,
}

struct Tokens<'a> {
    source: &'a str,
    tokens: Vec<ScanToken>,
    /// Whether a type is a relation's row.
    is_row: &'a dyn Fn(&str) -> bool,
}

/// Prepares a body: `return new` becomes `return (new)`, as the JSON would not tell which variable is meant, and rows
/// of a table become records. Lines stay where they are.
pub(super) fn prepare(source: &str, is_row: &dyn Fn(&str) -> bool) -> Result<Prepared, Fault> {
    let scanned = pg_query::scan(source).map_err(|error| Fault::at_start(error.to_string()))?;
    let is_comment = |token: &ScanToken| matches!(token.token(), Token::SqlComment | Token::CComment);
    let tokens: Vec<ScanToken> = scanned.tokens.into_iter().filter(|token| !is_comment(token)).collect();
    let tokens = Tokens { source, tokens, is_row };
    let mut changes = tokens.returned_variables();
    let declared = tokens.declared(&mut changes)?;
    changes.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
    let mut text = source.to_owned();
    for (start, end, with) in changes {
        // What is left out keeps its line ends.
        let lines = "\n".repeat(source[start..end].matches('\n').count());
        text.replace_range(start..end, &format!("{with}{lines}"));
    }
    Ok(Prepared { text, declared })
}

impl Tokens<'_> {
    fn word(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| self.text(token))
    }

    fn text(&self, token: &ScanToken) -> &str {
        let place = |at: i32| usize::try_from(at).unwrap_or(0);
        self.source.get(place(token.start)..place(token.end)).unwrap_or_default()
    }

    fn is(&self, index: usize, word: &str) -> bool {
        self.word(index).eq_ignore_ascii_case(word)
    }

    fn start(&self, index: usize) -> usize {
        self.tokens.get(index).map_or(self.source.len(), |token| usize::try_from(token.start).unwrap_or(0))
    }

    fn end(&self, index: usize) -> usize {
        self.tokens.get(index).map_or(self.source.len(), |token| usize::try_from(token.end).unwrap_or(0))
    }

    /// Where `return x;` or `return next x;` stands, to be put in parentheses.
    fn returned_variables(&self) -> Vec<(usize, usize, String)> {
        let mut changes = Vec::new();
        for index in 0..self.tokens.len() {
            if !self.is(index, "return") {
                continue;
            }
            let at = if self.is(index + 1, "next") { index + 2 } else { index + 1 };
            let ends = self.word(at + 1) == ";";
            if ends && self.word(at) != ";" {
                changes.push((self.start(at), self.end(at), format!("({})", self.word(at))));
            }
        }
        changes
    }

    /// The types of what the outermost `declare` declares.
    fn declared(&self, changes: &mut Vec<(usize, usize, String)>) -> Result<Declared, Fault> {
        let mut declared = Declared::default();
        let Some(mut index) =
            (0..self.tokens.len()).find(|index| self.is(*index, "declare") || self.is(*index, "begin"))
        else {
            return Ok(declared);
        };
        let first = index;
        if let Some(inner) = (first + 1..self.tokens.len()).find(|index| self.is(*index, "declare")) {
            let what = "a `declare` within a body";
            return Err(Fault::unsupported(what, "declare the variables at the beginning of the function")
                .at(self.start(inner)));
        }
        if self.is(first, "begin") {
            return Ok(declared);
        }
        index += 1;
        while index < self.tokens.len() && !self.is(index, "begin") {
            index = self.declaration(index, &mut declared, changes)?;
        }
        Ok(declared)
    }

    /// One declaration, from its name to after its semicolon.
    fn declaration(
        &self,
        name: usize,
        declared: &mut Declared,
        changes: &mut Vec<(usize, usize, String)>,
    ) -> Result<usize, Fault> {
        let mut first = name + 1;
        if self.is(first, "constant") {
            first += 1;
        }
        if self.is(first, "alias") || self.is(first, "cursor") || self.is(first, "refcursor") || self.is(first, "no") {
            let what = format!("`{} {}`", self.word(name), self.word(first));
            return Err(
                Fault::unsupported(what, "use the argument's name, or a loop over a query").at(self.start(name))
            );
        }
        let mut end = first;
        let mut depth = 0_usize;
        while end < self.tokens.len() {
            let word = self.word(end);
            let stops =
                ["not", "default", ":=", "=", "collate", ";"].iter().any(|stop| word.eq_ignore_ascii_case(stop));
            match word {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                _ if stops && depth == 0 => break,
                _ => {}
            }
            end += 1;
        }
        let place = (self.start(first), self.end(end.saturating_sub(1)));
        let ty = self.source.get(place.0..place.1).unwrap_or_default();
        if self.is(end.saturating_sub(1), "rowtype") || (self.is_row)(ty) {
            changes.push((place.0, place.1, "record".to_owned()));
        }
        declared.types.push((unquoted(self.word(name)), ty.to_owned()));
        while end < self.tokens.len() && self.word(end) != ";" {
            end += 1;
        }
        Ok(end + 1)
    }
}

/// A name as PostgreSQL keeps it.
pub(super) fn unquoted(word: &str) -> String {
    match word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => word.to_lowercase(),
    }
}

/// Where a text that a statement on `line` has in it stands within `source`, and how long it is there.
pub(super) fn place_of(source: &str, line: usize, text: &str) -> (usize, usize) {
    let starts = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1));
    let start = starts.clone().nth(line.saturating_sub(1)).unwrap_or(0);
    let wanted = text.split('\n').next().unwrap_or_default().trim();
    if !wanted.is_empty()
        && let Some(found) = source.get(start..).and_then(|rest| rest.find(wanted))
    {
        return (start + found, wanted.len());
    }
    let rest = source.get(start..).unwrap_or_default();
    let indent = rest.len() - rest.trim_start().len();
    let length = rest.trim_start().split('\n').next().map_or(0, |line| line.trim_end().len());
    (start + indent, length)
}

/// The value of `target := value` or `target = value`, and where it begins.
pub(super) fn assigned(text: &str) -> Option<(&str, usize)> {
    let tokens = pg_query::scan(text).ok()?.tokens;
    let mut depth = 0_i32;
    for token in &tokens {
        let (start, end) = (usize::try_from(token.start).ok()?, usize::try_from(token.end).ok()?);
        match text.get(start..end)? {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            ":=" | "=" if depth == 0 => return Some((text.get(end..)?, end)),
            _ => {}
        }
    }
    None
}
