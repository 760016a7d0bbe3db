//! What an index of words is asked for before vectors are compared with a query. The index knows which rows have a
//! lexeme, and neither where it stands nor with which weight, so what it finds are candidates.
//!
//! Its texts and queries are those of SQLite's FTS5, with the tokenizer `ascii`.

use super::query::{Lexeme, Node};
use super::{TsQuery, TsVector};

/// Stands for what is no letter or digit to the tokenizer. Lexemes that become the same share their rows.
const OTHER: char = '·';

/// Finds nothing.
const NOTHING: &str = "\"·\" NOT \"·\"";

/// Brackets within brackets that the index reads. What lies deeper is not asked for.
const DEEPEST: usize = 16;

impl TsVector {
    /// The lexemes as the index takes them, each a word of its own.
    pub fn index_text(&self) -> String {
        self.lexemes.keys().map(|lexeme| indexed(lexeme)).collect::<Vec<_>>().join(" ")
    }
}

impl TsQuery {
    /// What the index is asked for, so that it finds every row that matches; `None` when that may be any row.
    pub fn index_query(&self) -> Option<String> {
        let mut query = String::new();
        match self.root.as_ref().map_or(Wanted::Nothing, |root| wanted(root, 0)) {
            Wanted::Everything => return None,
            // An empty query would be an error.
            Wanted::Nothing => query.push_str(NOTHING),
            some @ (Wanted::Word { .. } | Wanted::All(_) | Wanted::Any(_)) => some.write(&mut query),
        }
        Some(query)
    }
}

fn indexed(lexeme: &str) -> String {
    lexeme.chars().map(|c| if c.is_ascii() && !c.is_ascii_alphanumeric() { OTHER } else { c }).collect()
}

/// The rows that may match.
enum Wanted {
    Everything,
    Nothing,
    Word { text: String, prefix: bool },
    All(Vec<Wanted>),
    Any(Vec<Wanted>),
}

fn wanted(node: &Node, depth: usize) -> Wanted {
    if depth > DEEPEST {
        return Wanted::Everything;
    }
    // Parts that are joined alike need no brackets between them.
    let below = |part: &Node| {
        let same = std::mem::discriminant(part) == std::mem::discriminant(node);
        wanted(part, if same { depth } else { depth + 1 })
    };
    match node {
        Node::Stop => Wanted::Nothing,
        Node::Lexeme(Lexeme { text, .. }) if text.is_empty() => Wanted::Everything,
        Node::Lexeme(Lexeme { text, prefix, .. }) => Wanted::Word { text: indexed(text), prefix: *prefix },
        Node::Not(_) => Wanted::Everything,
        Node::And(left, right) | Node::Phrase(left, right, _) => below(left).and(below(right)),
        Node::Or(left, right) => below(left).or(below(right)),
    }
}

impl Wanted {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::Everything, rows) | (rows, Self::Everything) => rows,
            (Self::All(mut parts), Self::All(more)) => {
                parts.extend(more);
                Self::All(parts)
            }
            (Self::All(mut parts), part) | (part, Self::All(mut parts)) => {
                parts.push(part);
                Self::All(parts)
            }
            (left, right) => Self::All(vec![left, right]),
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everything, _) | (_, Self::Everything) => Self::Everything,
            (Self::Nothing, rows) | (rows, Self::Nothing) => rows,
            (Self::Any(mut parts), Self::Any(more)) => {
                parts.extend(more);
                Self::Any(parts)
            }
            (Self::Any(mut parts), part) | (part, Self::Any(mut parts)) => {
                parts.push(part);
                Self::Any(parts)
            }
            (left, right) => Self::Any(vec![left, right]),
        }
    }

    fn write(&self, query: &mut String) {
        let (parts, between) = match self {
            Self::Everything | Self::Nothing => return,
            Self::Word { text, prefix } => {
                // The text has no quotes: they are no letters.
                query.push_str(&format!("\"{text}\"{}", if *prefix { " *" } else { "" }));
                return;
            }
            Self::All(parts) => (parts, " AND "),
            Self::Any(parts) => (parts, " OR "),
        };
        query.push('(');
        for (index, part) in parts.iter().enumerate() {
            query.push_str(if index > 0 { between } else { "" });
            part.write(query);
        }
        query.push(')');
    }
}
