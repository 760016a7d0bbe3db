//! How a query is to be carried out and answered, beside what it asks: the form of its rows, the time zone, and
//! whether what it does may stay.

use crate::value::Zone;

/// A request's terms. The usual ones are the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    pub form: RowForm,
    /// The zone in which times are read and shown; UTC without one.
    pub zone: Option<Zone>,
    pub ending: Ending,
    /// Tell how the rows would be found, in place of the rows.
    pub explain: Option<Explain>,
}

/// The text that rows become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RowForm {
    /// An array of objects.
    #[default]
    Json,
    /// A line of names when there are rows, then a line for each row, quoted as PostgreSQL quotes the fields of a row.
    Csv,
    /// A GeoJSON collection of features, as PostGIS makes it, which is in this schema.
    GeoJson(String),
    /// What an aggregate function of the database makes of the rows.
    Handled(Handler),
    /// The one value that a function gives, as it is: bytes, or else its text.
    Bare,
}

/// An aggregate function that makes an answer out of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    pub schema: String,
    pub name: String,
    /// The relation whose rows it takes; `None`: any row.
    pub relation: Option<(String, String)>,
}

/// What becomes of a transaction that went well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    #[default]
    Commit,
    /// Nothing stays, though the answer is the same.
    Rollback,
}

/// How the engine's plan is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explain {
    pub format: ExplainFormat,
    /// Sorted as in [`ExplainOption::ALL`].
    pub options: Vec<ExplainOption>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainFormat {
    Json,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainOption {
    Analyze,
    Verbose,
    Settings,
    Buffers,
    Wal,
}

impl ExplainOption {
    pub const ALL: [Self; 5] = [Self::Analyze, Self::Verbose, Self::Settings, Self::Buffers, Self::Wal];

    pub fn name(self) -> &'static str {
        match self {
            Self::Analyze => "analyze",
            Self::Verbose => "verbose",
            Self::Settings => "settings",
            Self::Buffers => "buffers",
            Self::Wal => "wal",
        }
    }
}
