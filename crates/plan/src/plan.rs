//! What to do: a query resolved against the schema, typed, and authorized for one session.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::DatabaseError;
use crate::expr::{Expr, Order, Select, SourceId};
use crate::procedure::FunctionCall;
use crate::query::{Count, Resolution, RowsWanted};
use crate::schema::{ColumnId, RelationId, Schema};
use crate::session::Session;
use crate::terms::Terms;
use crate::value::{Type, Value};

/// A plan that may be carried out. Only `planner` can make one, and it authorizes first: the field that says
/// so is private to this crate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The schema that all ids in here belong to.
    pub schema: Arc<Schema>,
    pub session: Session,
    pub work: Work,
    pub rows_wanted: RowsWanted,
    pub terms: Terms,
    pub(crate) _authorized: Authorized,
}

/// Proof that a plan went through `planner::authorize`.
#[derive(Clone, Debug)]
pub(crate) struct Authorized;

#[derive(Clone, Debug)]
pub enum Work {
    Read { node: Node, count: Option<Count> },
    Insert(InsertPlan),
    Update(UpdatePlan),
    Delete(DeletePlan),
    Call(CallPlan),
}

/// A function's call, and what is taken of its answer.
#[derive(Clone, Debug)]
pub struct CallPlan {
    /// Schema and name.
    pub function: (String, String),
    pub shape: Shape,
    pub read_only: bool,
    /// Over [`crate::schema::Function::row`].
    pub node: Node,
    /// The function's own steps, where the engine has to carry them out; they give the rows of `node`.
    pub steps: Option<FunctionCall>,
    pub count: Option<Count>,
}

/// What an answer is before a dialect gives it its form. `body` of an outcome is an array in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Objects.
    #[default]
    Rows,
    /// One object at most.
    Row,
    /// Bare values.
    Values,
    /// One bare value at most.
    Value,
    Nothing,
}

/// A call that the engine makes itself, with its own grammar for arguments.
#[derive(Clone, Debug)]
pub struct EngineCall {
    pub schema: String,
    pub name: String,
    pub arguments: EngineArguments,
    /// Whether it returns bare values, which need a column's name.
    pub bare: bool,
}

#[derive(Clone, Debug)]
pub enum EngineArguments {
    /// By name; each has the type of its parameter.
    Named(Vec<EngineArgument>),
    /// Members of this JSON text: an object, or the first of an array of objects. Their values are what it says.
    Json { text: Bytes, single: bool, members: Vec<EngineArgument> },
    /// The one unnamed argument.
    Single(EngineArgument),
}

#[derive(Clone, Debug)]
pub struct EngineArgument {
    pub name: String,
    pub ty: Type,
    pub variadic: bool,
    /// Nothing where JSON has it.
    pub value: Option<Expr>,
}

/// Rows of one relation, with what is embedded in them.
#[derive(Clone, Debug)]
pub struct Node {
    pub source: SourceId,
    pub relation: RelationId,
    /// What a view reads, where the engine's own view would read more than it may.
    pub view: Option<Box<Select>>,
    /// The function that gives the rows, where the engine calls it itself.
    pub call: Option<Box<EngineCall>>,
    /// In the order in which they stand in each row's object.
    pub outputs: Vec<Output>,
    /// Related rows, one at most for each row, whose values stand among the outputs. Each comes after what it hangs on,
    /// and is joined whether there is such a row or not; its node has no outputs, order or page of its own.
    pub joins: Vec<EmbedNode>,
    /// Whether rows are put together: outputs that hold no aggregate say which, and without any all are one.
    pub grouped: bool,
    /// The caller's filters and the policies that bind the caller, all in one.
    pub condition: Option<Expr>,
    pub order: Vec<Order>,
    pub limit: Option<u64>,
    pub offset: u64,
}

#[derive(Clone, Debug)]
pub enum Output {
    Value {
        name: String,
        expr: Expr,
    },
    Embed(EmbedNode),
    /// Related rows, many: each of their own outputs is an array here, under its own name.
    Spread(EmbedNode),
}

/// Related rows inside a row: an object or null (`many` false), or an array.
#[derive(Clone, Debug)]
pub struct EmbedNode {
    pub name: String,
    pub many: bool,
    pub node: Box<Node>,
    pub link: Link,
    /// Whose row it hangs on: the node's own, or that of one of its joins.
    pub parent: SourceId,
    /// Whether the parent's row may be missing. Then there is null rather than an empty array.
    pub optional: bool,
}

impl Node {
    /// All rows of a relation.
    pub fn new(source: SourceId, relation: RelationId, outputs: Vec<Output>) -> Self {
        Self {
            source,
            relation,
            view: None,
            call: None,
            outputs,
            joins: Vec::new(),
            grouped: false,
            condition: None,
            order: Vec::new(),
            limit: None,
            offset: 0,
        }
    }

    /// Everything that hangs on its rows.
    pub fn embeds(&self) -> impl Iterator<Item = &EmbedNode> {
        let of_output = |output| match output {
            &Output::Value { .. } => None,
            Output::Embed(embed) | Output::Spread(embed) => Some(embed),
        };
        self.joins.iter().chain(self.outputs.iter().filter_map(of_output))
    }

    /// The keys of each row's object.
    pub fn keys(&self) -> Vec<&str> {
        let mut keys = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            match output {
                Output::Value { name, .. } | Output::Embed(EmbedNode { name, .. }) => keys.push(name.as_str()),
                Output::Spread(embed) => keys.extend(embed.node.keys()),
            }
        }
        keys
    }
}

impl EmbedNode {
    /// The columns of the parent that its rows are found by.
    pub fn parent_columns(&self) -> impl Iterator<Item = ColumnId> {
        let (Link::Direct(pairs) | Link::Junction { parent: pairs, .. }) = &self.link;
        pairs.iter().map(|(of_parent, _)| *of_parent)
    }
}

/// How a child's rows are found from the parent's.
#[derive(Clone, Debug)]
pub enum Link {
    /// `parent.column = child.column` for each pair.
    Direct(Vec<(ColumnId, ColumnId)>),
    /// Through a junction table, with the policies that bind the caller there.
    Junction {
        source: SourceId,
        relation: RelationId,
        condition: Option<Expr>,
        /// `(parent's, junction's)`
        parent: Vec<(ColumnId, ColumnId)>,
        /// `(junction's, child's)`
        child: Vec<(ColumnId, ColumnId)>,
    },
}

/// What a new or changed row must satisfy before the write may stay; else SQLSTATE 42501,
/// `new row violates row-level security policy …`.
#[derive(Clone, Debug)]
pub struct RowCheck {
    /// Over [`SourceId::ROW`], the new row.
    pub condition: Expr,
    /// The restrictive policy that says so; permissive ones have no single name.
    pub policy: Option<String>,
}

#[derive(Clone, Debug)]
pub struct InsertPlan {
    pub relation: RelationId,
    /// The columns that the rows give.
    pub columns: Vec<ColumnId>,
    /// Where there is a fault, those before it, the last with the values before it.
    pub rows: RowSource,
    /// The body does not fit the columns. PostgreSQL reads value after value, and asks their domains as it does.
    pub fault: Option<DatabaseError>,
    pub missing_default: bool,
    pub conflict: Option<ConflictPlan>,
    /// Of rows that come as JSON, only those with these values are inserted; the values are text that the engine reads.
    pub keyed: Vec<(ColumnId, String)>,
    /// Tested on each inserted row, in this order.
    pub checks: Vec<RowCheck>,
    /// What an error may show of a row (`Failing row contains …`).
    pub shown: ShownColumns,
    pub returning: ReturningPlan,
    pub count: Option<Count>,
}

/// Where the values come from.
#[derive(Clone, Debug)]
pub enum RowSource {
    /// The caller's JSON, for engines that read it themselves.
    Json { text: Bytes, single: bool },
    /// Typed values, as many a row as there are columns.
    Values(Vec<Vec<Cell>>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Value(Value),
    Default,
}

#[derive(Clone, Debug)]
pub struct ConflictPlan {
    /// The columns of the key; empty: any key (only with `Ignore`).
    pub columns: Vec<ColumnId>,
    pub resolution: Resolution,
    /// Whether the caller may update the existing row, tested in this order. A row that fails is SQLSTATE 42501,
    /// `new row violates row-level security policy (USING expression) …`.
    pub using: Vec<RowCheck>,
    /// Tested on each updated row.
    pub checks: Vec<RowCheck>,
}

#[derive(Clone, Debug)]
pub struct UpdatePlan {
    pub relation: RelationId,
    pub columns: Vec<ColumnId>,
    /// One row of values, up to the one at fault.
    pub row: RowSource,
    /// The body does not fit the columns. As PostgreSQL reads it for the first row that is to be changed, this is
    /// an error only when there is one.
    pub fault: Option<DatabaseError>,
    pub missing_default: bool,
    /// Filters and policies, over [`SourceId::ROW`].
    pub condition: Option<Expr>,
    /// Tested on each changed row, in this order.
    pub checks: Vec<RowCheck>,
    /// What an error may show of a row (`Failing row contains …`).
    pub shown: ShownColumns,
    pub returning: ReturningPlan,
    pub count: Option<Count>,
}

#[derive(Clone, Debug)]
pub struct DeletePlan {
    pub relation: RelationId,
    /// Filters and policies, over [`SourceId::ROW`].
    pub condition: Option<Expr>,
    /// What an error may show of a row.
    pub shown: ShownColumns,
    pub returning: ReturningPlan,
    pub count: Option<Count>,
}

/// Which columns of a row may stand in an error's details. PostgreSQL tells nothing of a row to a caller whom
/// policies bind, and otherwise the columns that the caller may select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownColumns {
    All,
    These(Vec<ColumnId>),
    None,
}

/// What a write gives back.
#[derive(Clone, Debug)]
pub enum ReturningPlan {
    Nothing,
    /// The primary key's values, for `Location`.
    Key(Vec<ColumnId>),
    /// The written rows, each as `node` says; its source is [`SourceId::ROW`] and its condition, limit and order
    /// apply to the written rows alone.
    Rows(Node),
}
