//! `tsquery`: what is searched for, as a tree; written and read in PostgreSQL's form.

use std::fmt;

use super::read_query;
use crate::error::DatabaseError;

/// A search; an empty one finds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TsQuery {
    pub(super) root: Option<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A word that is too common to be searched for; gone when the query is ready.
    Stop,
    Lexeme(Lexeme),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// The right one stands this far behind the left one.
    Phrase(Box<Node>, Box<Node>, u16),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lexeme {
    pub(super) text: String,
    /// Whether any lexeme that begins so will do.
    pub(super) prefix: bool,
    /// One bit for each weight that will do, `D` first; 0 for any.
    pub(super) weights: u8,
}

impl TsQuery {
    /// Reads PostgreSQL's form, its words as they are.
    ///
    /// # Errors
    /// When it is not that.
    pub fn parse(text: &str) -> Result<Self, DatabaseError> {
        Ok(Self { root: read_query::standard(text, &mut |word| Node::Lexeme(word.into_lexeme()))? })
    }

    /// The query without the words that are left out. Distances in phrases grow by what is gone.
    pub(super) fn cleaned(root: Option<Node>) -> Self {
        Self { root: root.and_then(|root| cleaned(root).node) }
    }
}

struct Cleaned {
    node: Option<Node>,
    /// How much further left and right the neighbours in a phrase are.
    left: u16,
    right: u16,
}

fn cleaned(node: Node) -> Cleaned {
    let kept = |node| Cleaned { node: Some(node), left: 0, right: 0 };
    match node {
        Node::Stop => Cleaned { node: None, left: 0, right: 0 },
        Node::Lexeme(_) => kept(node),
        Node::Not(inner) => {
            let inner = cleaned(*inner);
            Cleaned { node: inner.node.map(|node| Node::Not(Box::new(node))), ..inner }
        }
        Node::And(left, right) => either(cleaned(*left), cleaned(*right), Node::And),
        Node::Or(left, right) => either(cleaned(*left), cleaned(*right), Node::Or),
        Node::Phrase(left, right, distance) => phrase(cleaned(*left), cleaned(*right), distance),
    }
}

fn either(left: Cleaned, right: Cleaned, join: fn(Box<Node>, Box<Node>) -> Node) -> Cleaned {
    match (left.node, right.node) {
        (None, None) => {
            let most = left.left.max(right.left);
            Cleaned { node: None, left: most, right: most }
        }
        (None, node) => Cleaned { node, left: right.left, right: right.right },
        (node, None) => Cleaned { node, left: left.left, right: left.right },
        (Some(l), Some(r)) => Cleaned { node: Some(join(Box::new(l), Box::new(r))), left: 0, right: 0 },
    }
}

fn phrase(left: Cleaned, right: Cleaned, distance: u16) -> Cleaned {
    match (left.node, right.node) {
        (None, None) => {
            let all = left.left.saturating_add(distance).saturating_add(right.right);
            Cleaned { node: None, left: all, right: all }
        }
        (None, node) => {
            let before = left.left.saturating_add(distance).saturating_add(right.left);
            Cleaned { node, left: before, right: right.right }
        }
        (node, None) => {
            let after = left.right.saturating_add(distance).saturating_add(right.right);
            Cleaned { node, left: left.left, right: after }
        }
        (Some(l), Some(r)) => {
            let distance = distance.saturating_add(left.right).saturating_add(right.left);
            let node = Node::Phrase(Box::new(l), Box::new(r), distance);
            Cleaned { node: Some(node), left: left.left, right: right.right }
        }
    }
}

impl fmt::Display for TsQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.as_ref().map_or(Ok(()), |root| root.write(f, 0, false))
    }
}

impl Node {
    fn priority(&self) -> u8 {
        match self {
            Self::Or(..) => 1,
            Self::And(..) => 2,
            Self::Phrase(..) => 3,
            Self::Not(_) => 4,
            Self::Lexeme(_) | Self::Stop => 5,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, outside: u8, right_of_phrase: bool) -> fmt::Result {
        let bracketed = self.priority() < outside || (right_of_phrase && matches!(self, Self::Phrase(..)));
        f.write_str(if bracketed { "( " } else { "" })?;
        let pair = |f: &mut fmt::Formatter<'_>, left: &Self, right: &Self, between: &str| {
            left.write(f, self.priority(), false)?;
            f.write_str(between)?;
            right.write(f, self.priority(), matches!(self, Self::Phrase(..)))
        };
        match self {
            Self::Stop => {}
            Self::Lexeme(lexeme) => lexeme.write(f)?,
            Self::Not(inner) => {
                f.write_str("!")?;
                inner.write(f, self.priority(), false)?;
            }
            Self::And(left, right) => pair(f, left, right, " & ")?,
            Self::Or(left, right) => pair(f, left, right, " | ")?,
            Self::Phrase(left, right, 1) => pair(f, left, right, " <-> ")?,
            Self::Phrase(left, right, distance) => pair(f, left, right, &format!(" <{distance}> "))?,
        }
        f.write_str(if bracketed { " )" } else { "" })
    }
}

impl Lexeme {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.text.replace('\\', "\\\\").replace('\'', "''"))?;
        if !self.prefix && self.weights == 0 {
            return Ok(());
        }
        f.write_str(if self.prefix { ":*" } else { ":" })?;
        for (bit, letter) in [(8, "A"), (4, "B"), (2, "C"), (1, "D")] {
            f.write_str(if self.weights & bit != 0 { letter } else { "" })?;
        }
        Ok(())
    }
}
