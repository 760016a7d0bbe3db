//! What a caller asked, in no dialect: names unchecked, values still text.

mod call;
mod operators;

use bytes::Bytes;

pub use call::{Arguments, Call, WholeBody};
pub use operators::Operator;

/// One request's question.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    Read(Read),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    Call(Call),
}

impl Query {
    /// What is wanted of the number of its rows.
    pub fn rows_wanted(&self) -> RowsWanted {
        match self {
            Self::Read(read) => read.rows,
            Self::Insert(insert) => insert.rows_wanted,
            Self::Update(update) => update.rows_wanted,
            Self::Delete(delete) => delete.rows_wanted,
            Self::Call(call) => call.rows,
        }
    }
}

/// A relation as the caller names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// One of the exposed schemas; the planner refuses others.
    pub schema: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub target: Target,
    pub selection: Selection,
    pub count: Option<Count>,
    pub rows: RowsWanted,
}

/// How the total number of rows is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Exact,
    Planned,
    Estimated,
}

/// How many rows may come out before the request fails and nothing of it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsWanted {
    Any,
    ExactlyOne,
    AtMost(u64),
}

/// Which rows and columns of a relation, and what to embed in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    pub items: Vec<SelectItem>,
    /// All must hold.
    pub filter: Vec<Filter>,
    pub order: Vec<OrderTerm>,
    pub limit: Option<u64>,
    pub offset: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// `*`
    All,
    Field {
        field: Field,
        alias: Option<String>,
        cast: Option<String>,
    },
    Aggregate(Aggregation),
    Embed(Embed),
}

/// `total:amount::numeric.sum()::text`: one value for many rows. What else is selected says which rows go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregation {
    pub function: AggregateFunction,
    /// `None` for `count()`, of whole rows.
    pub field: Option<Field>,
    pub alias: Option<String>,
    /// What the field is cast to before.
    pub cast: Option<String>,
    /// What the result is cast to.
    pub result_cast: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateFunction {
    Avg,
    Count,
    Max,
    Min,
    Sum,
}

impl AggregateFunction {
    /// Its name in SQL, and the key of its value where no other was asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Max => "max",
            Self::Min => "min",
            Self::Sum => "sum",
        }
    }
}

/// A column, or a place inside a JSON column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub column: String,
    pub path: Vec<JsonStep>,
}

/// One step of a JSON path; `as_text` is the arrow with two heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonStep {
    pub key: JsonKey,
    pub as_text: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonKey {
    Name(String),
    Index(i64),
}

/// Rows of a related relation, inside each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Embed {
    /// A relation, a foreign key's name, or a foreign key column.
    pub target: String,
    pub alias: Option<String>,
    /// Which relationship is meant: a foreign key's name, a column, or a junction table.
    pub hint: Option<String>,
    /// Rows without a match are left out (`!inner`).
    pub inner: bool,
    /// Its keys stand among the parent's (`...target()`): values for a to-one relation, arrays for a to-many one.
    pub spread: bool,
    pub selection: Selection,
}

impl Embed {
    /// The key under which it stands in the answer, and by which filters name it.
    pub fn name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.target)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct OrderTerm {
    pub field: Field,
    /// Order by a column of this to-one embed.
    pub embed: Option<String>,
    pub descending: bool,
    pub nulls_first: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    /// `column operator operand`. When the column is `is.null` and names an embed, it asks whether the embed is empty.
    Test {
        field: Field,
        operator: Operator,
        operand: Operand,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Text(String),
    List(Vec<String>),
    Is(IsOperand),
    /// `eq(any)`, `like(all)`, …, with an array literal (`{a,"b c"}`).
    Quantified {
        all: bool,
        array: String,
    },
    /// `fts(english)`: what to search for, and the text search configuration where it is not the default.
    Search {
        language: Option<String>,
        text: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsOperand {
    Null,
    NotNull,
    True,
    False,
    Unknown,
}

/// Rows to write, as the JSON text that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// A JSON array of objects, or one object; already known to be well-formed.
    pub json: Bytes,
    /// The columns to take from each object: those the caller named, or the keys of the objects.
    pub columns: Vec<String>,
    /// How many objects there are.
    pub count: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    pub target: Target,
    pub rows: Rows,
    /// Keys that an object lacks: null, or the column's default.
    pub missing_default: bool,
    pub conflict: Option<Conflict>,
    /// A PUT: the filters of the URL, which must name the primary key, all of it and nothing else. Only rows with that
    /// key are inserted.
    pub put: Option<Vec<Filter>>,
    pub returning: Returning,
    pub count: Option<Count>,
    pub rows_wanted: RowsWanted,
}

/// What to do with a row whose key exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The unique columns; `None`: the primary key.
    pub columns: Option<Vec<String>>,
    pub resolution: Resolution,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    Merge,
    Ignore,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub target: Target,
    /// One object.
    pub row: Rows,
    pub missing_default: bool,
    pub filter: Vec<Filter>,
    pub portion: Option<Portion>,
    pub returning: Returning,
    pub count: Option<Count>,
    pub rows_wanted: RowsWanted,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    pub target: Target,
    pub filter: Vec<Filter>,
    pub portion: Option<Portion>,
    pub returning: Returning,
    pub count: Option<Count>,
    pub rows_wanted: RowsWanted,
}

/// Which of the rows that the filters leave are written, by their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Portion {
    pub order: Vec<OrderTerm>,
    pub limit: Option<u64>,
    pub offset: u64,
}

/// What a write answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Returning {
    Nothing,
    /// The primary key of an inserted row.
    Key,
    Rows(Selection),
}
