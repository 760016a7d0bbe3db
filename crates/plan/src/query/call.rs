//! A function's call as the caller wrote it: names unchecked, values still text.

use bytes::Bytes;

use super::{Count, Rows, RowsWanted, Selection, Target};

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub target: Target,
    pub arguments: Arguments,
    /// The caller said that nothing may be written.
    pub read_only: bool,
    /// What to take of the rows that it returns.
    pub selection: Selection,
    pub count: Option<Count>,
    pub rows: RowsWanted,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// Names with texts. A name that comes more than once gives a variadic argument its items.
    Texts { pairs: Vec<(String, String)>, posted: bool },
    /// The members of one object, or of the first of several.
    Json(Rows),
    /// A body that is one value, for a function with a single unnamed argument.
    Whole { body: Bytes, kind: WholeBody },
}

/// What a body that is one value is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WholeBody {
    Text,
    Xml,
    Bytes,
}

impl Arguments {
    /// The names that are given, sorted, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = match self {
            Self::Texts { pairs, .. } => pairs.iter().map(|(name, _)| name.as_str()).collect(),
            Self::Json(rows) => rows.columns.iter().map(String::as_str).collect(),
            Self::Whole { .. } => Vec::new(),
        };
        names.sort_unstable();
        names.dedup();
        names
    }
}
