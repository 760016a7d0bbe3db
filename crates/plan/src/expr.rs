//! Typed expressions and selects: what filters, policies, checks, defaults, views and embeds become once
//! their names and types are known. Engines render them; nobody else reads SQL.

use crate::schema::{ColumnId, RelationId};
use crate::value::{Type, Value};

/// One relation's occurrence within a statement. Unique in its expression tree; 0 is the row that a policy,
/// check or default belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

impl SourceId {
    /// The row a stored expression belongs to.
    pub const ROW: Self = Self(0);
    /// The row that a trigger is about, as it will be.
    pub const NEW: Self = Self(u32::MAX);
    /// The row that a trigger is about, as it was.
    pub const OLD: Self = Self(u32::MAX - 1);
    /// The variables of a PL/pgSQL body.
    pub const VARIABLES: Self = Self(u32::MAX - 2);
    /// What functions gave that a body's expression or statement calls before it is carried out.
    pub const CALLS: Self = Self(u32::MAX - 3);

    /// Whether it stands for something outside of any statement.
    pub fn is_outside(self) -> bool {
        self == Self::ROW || self >= Self::CALLS
    }
}

/// An expression whose names and types are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Known now. Engines bind it in statements and write it out in definitions.
    Value {
        value: Value,
        ty: Type,
    },
    /// Caller's text that the engine reads with the type its place asks for. Only for engines that have
    /// [`crate::engine::Capabilities::reads_literals`].
    Literal {
        text: String,
    },
    /// Caller's list of such texts, to be read as an array of the type its place asks for.
    LiteralList {
        texts: Vec<String>,
    },
    /// What only the session knows.
    Session(SessionValue),
    Column {
        source: SourceId,
        column: ColumnId,
        ty: Type,
    },
    /// The n-th output of a [`Source::Select`], or of a common table expression; [`Expr::WHOLE_ROW`] is a relation's row
    /// as an argument, for engines that call functions themselves.
    Output {
        source: SourceId,
        index: u32,
        ty: Type,
    },
    /// The value that a domain's check is about.
    DomainValue {
        ty: Type,
    },
    /// A function by its PostgreSQL name, or an operator by its symbol (`+`, `=`, `~~*`, `->>`). The argument
    /// types, already coerced, choose the overload; a `varchar` stands for a `text` and a domain for its base
    /// without a cast, so look at [`Type::base`].
    Call {
        function: Box<str>,
        args: Vec<Expr>,
        ty: Type,
    },
    /// An explicit or implied conversion to `ty`, sizes included.
    Cast {
        expr: Box<Expr>,
        ty: Type,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    IsNull {
        expr: Box<Expr>,
        negated: bool,
    },
    /// `is true`, `is false`, `is unknown` are `IsBool` with `Some(true)`, `Some(false)`, `None`.
    IsBool {
        expr: Box<Expr>,
        value: Option<bool>,
        negated: bool,
    },
    IsDistinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    InList {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    Case {
        operand: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
        ty: Type,
    },
    Array {
        items: Vec<Expr>,
        ty: Type,
    },
    Exists {
        select: Box<Select>,
        negated: bool,
    },
    InSelect {
        expr: Box<Expr>,
        select: Box<Select>,
        negated: bool,
    },
    /// `(select ...)` as one value.
    Scalar {
        select: Box<Select>,
        ty: Type,
    },
    /// `left op any(array)` / `left op all(array)`; `array` has an array type.
    Quantified {
        left: Box<Expr>,
        operator: Box<str>,
        all: bool,
        array: Box<Expr>,
    },
    Aggregate(Box<Aggregate>),
}

/// What a session holds, as a policy asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SessionValue {
    /// `auth.uid()`: `sub` as a uuid.
    Uid,
    /// `auth.role()`: the claim `role`, text.
    Role,
    /// `auth.email()`: the claim `email`, text.
    Email,
    /// `auth.jwt()`: all claims, jsonb.
    Jwt,
    /// `current_setting(name, true)`: text.
    Setting(Box<str>),
    /// `current_user`: the role that runs the request, text.
    User,
    /// `now()`: the start of the transaction, timestamptz.
    Now,
}

impl SessionValue {
    pub fn ty(&self) -> Type {
        match self {
            Self::Uid => Type::Uuid,
            Self::Role | Self::Email | Self::Setting(_) | Self::User => Type::Text,
            Self::Jwt => Type::Jsonb,
            Self::Now => Type::Timestamptz,
        }
    }
}

/// An aggregate call in a select's outputs, `having` or `order by`.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    pub function: Box<str>,
    /// Empty for `count(*)`.
    pub args: Vec<Expr>,
    pub distinct: bool,
    pub filter: Option<Expr>,
    pub order: Vec<Order>,
    pub ty: Type,
}

/// A select statement whose names and types are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Select {
    pub with: Vec<CommonTable>,
    pub distinct: bool,
    pub outputs: Vec<SelectOutput>,
    pub from: Vec<FromItem>,
    pub condition: Option<Expr>,
    pub group_by: Vec<Expr>,
    pub having: Option<Expr>,
    /// When set, `outputs` to `having` are empty: the rows are these.
    pub values: Vec<Vec<Expr>>,
    /// Further selects, combined with the ones before them.
    pub combined: Vec<(SetOperation, Select)>,
    pub order: Vec<Order>,
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CommonTable {
    pub source: SourceId,
    pub name: String,
    pub recursive: bool,
    pub select: Select,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SelectOutput {
    pub name: String,
    pub expr: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperation {
    Union,
    UnionAll,
    Intersect,
    Except,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FromItem {
    Source { id: SourceId, source: Source },
    Join { kind: JoinKind, left: Box<FromItem>, right: Box<FromItem>, on: Option<Expr> },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Relation(RelationId),
    /// A relation that the body of a `security definer` function names: read with the rights of the function's
    /// owner, so neither grants nor policies of the caller apply to it.
    OwnerRelation(RelationId),
    /// A relation less the rows that the caller's policies hide; `condition` is over this source.
    /// Rendered as `(select * from relation where condition)`. Made by the planner.
    Filtered {
        relation: RelationId,
        condition: Box<Expr>,
    },
    /// A view that does not read with a superuser's rights, by what it reads: secured for whoever it reads as.
    /// Rendered as its select, whose outputs have the names of the view's columns. Made by the planner.
    View {
        relation: RelationId,
        select: Box<Select>,
    },
    Select(Box<Select>),
    /// A function that the engine calls itself, whose rows are those of a relation. Made by the planner.
    Called {
        relation: RelationId,
        call: Box<Expr>,
    },
    /// A common table expression, by the id it was declared with.
    Common(SourceId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

/// One term of an `order by`. Nulls sort as PostgreSQL sorts them: last when ascending, first when
/// descending, unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

/// A data-changing statement of a migration or seed file.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    Insert {
        relation: RelationId,
        columns: Vec<ColumnId>,
        /// Rows of as many outputs as there are columns; `None` for `default values`.
        rows: Option<Select>,
        /// `overriding system value`.
        overriding: bool,
        conflict: Option<StatementConflict>,
    },
    /// `source` is the updated row; `from` may add others.
    Update {
        relation: RelationId,
        source: SourceId,
        assignments: Vec<(ColumnId, Expr)>,
        from: Vec<FromItem>,
        condition: Option<Expr>,
    },
    Delete {
        relation: RelationId,
        source: SourceId,
        using: Vec<FromItem>,
        condition: Option<Expr>,
    },
    Select(Select),
}

/// `on conflict` of a migration's insert. In `update` and `condition`, [`SourceId::ROW`] is the existing row
/// and `excluded` the one that was to be inserted.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementConflict {
    pub columns: Vec<ColumnId>,
    pub excluded: SourceId,
    /// Empty for `do nothing`.
    pub update: Vec<(ColumnId, Expr)>,
    pub condition: Option<Expr>,
}

impl Expr {
    /// The index of an [`Expr::Output`] that is all of a row.
    pub const WHOLE_ROW: u32 = u32::MAX;

    pub fn value(value: Value, ty: Type) -> Self {
        Self::Value { value, ty }
    }

    pub fn boolean(value: bool) -> Self {
        Self::Value { value: Value::Bool(value), ty: Type::Bool }
    }

    pub fn call(function: &str, args: Vec<Self>, ty: Type) -> Self {
        Self::Call { function: function.into(), args, ty }
    }

    /// All of `conditions`; `None` when there are none.
    pub fn all(mut conditions: Vec<Self>) -> Option<Self> {
        if conditions.len() <= 1 { conditions.pop() } else { Some(Self::And(conditions)) }
    }

    /// Any of `conditions`; false when there are none.
    pub fn any(mut conditions: Vec<Self>) -> Self {
        match conditions.len() {
            0 => Self::boolean(false),
            1 => conditions.remove(0),
            _ => Self::Or(conditions),
        }
    }

    pub fn is_true(&self) -> bool {
        matches!(self, Self::Value { value: Value::Bool(true), .. })
    }

    fn is_false(&self) -> bool {
        matches!(self, Self::Value { value: Value::Bool(false), .. })
    }

    /// The same with constants taken out of `and`, `or` and `not`. PostgreSQL does so before it asks for rights:
    /// `true or exists (select … from secret)` does not read `secret`.
    #[must_use]
    pub fn folded(self) -> Self {
        match self {
            Self::And(parts) => {
                let parts: Vec<_> = parts.into_iter().map(Self::folded).filter(|part| !part.is_true()).collect();
                if parts.iter().any(Self::is_false) {
                    return Self::boolean(false);
                }
                Self::all(parts).unwrap_or_else(|| Self::boolean(true))
            }
            Self::Or(parts) => {
                let parts: Vec<_> = parts.into_iter().map(Self::folded).filter(|part| !part.is_false()).collect();
                if parts.iter().any(Self::is_true) { Self::boolean(true) } else { Self::any(parts) }
            }
            Self::Not(inner) => match inner.folded() {
                Self::Value { value: Value::Bool(value), .. } => Self::boolean(!value),
                other => Self::Not(Box::new(other)),
            },
            other => other,
        }
    }

    pub fn ty(&self) -> Type {
        match self {
            Self::Value { ty, .. }
            | Self::Column { ty, .. }
            | Self::Output { ty, .. }
            | Self::DomainValue { ty }
            | Self::Call { ty, .. }
            | Self::Cast { ty, .. }
            | Self::Case { ty, .. }
            | Self::Array { ty, .. }
            | Self::Scalar { ty, .. } => ty.clone(),
            Self::Literal { .. } | Self::LiteralList { .. } => Type::Unknown,
            Self::Session(value) => value.ty(),
            Self::Aggregate(aggregate) => aggregate.ty.clone(),
            Self::And(_)
            | Self::Or(_)
            | Self::Not(_)
            | Self::IsNull { .. }
            | Self::IsBool { .. }
            | Self::IsDistinct { .. }
            | Self::InList { .. }
            | Self::Exists { .. }
            | Self::InSelect { .. }
            | Self::Quantified { .. } => Type::Bool,
        }
    }
}

impl Expr {
    /// Whether an aggregate of the very select that it stands in is part of it, not one of a select within it.
    pub fn holds_aggregate(&self) -> bool {
        match self {
            Self::Aggregate(_) => true,
            Self::Exists { .. } | Self::InSelect { .. } | Self::Scalar { .. } => false,
            other => {
                let mut found = false;
                other.for_each_child(&mut |child| found |= child.holds_aggregate());
                found
            }
        }
    }
}

/// Walks that reach every expression and every source of a tree, so that rules about them are written once.
impl Expr {
    /// Calls `visit` on each direct child, selects' expressions included.
    pub fn for_each_child_mut(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        match self {
            Self::Value { .. }
            | Self::Literal { .. }
            | Self::LiteralList { .. }
            | Self::Session(_)
            | Self::Column { .. }
            | Self::Output { .. }
            | Self::DomainValue { .. } => {}
            Self::Call { args, .. } | Self::And(args) | Self::Or(args) | Self::Array { items: args, .. } => {
                args.iter_mut().for_each(visit);
            }
            Self::Cast { expr, .. } | Self::Not(expr) | Self::IsNull { expr, .. } | Self::IsBool { expr, .. } => {
                visit(expr)
            }
            Self::IsDistinct { left, right, .. } | Self::Quantified { left, array: right, .. } => {
                visit(left);
                visit(right);
            }
            Self::InList { expr, list, .. } => {
                visit(expr);
                list.iter_mut().for_each(visit);
            }
            Self::Case { operand, whens, otherwise, .. } => {
                operand.iter_mut().for_each(|e| visit(e));
                for (when, then) in whens {
                    visit(when);
                    visit(then);
                }
                otherwise.iter_mut().for_each(|e| visit(e));
            }
            Self::Exists { select, .. } | Self::Scalar { select, .. } => select.for_each_expr_mut(visit),
            Self::InSelect { expr, select, .. } => {
                visit(expr);
                select.for_each_expr_mut(visit);
            }
            Self::Aggregate(aggregate) => {
                aggregate.args.iter_mut().for_each(&mut *visit);
                aggregate.filter.iter_mut().for_each(&mut *visit);
                aggregate.order.iter_mut().for_each(|order| visit(&mut order.expr));
            }
        }
    }

    /// Calls `rename` on every source id of the tree.
    pub fn rename_sources(&mut self, rename: &mut dyn FnMut(SourceId) -> SourceId) {
        match self {
            Self::Column { source, .. } | Self::Output { source, .. } => *source = rename(*source),
            Self::Exists { select, .. } | Self::Scalar { select, .. } => select.rename_sources(rename),
            Self::InSelect { expr, select, .. } => {
                expr.rename_sources(rename);
                select.rename_sources(rename);
            }
            other => other.for_each_child_mut(&mut |child| child.rename_sources(rename)),
        }
    }

    /// Calls `visit` on each direct child, selects' expressions included.
    pub fn for_each_child(&self, visit: &mut dyn FnMut(&Self)) {
        match self {
            Self::Value { .. }
            | Self::Literal { .. }
            | Self::LiteralList { .. }
            | Self::Session(_)
            | Self::Column { .. }
            | Self::Output { .. }
            | Self::DomainValue { .. } => {}
            Self::Call { args, .. } | Self::And(args) | Self::Or(args) | Self::Array { items: args, .. } => {
                args.iter().for_each(visit);
            }
            Self::Cast { expr, .. } | Self::Not(expr) | Self::IsNull { expr, .. } | Self::IsBool { expr, .. } => {
                visit(expr)
            }
            Self::IsDistinct { left, right, .. } | Self::Quantified { left, array: right, .. } => {
                visit(left);
                visit(right);
            }
            Self::InList { expr, list, .. } => {
                visit(expr);
                list.iter().for_each(visit);
            }
            Self::Case { operand, whens, otherwise, .. } => {
                operand.iter().for_each(|e| visit(e));
                whens.iter().for_each(|(when, then)| {
                    visit(when);
                    visit(then);
                });
                otherwise.iter().for_each(|e| visit(e));
            }
            Self::Exists { select, .. } | Self::Scalar { select, .. } => select.for_each_expr(visit),
            Self::InSelect { expr, select, .. } => {
                visit(expr);
                select.for_each_expr(visit);
            }
            Self::Aggregate(aggregate) => {
                aggregate.args.iter().for_each(&mut *visit);
                aggregate.filter.iter().for_each(&mut *visit);
                aggregate.order.iter().for_each(|order| visit(&order.expr));
            }
        }
    }

    /// Calls `visit` on this expression and on everything below it.
    pub fn walk(&self, visit: &mut dyn FnMut(&Self)) {
        visit(self);
        self.for_each_child(&mut |child| child.walk(visit));
    }
}

impl Select {
    /// Calls `visit` on each expression that stands directly in this select or in a select within its `from`,
    /// `with` or combined selects.
    pub fn for_each_expr_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        for common in &mut self.with {
            common.select.for_each_expr_mut(visit);
        }
        for item in &mut self.from {
            item.for_each_inner_expr_mut(visit);
        }
        for (_, select) in &mut self.combined {
            select.for_each_expr_mut(visit);
        }
        self.for_each_own_expr_mut(visit);
    }

    /// As [`Select::for_each_expr_mut`], less the selects within `from`, `with` and combined selects.
    pub fn for_each_own_expr_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        self.outputs.iter_mut().for_each(|output| visit(&mut output.expr));
        for item in &mut self.from {
            item.for_each_join_condition_mut(visit);
        }
        self.condition.iter_mut().for_each(&mut *visit);
        self.group_by.iter_mut().for_each(&mut *visit);
        self.having.iter_mut().for_each(&mut *visit);
        self.values.iter_mut().flatten().for_each(&mut *visit);
        self.order.iter_mut().for_each(|order| visit(&mut order.expr));
        self.limit.iter_mut().for_each(&mut *visit);
        self.offset.iter_mut().for_each(&mut *visit);
    }

    /// As [`Select::for_each_expr_mut`], to read.
    pub fn for_each_expr(&self, visit: &mut dyn FnMut(&Expr)) {
        self.with.iter().for_each(|common| common.select.for_each_expr(visit));
        self.outputs.iter().for_each(|output| visit(&output.expr));
        self.from.iter().for_each(|item| item.for_each_expr(visit));
        self.condition.iter().for_each(&mut *visit);
        self.group_by.iter().for_each(&mut *visit);
        self.having.iter().for_each(&mut *visit);
        self.values.iter().flatten().for_each(&mut *visit);
        self.combined.iter().for_each(|(_, select)| select.for_each_expr(visit));
        self.order.iter().for_each(|order| visit(&order.expr));
        self.limit.iter().for_each(&mut *visit);
        self.offset.iter().for_each(&mut *visit);
    }

    /// Calls `visit` on each relation named in this select's `from`, `with` and combined selects (not those within
    /// expressions).
    pub fn for_each_source_mut(&mut self, visit: &mut dyn FnMut(&mut SourceId, Option<RelationId>)) {
        for common in &mut self.with {
            visit(&mut common.source, None);
            common.select.for_each_source_mut(visit);
        }
        for item in &mut self.from {
            item.for_each_source_mut(visit);
        }
        for (_, select) in &mut self.combined {
            select.for_each_source_mut(visit);
        }
    }

    /// Calls `visit` on each relation that is read with the caller's rights, in this select's `from`, `with` and
    /// combined selects (not in those within expressions).
    pub fn for_each_caller_relation(&self, visit: &mut dyn FnMut(SourceId, RelationId)) {
        self.with.iter().for_each(|common| common.select.for_each_caller_relation(visit));
        self.from.iter().for_each(|item| item.for_each_caller_relation(visit));
        self.combined.iter().for_each(|(_, select)| select.for_each_caller_relation(visit));
    }

    /// Calls `visit` on each relation that is read in this select's `from`, `with` and combined selects (not in those
    /// within expressions).
    pub fn for_each_relation(&self, visit: &mut dyn FnMut(RelationId)) {
        self.with.iter().for_each(|common| common.select.for_each_relation(visit));
        self.from.iter().for_each(|item| item.for_each_relation(visit));
        self.combined.iter().for_each(|(_, select)| select.for_each_relation(visit));
    }

    /// Whether this is the body of a function that reads with its owner's rights.
    pub fn reads_as_owner(&self) -> bool {
        self.from.iter().any(FromItem::reads_as_owner)
    }

    /// Calls `rename` on every source id of the tree.
    pub fn rename_sources(&mut self, rename: &mut dyn FnMut(SourceId) -> SourceId) {
        self.for_each_source_mut(&mut |id, _| *id = rename(*id));
        self.for_each_expr_mut(&mut |expr| expr.rename_sources(rename));
    }
}

impl FromItem {
    fn for_each_relation(&self, visit: &mut dyn FnMut(RelationId)) {
        match self {
            Self::Source { source, .. } => match source {
                Source::Relation(relation)
                | Source::OwnerRelation(relation)
                | Source::Filtered { relation, .. }
                | Source::Called { relation, .. } => visit(*relation),
                Source::View { relation, select } => {
                    visit(*relation);
                    select.for_each_relation(visit);
                }
                Source::Select(select) => select.for_each_relation(visit),
                Source::Common(_) => {}
            },
            Self::Join { left, right, .. } => {
                left.for_each_relation(visit);
                right.for_each_relation(visit);
            }
        }
    }

    fn reads_as_owner(&self) -> bool {
        match self {
            Self::Source { source, .. } => match source {
                Source::OwnerRelation(_) => true,
                Source::Select(select) => select.reads_as_owner(),
                Source::Relation(_)
                | Source::Filtered { .. }
                | Source::View { .. }
                | Source::Called { .. }
                | Source::Common(_) => false,
            },
            Self::Join { left, right, .. } => left.reads_as_owner() || right.reads_as_owner(),
        }
    }

    fn for_each_inner_expr_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        match self {
            Self::Source { source: Source::Select(select) | Source::View { select, .. }, .. } => {
                select.for_each_expr_mut(visit);
            }
            Self::Source {
                source: Source::Filtered { condition: inner, .. } | Source::Called { call: inner, .. },
                ..
            } => {
                visit(inner);
            }
            Self::Source { .. } => {}
            Self::Join { left, right, .. } => {
                left.for_each_inner_expr_mut(visit);
                right.for_each_inner_expr_mut(visit);
            }
        }
    }

    fn for_each_join_condition_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        if let Self::Join { left, right, on, .. } = self {
            left.for_each_join_condition_mut(visit);
            right.for_each_join_condition_mut(visit);
            on.iter_mut().for_each(visit);
        }
    }

    fn for_each_expr(&self, visit: &mut dyn FnMut(&Expr)) {
        match self {
            Self::Source { source: Source::Select(select) | Source::View { select, .. }, .. } => {
                select.for_each_expr(visit);
            }
            Self::Source {
                source: Source::Filtered { condition: inner, .. } | Source::Called { call: inner, .. },
                ..
            } => {
                visit(inner);
            }
            Self::Source { .. } => {}
            Self::Join { left, right, on, .. } => {
                left.for_each_expr(visit);
                right.for_each_expr(visit);
                on.iter().for_each(visit);
            }
        }
    }

    fn for_each_caller_relation(&self, visit: &mut dyn FnMut(SourceId, RelationId)) {
        match self {
            Self::Source { id, source } => match source {
                Source::Relation(relation) | Source::Filtered { relation, .. } => visit(*id, *relation),
                Source::Select(select) => select.for_each_caller_relation(visit),
                Source::OwnerRelation(_) | Source::View { .. } | Source::Called { .. } | Source::Common(_) => {}
            },
            Self::Join { left, right, .. } => {
                left.for_each_caller_relation(visit);
                right.for_each_caller_relation(visit);
            }
        }
    }

    fn for_each_source_mut(&mut self, visit: &mut dyn FnMut(&mut SourceId, Option<RelationId>)) {
        match self {
            Self::Source { id, source } => match source {
                Source::Relation(relation)
                | Source::OwnerRelation(relation)
                | Source::Filtered { relation, .. }
                | Source::Called { relation, .. } => visit(id, Some(*relation)),
                Source::View { relation, select } => {
                    visit(id, Some(*relation));
                    select.for_each_source_mut(visit);
                }
                Source::Select(select) => {
                    visit(id, None);
                    select.for_each_source_mut(visit);
                }
                Source::Common(common) => {
                    visit(id, None);
                    visit(common, None);
                }
            },
            Self::Join { left, right, .. } => {
                left.for_each_source_mut(visit);
                right.for_each_source_mut(visit);
            }
        }
    }
}
