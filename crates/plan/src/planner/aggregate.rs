//! Aggregates in a select, and PostgreSQL's rule that what stands beside them is what rows are grouped by.

use crate::error::{DatabaseError, PlanError};
use crate::expr::{Aggregate, Expr, SourceId};
use crate::plan::{Node, Output};
use crate::query::{Aggregation, Field, OrderTerm, SelectItem, Selection};
use crate::schema::ColumnId;
use crate::schema::read_expr::{Resolver, can_cast};
use crate::value::Type;

use super::Planner;
use super::resolve::Place;
use super::types::type_named;

impl<'a> Planner<'a> {
    /// Refuses aggregates, wherever in `selection`, when they are switched off.
    pub(super) fn check_aggregates(&self, selection: &Selection) -> Result<(), PlanError> {
        if self.limits.aggregates || !holds_aggregates(selection) { Ok(()) } else { Err(PlanError::AggregatesOff) }
    }

    pub(super) fn aggregate_output(&self, place: Place<'a>, wanted: &Aggregation) -> Result<Output, PlanError> {
        let mut args = Vec::new();
        if let Some(field) = &wanted.field {
            args.push(self.cast(self.field(place, field)?, wanted.cast.as_deref()));
        }
        let function = wanted.function.name();
        let expr = self.cast(self.aggregate(function, args), wanted.result_cast.as_deref());
        let name = wanted.alias.clone().unwrap_or_else(|| function.to_owned());
        Ok(Output::Value { name, expr })
    }

    /// `count` where no column has this name: the number of rows, as PostgreSQL reads `t.count`.
    pub(super) fn bare_count(&self, place: Place<'a>, field: &Field) -> Option<Expr> {
        let is_count = field.column == "count" && field.path.is_empty() && place.relation.column("count").is_none();
        is_count.then(|| Expr::Aggregate(Box::new(aggregate("count", Vec::new(), Type::Int8))))
    }

    pub(super) fn cast(&self, expr: Expr, name: Option<&str>) -> Expr {
        let Some(name) = name else { return expr };
        let ty = type_named(self.schema, self.capabilities, name).unwrap_or_else(|fault| {
            self.note(Err(fault));
            Type::Unknown
        });
        let from = expr.ty();
        if ty != Type::Unknown && !can_cast(&from, &ty) {
            let message = format!("cannot cast type {} to {}", from.sql_name(), ty.sql_name());
            self.note(Err(DatabaseError::new("42846", message)));
        }
        Expr::Cast { ty, expr: Box::new(expr) }
    }

    fn aggregate(&self, function: &str, args: Vec<Expr>) -> Expr {
        if args.is_empty() {
            return Expr::Aggregate(Box::new(aggregate(function, args, Type::Int8)));
        }
        let found = Resolver::new(self.schema, &[]).aggregate(function, args.clone());
        let found = found.map_err(|error| {
            let refused = DatabaseError::new(error.sqlstate.unwrap_or("42883"), error.message);
            self.note(Err(DatabaseError { hint: error.help, ..refused }));
        });
        Expr::Aggregate(Box::new(match found {
            Ok(found) if !self.capabilities.reads_literals => found,
            // The engine knows more types, and finds the function by itself.
            Ok(found) => aggregate(function, args, found.ty),
            Err(()) => aggregate(function, args, Type::Unknown),
        }))
    }

    /// Notes what a grouped node orders or answers by without having grouped by it. `depth` is that of the node.
    pub(super) fn check_grouping(&self, place: Place<'a>, node: &Node, selection: &Selection, depth: usize) {
        if let Some(fault) = self.grouping_fault(place, node, selection, depth)
            // The engine would tell what its own names are, but a fault in types comes before.
            && !self.faults.has_suspicion()
        {
            self.faults.keep_analysed(fault);
        }
    }

    fn grouping_fault(
        &self,
        place: Place<'a>,
        node: &Node,
        selection: &Selection,
        depth: usize,
    ) -> Option<DatabaseError> {
        if !node.grouped {
            return None;
        }
        let groups: Vec<&Expr> = node.outputs.iter().filter_map(group_term).collect();
        if groups.iter().any(|expr| *expr.ty().base() == Type::Json) {
            let message = "could not identify an equality operator for type json";
            self.note(Err(DatabaseError::new("42883", message)));
            return None;
        }
        let names = Names { planner: self, place, node, depth };
        if only_bare_count(selection)
            && let Some(loose) = groups.iter().find_map(|expr| names.loose(expr, &[]))
        {
            return Some(ungrouped(&loose));
        }
        for (order, term) in node.order.iter().zip(&selection.order) {
            if let Some(loose) = names.loose(&order.expr, &groups) {
                return Some(ungrouped(&names.ordered(term).unwrap_or(loose)));
            }
        }
        None
    }
}

fn aggregate(function: &str, args: Vec<Expr>, ty: Type) -> Aggregate {
    Aggregate { function: function.into(), args, distinct: false, filter: None, order: Vec::new(), ty }
}

fn holds_aggregates(selection: &Selection) -> bool {
    selection.items.iter().any(|item| match item {
        SelectItem::Aggregate(_) => true,
        SelectItem::Embed(embed) => holds_aggregates(&embed.selection),
        SelectItem::All | SelectItem::Field { .. } => false,
    })
}

/// Whether nothing but columns called `count` can be what aggregates.
fn only_bare_count(selection: &Selection) -> bool {
    selection.items.iter().all(|item| match item {
        SelectItem::All | SelectItem::Field { .. } => true,
        SelectItem::Aggregate(_) | SelectItem::Embed(_) => false,
    })
}

/// What an output of a grouped node groups by.
fn group_term(output: &Output) -> Option<&Expr> {
    match output {
        Output::Value { expr, .. } => Some(expr).filter(|expr| !expr.holds_aggregate()),
        Output::Embed(_) | Output::Spread(_) => None,
    }
}

fn ungrouped(column: &str) -> DatabaseError {
    let message = format!("column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function");
    DatabaseError::new("42803", message)
}

/// How messages call the columns of a node: as PostgREST's statement would.
struct Names<'n, 'a> {
    planner: &'n Planner<'a>,
    place: Place<'a>,
    node: &'n Node,
    depth: usize,
}

impl Names<'_, '_> {
    /// A column in `expr` that the groups do not tell.
    fn loose(&self, expr: &Expr, groups: &[&Expr]) -> Option<String> {
        if groups.contains(&expr) {
            return None;
        }
        match expr {
            Expr::Aggregate(_) => None,
            Expr::Column { source, column, .. } => {
                (!self.follows(*source, groups)).then(|| self.column(*source, *column))
            }
            other => {
                let mut found = None;
                other.for_each_child(&mut |child| {
                    if found.is_none() {
                        found = self.loose(child, groups);
                    }
                });
                found
            }
        }
    }

    /// Whether the rows are grouped by the primary key of `source`.
    fn follows(&self, source: SourceId, groups: &[&Expr]) -> bool {
        let relation = match self.node.joins.iter().find(|join| join.node.source == source) {
            Some(join) => self.planner.schema.relation(join.node.relation),
            None => self.place.relation,
        };
        let is_grouped = |id: &ColumnId| {
            groups
                .iter()
                .any(|expr| matches!(expr, Expr::Column { source: of, column, .. } if *of == source && column == id))
        };
        relation.primary_key.as_ref().is_some_and(|key| key.columns.iter().all(is_grouped))
    }

    fn column(&self, source: SourceId, column: ColumnId) -> String {
        let join = self.node.joins.iter().find(|join| join.node.source == source);
        let (table, relation) = match (join, self.depth) {
            (Some(join), _) => (self.embed(&join.name), self.planner.schema.relation(join.node.relation)),
            (None, 0) => (self.place.relation.name.clone(), self.place.relation),
            (None, depth) => (format!("{}_{depth}", self.place.relation.name), self.place.relation),
        };
        let name = relation.columns.iter().find(|known| known.id == column).map_or("?", |found| &found.name);
        format!("{table}.{name}")
    }

    /// The column that an order by an embed names.
    fn ordered(&self, term: &OrderTerm) -> Option<String> {
        let embed = term.embed.as_ref()?;
        Some(format!("{}.{}", self.embed(embed), term.field.column))
    }

    fn embed(&self, name: &str) -> String {
        format!("{}_{name}_{}", self.place.relation.name, self.depth + 1)
    }
}
