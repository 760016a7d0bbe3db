//! Why a statement is refused, and where in it: turned into an [`SqlError`] once the file is known.

use std::borrow::Cow;
use std::fmt::Display;

use super::SqlFile;
use super::split::{self, Piece};
use crate::engine::SqlError;

/// A refusal. Its place is within its statement.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    place: Place,
    sqlstate: Cow<'static, str>,
    message: String,
    help: Option<String>,
}

#[derive(Clone, Debug)]
enum Place {
    /// The statement as a whole: its first line is shown.
    Statement,
    /// A byte offset; the length, where not known, is that of the token or name that starts there.
    At(usize, Option<usize>),
    /// Where this name first stands.
    Name(String),
}

impl Fault {
    /// What PostgreSQL would say too.
    pub(super) fn new(sqlstate: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { place: Place::Statement, sqlstate: sqlstate.into(), message: message.into(), help: None }
    }

    /// What only PostgreSQL can do.
    pub(super) fn only_postgres(what: impl Display, help: impl Into<String>) -> Self {
        Self::new("0A000", format!("{what} works only on PostgreSQL")).help(help)
    }

    /// The parser's location: `-1` or 0 when it has none.
    pub(super) fn at(mut self, location: i32) -> Self {
        if let Ok(offset) = usize::try_from(location)
            && offset > 0
        {
            self.place = Place::At(offset, None);
        }
        self
    }

    pub(super) fn span(mut self, offset: usize, length: usize) -> Self {
        self.place = Place::At(offset, (length > 0).then_some(length));
        self
    }

    pub(super) fn name(mut self, name: &str) -> Self {
        self.place = Place::Name(name.to_owned());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Keeps a place that is known already, else takes this name's.
    pub(super) fn or_name(self, name: &str) -> Self {
        match self.place {
            Place::Statement => self.name(name),
            Place::At(..) | Place::Name(_) => self,
        }
    }

    /// Moves a place that counts from somewhere within the statement.
    pub(super) fn shift(mut self, by: usize) -> Self {
        if let Place::At(offset, _) = &mut self.place {
            *offset += by;
        }
        self
    }

    pub(super) fn locate(self, file: &SqlFile<'_>, piece: &Piece<'_>) -> SqlError {
        let text = piece.text;
        let (offset, length) = match &self.place {
            Place::Statement => (0, None),
            Place::At(offset, length) => (*offset, *length),
            Place::Name(name) => split::find_name(text, name).map_or((0, None), |(at, length)| (at, Some(length))),
        };
        let length =
            length.unwrap_or_else(|| if offset == 0 { first_line(text) } else { split::name_length(text, offset) });
        SqlError {
            path: file.path.to_owned(),
            source_text: file.text.to_owned(),
            offset: piece.offset + offset.min(text.len()),
            length,
            sqlstate: Some(self.sqlstate.into_owned()),
            message: self.message,
            help: self.help,
        }
    }
}

fn first_line(text: &str) -> usize {
    text.lines().next().map_or(0, |line| line.trim_end().len())
}
