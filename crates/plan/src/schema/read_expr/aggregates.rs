//! Aggregates, and PostgreSQL's rule that the rest of a grouped select is grouped too.

use pg_query::protobuf::FuncCall;

use crate::expr::{Aggregate, Expr, Select, SourceId};
use crate::value::{Type, Value};

use super::calls::{Call, only_arg, presence, row_object};
use super::names::{Names, Place};
use super::{At, ExprError, Read, Resolver};

impl Resolver<'_> {
    /// The aggregate called `function` over `args`, converted to what it takes.
    ///
    /// # Errors
    /// When no aggregate of that name takes them.
    pub fn aggregate(&self, function: &str, args: Vec<Expr>) -> Result<Aggregate, ExprError> {
        let arg_names = vec![None; args.len()];
        let call = Call { schema: None, name: function, args, arg_names, at: At::default() };
        let (args, ty) = self.aggregate_overload(&call)?;
        Ok(Aggregate { function: function.into(), args, distinct: false, filter: None, order: Vec::new(), ty })
    }

    pub(super) fn read_aggregate(&self, name: &str, call: &FuncCall, names: &Names<'_>, at: At) -> Read<Expr> {
        let place = names.place.get();
        if place == Place::Aggregate {
            return Err(ExprError::new(at, "42803", "aggregate function calls cannot be nested"));
        }
        if let Some(place) = place.without_aggregates() {
            return Err(ExprError::new(at, "42803", format!("aggregate functions are not allowed in {place}")));
        }
        names.aggregated.set(true);
        names.place.set(Place::Aggregate);
        let read = self.aggregate_parts(name, call, names, at);
        names.place.set(place);
        let aggregate = read?;
        if !aggregate.args.is_empty() && is_of_outer_level(&aggregate, names) {
            let instead = "write the aggregate in the outer select";
            return Err(ExprError::unsupported(at, "an aggregate over the columns of an outer select", instead));
        }
        Ok(Expr::Aggregate(Box::new(aggregate)))
    }

    fn aggregate_parts(&self, name: &str, call: &FuncCall, names: &Names<'_>, at: At) -> Read<Aggregate> {
        let (args, ty) =
            if call.agg_star { (Vec::new(), Type::Int8) } else { self.aggregate_args(name, call, names, at)? };
        let order = self.read_order(&call.agg_order, None, names)?;
        names.place.set(Place::Filter);
        let filter = match call.agg_filter.as_deref() {
            Some(node) => Some(self.boolean(self.read(node, names)?, "FILTER", at)?),
            None => None,
        };
        if call.agg_distinct && order.iter().any(|order| !args.contains(&order.expr)) {
            let message = "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list";
            return Err(ExprError::new(at, "42P10", message));
        }
        Ok(Aggregate { function: name.into(), args, distinct: call.agg_distinct, filter, order, ty })
    }

    fn aggregate_args(&self, name: &str, call: &FuncCall, names: &Names<'_>, at: At) -> Read<(Vec<Expr>, Type)> {
        let row = only_arg(call).map(|arg| self.whole_row(arg, names)).transpose()?.flatten();
        if let Some(item) = row {
            return match name {
                "json_agg" => Ok((vec![row_object(item, ("row_to_json", Type::Json), at)?], Type::Json)),
                "jsonb_agg" => Ok((vec![row_object(item, ("jsonb_build_object", Type::Jsonb), at)?], Type::Jsonb)),
                "count" if call.agg_distinct => {
                    Err(ExprError::unsupported(at, "`count(distinct …)` of a whole row", "name a column"))
                }
                "count" if item.nullable => Ok((vec![presence(item, at)?], Type::Int8)),
                "count" => Ok((vec![Expr::value(Value::Int(1), Type::Int4)], Type::Int8)),
                _ => Err(ExprError::unsupported(at, format!("`{name}` of a whole row"), "name a column")),
            };
        }
        if call.args.is_empty() && name == "count" {
            let message = "count(*) must be used to call a parameterless aggregate function";
            return Err(ExprError::new(at, "42809", message));
        }
        let call = self.call_of(call, (None, name), names, at)?;
        self.aggregate_overload(&call)
    }
}

/// Whether all columns of an aggregate belong to an outer select, which would then own it.
fn is_of_outer_level(aggregate: &Aggregate, names: &Names<'_>) -> bool {
    let own = own_sources(names);
    let (mut columns, mut inner) = (0, 0);
    for arg in &aggregate.args {
        arg.walk(&mut |expr| {
            // A variable of a body is no column: to the select it is a constant.
            if let Expr::Column { source, .. } | Expr::Output { source, .. } = expr
                && *source != SourceId::VARIABLES
            {
                columns += 1;
                inner += usize::from(own.contains(source));
            }
        });
    }
    columns > 0 && inner == 0
}

/// The sources that a level's own `from` brings in.
fn own_sources(names: &Names<'_>) -> Vec<SourceId> {
    let mut sources = Vec::new();
    for column in names.items.iter().flat_map(|item| &item.columns) {
        column.expr.walk(&mut |expr| {
            if let Expr::Column { source, .. } | Expr::Output { source, .. } = expr {
                sources.push(*source);
            }
        });
    }
    sources.sort_unstable();
    sources.dedup();
    sources
}

impl Resolver<'_> {
    /// Checks that what a grouped select gives is grouped or aggregated.
    pub(super) fn check_grouping(&self, select: &Select, names: &Names<'_>) -> Read<()> {
        if select.group_by.is_empty() && select.having.is_none() && !names.aggregated.get() {
            return Ok(());
        }
        let own = own_sources(names);
        let keyed = self.keyed_sources(select, &own);
        let outputs = select.outputs.iter().map(|output| &output.expr);
        let order = select.order.iter().map(|order| &order.expr);
        for expr in outputs.chain(&select.having).chain(order) {
            let loose = ungrouped(expr, &select.group_by, &|source| own.contains(&source) && !keyed.contains(&source));
            if let Some(loose) = loose {
                let name = column_name(&loose, names);
                let message =
                    format!("column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function");
                return Err(ExprError::new(At::default(), "42803", message));
            }
        }
        Ok(())
    }

    /// Sources whose primary key is grouped by: all their columns follow from it.
    fn keyed_sources(&self, select: &Select, own: &[SourceId]) -> Vec<SourceId> {
        let mut relations = Vec::new();
        let mut from = select.clone();
        from.for_each_source_mut(&mut |source, relation| {
            relations.extend(relation.map(|relation| (*source, relation)))
        });
        let is_keyed = |source: SourceId| {
            let relation = relations.iter().find(|(of, _)| *of == source).map(|(_, relation)| *relation);
            let key =
                relation.and_then(|id| self.schema.relations.get(&id)).and_then(|found| found.primary_key.as_ref());
            key.is_some_and(|key| {
                key.columns.iter().all(|id| {
                    select.group_by.iter().any(
                        |expr| matches!(expr, Expr::Column { source: of, column, .. } if *of == source && column == id),
                    )
                })
            })
        };
        own.iter().copied().filter(|source| is_keyed(*source)).collect()
    }
}

/// A column of this level that stands neither in a group term nor in an aggregate.
fn ungrouped(expr: &Expr, groups: &[Expr], is_own: &dyn Fn(SourceId) -> bool) -> Option<Expr> {
    if groups.contains(expr) {
        return None;
    }
    match expr {
        Expr::Aggregate(_) => None,
        Expr::Column { source, .. } | Expr::Output { source, .. } => is_own(*source).then(|| expr.clone()),
        other => {
            let mut found = None;
            other.for_each_child(&mut |child| {
                if found.is_none() {
                    found = ungrouped(child, groups, is_own);
                }
            });
            found
        }
    }
}

fn column_name(expr: &Expr, names: &Names<'_>) -> String {
    let mut named = names.items.iter().flat_map(|item| item.columns.iter().map(move |column| (item, column)));
    match named.find(|(_, column)| column.expr == *expr) {
        Some((item, column)) if !item.alias.is_empty() => format!("{}.{}", item.alias, column.name),
        Some((_, column)) => column.name.clone(),
        None => "?column?".to_owned(),
    }
}
