//! A function's body whose names and types are known, planned for the role that it runs as.
//! The planner makes it (`planner::plan_trigger`, `planner::plan_function`), and engines that cannot run functions
//! themselves carry it out step by step.

use crate::error::DatabaseError;
use crate::expr::{Expr, SelectOutput, Statement};
use crate::plan::{Authorized, RowCheck, ShownColumns};
use crate::schema::ColumnId;
use crate::value::Type;

/// A body that may be run. In its expressions, [`crate::expr::SourceId::VARIABLES`] stands for its variables (by
/// their place in `variables`), and `NEW` and `OLD` for the rows that its trigger is about.
#[derive(Clone, Debug)]
pub struct Procedure {
    pub name: String,
    pub variables: Vec<Variable>,
    pub body: Vec<Step>,
    /// The owner's name, where the function is `security definer`; else it runs as whoever caused it.
    pub runs_as: Option<String>,
    /// Whether it may write; what is `stable` or `immutable` may not.
    pub volatile: bool,
    pub(crate) _authorized: Authorized,
}

/// A call within a body. What it gives is [`crate::expr::SourceId::CALLS`] to the expression or statement around it, by its place
/// among the calls: a value as [`Expr::Output`], rows as [`crate::expr::Source::Called`].
#[derive(Clone, Debug)]
pub struct NestedCall {
    /// Its place in [`crate::schema::Schema::functions`].
    pub function: usize,
    /// As many as it takes. They may refer to calls before it.
    pub arguments: Vec<Computed>,
}

/// A call of a function that is carried out step by step.
#[derive(Clone, Debug)]
pub struct FunctionCall {
    /// Its place in [`crate::schema::Schema::functions`].
    pub function: usize,
    /// As many as it takes; what they read, whoever calls may read.
    pub arguments: Vec<Expr>,
}

#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub ty: Type,
    pub default: Option<Computed>,
    pub not_null: bool,
}

/// Variables that every body has, at the beginning of [`Procedure::variables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    Found,
    Op,
    When,
    Level,
    Name,
    TableName,
    TableSchema,
    Args,
    ArgCount,
    SqlState,
    SqlError,
}

impl BuiltIn {
    /// In the order of their places.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Found, "found"),
        (Self::Op, "tg_op"),
        (Self::When, "tg_when"),
        (Self::Level, "tg_level"),
        (Self::Name, "tg_name"),
        (Self::TableName, "tg_table_name"),
        (Self::TableSchema, "tg_table_schema"),
        (Self::Args, "tg_argv"),
        (Self::ArgCount, "tg_nargs"),
        (Self::SqlState, "sqlstate"),
        (Self::SqlError, "sqlerrm"),
    ];

    /// Its place among the variables.
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|(known, _)| *known == self).expect("the list has them all")
    }

    pub fn ty(self) -> Type {
        match self {
            Self::Found => Type::Bool,
            Self::ArgCount => Type::Int4,
            Self::Args => Type::Array(Box::new(Type::Text)),
            Self::Op
            | Self::When
            | Self::Level
            | Self::Name
            | Self::TableName
            | Self::TableSchema
            | Self::SqlState
            | Self::SqlError => Type::Text,
        }
    }
}

/// An expression, or why whoever runs it may not.
#[derive(Clone, Debug)]
pub struct Computed {
    /// Made first, in this order.
    pub calls: Vec<NestedCall>,
    pub expr: Expr,
    pub fault: Option<DatabaseError>,
}

#[derive(Clone, Debug)]
pub enum Step {
    Set {
        target: Target,
        value: Computed,
    },
    If {
        branches: Vec<(Computed, Vec<Step>)>,
        otherwise: Vec<Step>,
    },
    Loop(Box<Loop>),
    Exit {
        label: Option<String>,
        condition: Option<Computed>,
        leaves: Leaves,
    },
    Query(Box<Query>),
    Return(Returned),
    /// One more row of the result.
    ReturnNext(Vec<Computed>),
    ReturnQuery(Box<Query>),
    Raise(Box<Raise>),
    Assert {
        condition: Computed,
        message: Option<Computed>,
    },
    RowCount(Target),
    /// `begin … exception … end`.
    Try {
        label: Option<String>,
        body: Vec<Step>,
        handlers: Vec<Handler>,
    },
    Block {
        label: Option<String>,
        body: Vec<Step>,
    },
}

/// What an `exit` does to its loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    TheLoop,
    ThisTurn,
}

#[derive(Clone, Debug)]
pub struct Loop {
    pub label: Option<String>,
    pub kind: LoopKind,
    pub body: Vec<Step>,
}

#[derive(Clone, Debug)]
pub enum LoopKind {
    Endless,
    While(Computed),
    Range(Box<Range>),
    Rows { query: Box<Query>, targets: Vec<Target> },
}

/// `for i in lower .. upper by step`.
#[derive(Clone, Debug)]
pub struct Range {
    pub variable: usize,
    pub lower: Computed,
    pub upper: Computed,
    pub step: Option<Computed>,
    pub reverse: bool,
}

#[derive(Clone, Debug)]
pub struct Handler {
    pub conditions: Vec<String>,
    pub body: Vec<Step>,
}

/// Where a value goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Variable(usize),
    New(ColumnId),
    Old(ColumnId),
}

/// What a trigger's function gives back.
#[derive(Clone, Debug)]
pub enum Returned {
    Nothing,
    New,
    Old,
    /// `coalesce(new, old)`.
    NewOrOld,
    Value(Computed),
    Row(Vec<Computed>),
}

/// A statement within a body.
#[derive(Clone, Debug)]
pub struct Query {
    /// Made first, in this order.
    pub calls: Vec<NestedCall>,
    pub statement: Statement,
    /// Of a writing statement, over [`crate::expr::SourceId::ROW`].
    pub returning: Vec<SelectOutput>,
    pub into: Option<Into>,
    /// Whether it sets `found`.
    pub sets_found: bool,
    pub access: Access,
}

#[derive(Clone, Debug)]
pub struct Into {
    pub targets: Vec<Target>,
    pub strict: bool,
}

/// What binds whoever runs a statement; the planner fills it in.
#[derive(Clone, Debug)]
pub struct Access {
    /// A right is missing: the statement fails when its turn comes.
    pub fault: Option<DatabaseError>,
    /// Tested on each new row.
    pub checks: Vec<RowCheck>,
    /// Of `on conflict do update`: tested on the existing row.
    pub conflict_using: Vec<RowCheck>,
    /// Of `on conflict do update`: tested on the changed row.
    pub conflict_checks: Vec<RowCheck>,
    pub shown: ShownColumns,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            fault: None,
            checks: Vec::new(),
            conflict_using: Vec::new(),
            conflict_checks: Vec::new(),
            shown: ShownColumns::None,
        }
    }
}

/// `raise`.
#[derive(Clone, Debug)]
pub struct Raise {
    /// Whether it ends what runs; else it only tells something to nobody.
    pub fails: bool,
    /// `raise;` in an exception handler.
    pub again: bool,
    /// A condition's name or code.
    pub condition: Option<String>,
    pub format: Option<String>,
    pub args: Vec<Computed>,
    pub options: Vec<(RaiseOption, Computed)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaiseOption {
    ErrorCode,
    Message,
    Detail,
    Hint,
    /// What the answer does not tell: column, constraint, table, …
    Other,
}

impl Computed {
    pub fn new(expr: Expr) -> Self {
        Self { calls: Vec::new(), expr, fault: None }
    }
}
