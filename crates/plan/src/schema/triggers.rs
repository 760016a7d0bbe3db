//! Triggers as they were declared. Engines that run them themselves have their procedures planned by
//! `planner::plan_trigger`.

use super::ColumnId;
use crate::expr::Expr;

#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    pub name: String,
    /// The function's schema and name.
    pub function: (String, String),
    pub timing: TriggerTiming,
    pub events: Vec<TriggerEvent>,
    /// `update of …`: which columns the statement must set; empty: any.
    pub columns: Vec<ColumnId>,
    pub level: TriggerLevel,
    /// `when (…)`, over [`crate::expr::SourceId::NEW`] and [`crate::expr::SourceId::OLD`].
    pub condition: Option<Expr>,
    /// `tg_argv`.
    pub args: Vec<String>,
    pub enabled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerTiming {
    Before,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerEvent {
    Insert,
    Update,
    Delete,
    Truncate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerLevel {
    Row,
    Statement,
}

impl TriggerTiming {
    /// `tg_when`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "BEFORE",
            Self::After => "AFTER",
        }
    }
}

impl TriggerEvent {
    /// `tg_op`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
        }
    }
}

impl TriggerLevel {
    /// `tg_level`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Row => "ROW",
            Self::Statement => "STATEMENT",
        }
    }
}
