//! Selects: outputs, conditions, groups, order, limits, common table expressions.

use pg_query::protobuf::{
    self, CommonTableExpr, LimitOption, ResTarget, SelectStmt, SetOperation as ParsedOperation, SortBy, SortByDir,
    SortByNulls, WithClause, a_const, node::Node as NodeEnum,
};

use crate::expr::{CommonTable, Expr, Order, Select, SelectOutput};
use crate::value::{Type, Value};

use super::expressions::{location, required};
use super::names::{Common, Names, Place};
use super::operators::place_of;
use super::types::strings;
use super::{At, ExprError, Read, Resolver};

/// The names and types of a select's outputs.
pub(super) fn columns(select: &Select) -> Vec<(String, Type)> {
    match select.values.first() {
        Some(row) => row.iter().zip(1..).map(|(cell, number)| (format!("column{number}"), cell.ty())).collect(),
        None => select.outputs.iter().map(|output| (output.name.clone(), output.expr.ty())).collect(),
    }
}

impl Resolver<'_> {
    /// Reads a select; its bare constants become text.
    pub(super) fn read_select(&self, stmt: &SelectStmt, parent: Option<&Names<'_>>) -> Read<Select> {
        let mut select = self.read_unsettled(stmt, parent)?;
        self.settle_outputs(&mut select)?;
        Ok(select)
    }

    fn settle_outputs(&self, select: &mut Select) -> Read<()> {
        let outputs = select.outputs.iter_mut().map(|output| &mut output.expr);
        for expr in outputs.chain(select.values.iter_mut().flatten()) {
            *expr = self.settled(std::mem::replace(expr, Expr::boolean(false)))?;
        }
        Ok(())
    }

    /// As `read_select`, with bare constants left for an insert to give them types.
    pub(super) fn read_unsettled(&self, stmt: &SelectStmt, parent: Option<&Names<'_>>) -> Read<Select> {
        refuse_clauses(stmt)?;
        let mut names = Names::within(parent);
        let with = self.read_with(stmt.with_clause.as_ref(), &mut names)?;
        let mut select = if stmt.op() != ParsedOperation::SetopNone {
            self.read_combined(stmt, &names)?
        } else if stmt.values_lists.is_empty() {
            self.read_plain(stmt, names)?
        } else {
            self.read_values(stmt, &names)?
        };
        select.with = with;
        Ok(select)
    }

    fn read_plain(&self, stmt: &SelectStmt, mut names: Names<'_>) -> Read<Select> {
        let mut select = Select::default();
        if let Some(from) = self.set_function_target(stmt, &names)? {
            return Ok(from);
        }
        (select.from, names.items) = self.read_from(&stmt.from_clause, &names)?;
        names.place.set(Place::Output);
        select.outputs = self.read_outputs(&stmt.target_list, &names)?;
        select.distinct = is_distinct(stmt)?;
        if select.distinct {
            self.settle_outputs(&mut select)?;
        }
        select.condition = self.read_condition(stmt.where_clause.as_deref(), (Place::Where, "WHERE"), &names)?;
        names.place.set(Place::GroupBy);
        select.group_by = self.read_groups(&stmt.group_clause, &select.outputs, &names)?;
        select.having = self.read_condition(stmt.having_clause.as_deref(), (Place::Having, "HAVING"), &names)?;
        names.place.set(Place::Order);
        select.order = self.read_order(&stmt.sort_clause, Some(&select.outputs), &names)?;
        if select.distinct && select.order.iter().any(|o| select.outputs.iter().all(|output| output.expr != o.expr)) {
            let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
            return Err(ExprError::new(At::default(), "42P10", message));
        }
        (select.limit, select.offset) = self.read_limits(stmt, &names)?;
        self.check_grouping(&select, &names)?;
        Ok(select)
    }

    pub(super) fn read_condition(
        &self,
        node: Option<&protobuf::Node>,
        (place, clause): (Place, &str),
        names: &Names<'_>,
    ) -> Read<Option<Expr>> {
        let Some(node) = node else { return Ok(None) };
        names.place.set(place);
        let condition = self.read(node, names)?;
        self.boolean(condition, clause, location(node).unwrap_or_default()).map(Some)
    }

    pub(super) fn read_outputs(&self, targets: &[protobuf::Node], names: &Names<'_>) -> Read<Vec<SelectOutput>> {
        let mut outputs = Vec::with_capacity(targets.len());
        for target in targets {
            let Some(NodeEnum::ResTarget(target)) = &target.node else { continue };
            let node = required(target.val.as_deref(), At::new(target.location))?;
            match star(node) {
                Some(star) => self.expand_star(star, names, &mut outputs)?,
                None => outputs.push(SelectOutput { name: output_name(target), expr: self.read(node, names)? }),
            }
        }
        Ok(outputs)
    }

    /// `*`, `t.*` or `schema.t.*`.
    fn expand_star(
        &self,
        column: &protobuf::ColumnRef,
        names: &Names<'_>,
        outputs: &mut Vec<SelectOutput>,
    ) -> Read<()> {
        let parts = strings(&column.fields);
        let at = At::new(column.location);
        let items = match parts.as_slice() {
            [] if names.items.is_empty() => {
                return Err(ExprError::new(at, "42601", "SELECT * with no tables specified is not valid"));
            }
            [] => names.items.iter().filter(|item| item.bare).collect(),
            [table] => vec![names.item(None, table, at)?.ok_or_else(|| names.no_table(table, at))?],
            [schema, table] => vec![names.item(Some(schema), table, at)?.ok_or_else(|| names.no_table(table, at))?],
            _ => return Err(ExprError::new(at, "42601", format!("improper qualified name: {}", parts.join(".")))),
        };
        for column in items.into_iter().flat_map(|item| &item.columns) {
            outputs.push(SelectOutput { name: column.name.clone(), expr: column.expr.clone() });
        }
        Ok(())
    }

    fn read_groups(&self, groups: &[protobuf::Node], outputs: &[SelectOutput], names: &Names<'_>) -> Read<Vec<Expr>> {
        let mut terms = Vec::with_capacity(groups.len());
        for node in groups {
            if let Some(NodeEnum::GroupingSet(set)) = &node.node {
                let instead = "write one select per grouping, joined by `union all`";
                return Err(ExprError::unsupported(At::new(set.location), "a grouping set", instead));
            }
            let own_column = bare_name(node)
                .is_some_and(|name| names.items.iter().any(|item| item.bare && item.column(name).is_some()));
            let found = if own_column { None } else { find_output(node, outputs, "GROUP BY")? };
            let expr = match found {
                Some(expr) => expr,
                None => self.settled(self.read(node, names)?)?,
            };
            let mut aggregated = false;
            expr.walk(&mut |part| aggregated |= matches!(part, Expr::Aggregate(_)));
            if aggregated {
                return Err(ExprError::new(
                    place_of(node, At::default()),
                    "42803",
                    "aggregate functions are not allowed in GROUP BY",
                ));
            }
            if !terms.contains(&expr) {
                terms.push(expr);
            }
        }
        Ok(terms)
    }

    /// Reads an `order by`, of a select (whose outputs may be meant) or within an aggregate.
    pub(super) fn read_order(
        &self,
        terms: &[protobuf::Node],
        outputs: Option<&[SelectOutput]>,
        names: &Names<'_>,
    ) -> Read<Vec<Order>> {
        let mut order = Vec::with_capacity(terms.len());
        for term in terms {
            let Some(NodeEnum::SortBy(sort)) = &term.node else { continue };
            let node = required(sort.node.as_deref(), At::new(sort.location))?;
            let found = outputs.map(|outputs| find_output(node, outputs, "ORDER BY")).transpose()?.flatten();
            let expr = match found {
                Some(expr) => expr,
                None => self.settled(self.read(node, names)?)?,
            };
            if matches!(expr.ty().base(), Type::Json) {
                let error = ExprError::new(
                    place_of(node, At::default()),
                    "42883",
                    "could not identify an ordering operator for type json",
                );
                return Err(error.help("Use an explicit ordering operator or modify the query."));
            }
            order.push(direction(sort, expr)?);
        }
        Ok(order)
    }

    pub(super) fn read_limits(&self, stmt: &SelectStmt, names: &Names<'_>) -> Read<(Option<Expr>, Option<Expr>)> {
        if stmt.limit_option() == LimitOption::WithTies {
            return Err(ExprError::unsupported(At::default(), "`fetch first … with ties`", "write `limit`"));
        }
        // No column can be named here, so the level's items are out of sight.
        let outside = Names::within(names.parent);
        outside.place.set(Place::Limit);
        let read = |node: Option<&protobuf::Node>| -> Read<Option<Expr>> {
            let Some(node) = node else { return Ok(None) };
            let expr = self.assign(self.read(node, &outside)?, &Type::Int8, location(node))?;
            // `limit null` and `limit all` are no limit.
            Ok(Some(expr).filter(|expr| !matches!(expr, Expr::Value { value: Value::Null, .. })))
        };
        Ok((read(stmt.limit_count.as_deref())?, read(stmt.limit_offset.as_deref())?))
    }

    pub(super) fn read_with(&self, with: Option<&WithClause>, names: &mut Names<'_>) -> Read<Vec<CommonTable>> {
        let mut tables = Vec::new();
        let Some(with) = with else { return Ok(tables) };
        for node in &with.ctes {
            let Some(NodeEnum::CommonTableExpr(common)) = &node.node else { continue };
            let at = At::word(common.location, common.ctename.len());
            if names.commons.iter().any(|other| other.name == common.ctename) {
                let message = format!("WITH query name \"{}\" specified more than once", common.ctename);
                return Err(ExprError::new(at, "42712", message));
            }
            if common.search_clause.is_some() || common.cycle_clause.is_some() {
                return Err(ExprError::unsupported(at, "`search` or `cycle`", "keep the path in a column of its own"));
            }
            let Some(NodeEnum::SelectStmt(stmt)) = common.ctequery.as_deref().and_then(|node| node.node.as_ref())
            else {
                let instead = "write the insert, update or delete as a statement of its own";
                return Err(ExprError::unsupported(at, "a change of data within `with`", instead));
            };
            let table = if with.recursive && stmt.op() == ParsedOperation::SetopUnion {
                self.read_recursive(common, stmt, names, at)?
            } else {
                self.read_common(common, stmt, names, at)?
            };
            names.commons.push(Common {
                name: table.name.clone(),
                source: table.source,
                columns: columns(&table.select),
            });
            tables.push(table);
        }
        Ok(tables)
    }

    pub(super) fn read_common(
        &self,
        common: &CommonTableExpr,
        stmt: &SelectStmt,
        names: &Names<'_>,
        at: At,
    ) -> Read<CommonTable> {
        let mut select = self.read_select(stmt, Some(names))?;
        rename_outputs(self, &mut select, &strings(&common.aliascolnames), (&common.ctename, at))?;
        Ok(CommonTable { source: self.new_source(), name: common.ctename.clone(), recursive: false, select })
    }
}

/// Gives a common table expression's first outputs the names that its head lists.
pub(super) fn rename_outputs(
    resolver: &Resolver<'_>,
    select: &mut Select,
    aliases: &[&str],
    (name, at): (&str, At),
) -> Read<()> {
    if aliases.is_empty() {
        return Ok(());
    }
    let count = columns(select).len();
    if aliases.len() > count {
        let message =
            format!("WITH query \"{name}\" has {count} columns available but {} columns specified", aliases.len());
        return Err(ExprError::new(at, "42P10", message));
    }
    if !select.values.is_empty() {
        *select = resolver.around(std::mem::take(select));
    }
    for (output, alias) in select.outputs.iter_mut().zip(aliases) {
        (*alias).clone_into(&mut output.name);
    }
    Ok(())
}

fn refuse_clauses(stmt: &SelectStmt) -> Read<()> {
    let at = At::default();
    if stmt.into_clause.is_some() {
        return Err(ExprError::unsupported(at, "`select into`", "create the table, then `insert into … select`"));
    }
    if !stmt.window_clause.is_empty() {
        return Err(ExprError::unsupported(at, "a window", "write a correlated subselect"));
    }
    if !stmt.locking_clause.is_empty() {
        return Err(ExprError::unsupported(
            at,
            "`for update`",
            "leave it out: writes do not run beside each other here",
        ));
    }
    Ok(())
}

/// The parser gives a plain `distinct` as one empty node.
fn is_distinct(stmt: &SelectStmt) -> Read<bool> {
    if stmt.distinct_clause.iter().any(|node| node.node.is_some()) {
        let instead = "write `where not exists (select … where … later …)`, or `group by` with `min` or `max`";
        return Err(ExprError::unsupported(At::default(), "`distinct on`", instead));
    }
    Ok(!stmt.distinct_clause.is_empty())
}

fn direction(sort: &SortBy, expr: Expr) -> Read<Order> {
    let descending = match sort.sortby_dir() {
        SortByDir::SortbyDesc => true,
        SortByDir::SortbyUsing => {
            return Err(ExprError::unsupported(At::new(sort.location), "`order by … using`", "write `asc` or `desc`"));
        }
        SortByDir::SortbyAsc | SortByDir::SortbyDefault | SortByDir::Undefined => false,
    };
    let nulls_first = match sort.sortby_nulls() {
        SortByNulls::SortbyNullsFirst => true,
        SortByNulls::SortbyNullsLast => false,
        SortByNulls::SortbyNullsDefault | SortByNulls::Undefined => descending,
    };
    Ok(Order { expr, descending, nulls_first })
}

fn bare_name(node: &protobuf::Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::ColumnRef(column)) if column.fields.len() == 1 => strings(&column.fields).first().copied(),
        _ => None,
    }
}

/// The output that a bare name or a position in `order by` or `group by` means.
pub(super) fn find_output(node: &protobuf::Node, outputs: &[SelectOutput], clause: &str) -> Read<Option<Expr>> {
    let at = place_of(node, At::default());
    if let Some(name) = bare_name(node) {
        let mut found = outputs.iter().filter(|output| output.name == name).map(|output| &output.expr);
        let first = found.next();
        if found.any(|other| Some(other) != first) {
            return Err(ExprError::new(at, "42702", format!("{clause} \"{name}\" is ambiguous")));
        }
        return Ok(first.cloned());
    }
    let Some(NodeEnum::AConst(constant)) = &node.node else { return Ok(None) };
    let Some(a_const::Val::Ival(position)) = &constant.val else {
        return Err(ExprError::new(at, "42601", format!("non-integer constant in {clause}")));
    };
    let index = usize::try_from(position.ival).ok().and_then(|position| position.checked_sub(1));
    match index.and_then(|index| outputs.get(index)) {
        Some(output) => Ok(Some(output.expr.clone())),
        None => Err(ExprError::new(at, "42P10", format!("{clause} position {} is not in select list", position.ival))),
    }
}

/// A reference that ends in `*`.
fn star(node: &protobuf::Node) -> Option<&protobuf::ColumnRef> {
    match &node.node {
        Some(NodeEnum::ColumnRef(column)) => {
            let last = column.fields.last()?;
            matches!(last.node, Some(NodeEnum::AStar(_))).then_some(column)
        }
        _ => None,
    }
}

/// The name that PostgreSQL gives an output.
fn output_name(target: &ResTarget) -> String {
    if !target.name.is_empty() {
        return target.name.clone();
    }
    let named = target.val.as_deref().and_then(figured_name);
    named.map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}

/// A name for an expression, and whether it is better than that of a type or keyword.
fn figured_name(node: &protobuf::Node) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_owned(), true));
    let weak = |name: &str| Some((name.to_owned(), false));
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(column) => strings(&column.fields).last().and_then(|name| strong(name)),
        NodeEnum::FuncCall(call) => strings(&call.funcname).last().and_then(|name| strong(name)),
        NodeEnum::AExpr(expr) if expr.kind() == protobuf::AExprKind::AexprNullif => strong("nullif"),
        NodeEnum::TypeCast(cast) => {
            let inner = cast.arg.as_deref().and_then(figured_name).filter(|(_, strong)| *strong);
            let of_type = || strings(&cast.type_name.as_ref()?.names).last().and_then(|name| weak(name));
            inner.or_else(of_type)
        }
        NodeEnum::AConst(constant) if matches!(constant.val, Some(a_const::Val::Boolval(_))) => weak("bool"),
        NodeEnum::CollateClause(clause) => clause.arg.as_deref().and_then(figured_name),
        NodeEnum::CaseExpr(case) => {
            let inner = case.defresult.as_deref().and_then(figured_name).filter(|(_, strong)| *strong);
            inner.or_else(|| weak("case"))
        }
        NodeEnum::AArrayExpr(_) => strong("array"),
        NodeEnum::RowExpr(_) => strong("row"),
        NodeEnum::CoalesceExpr(_) => strong("coalesce"),
        NodeEnum::MinMaxExpr(expr) if expr.op() == protobuf::MinMaxOp::IsLeast => strong("least"),
        NodeEnum::MinMaxExpr(_) => strong("greatest"),
        NodeEnum::SqlvalueFunction(function) => strong(sql_value_name(function.op())),
        NodeEnum::AIndirection(indirection) => {
            let field = strings(&indirection.indirection).last().map(|name| ((*name).to_owned(), true));
            field.or_else(|| indirection.arg.as_deref().and_then(figured_name))
        }
        NodeEnum::SubLink(link) => sublink_name(link),
        _ => None,
    }
}

fn sublink_name(link: &protobuf::SubLink) -> Option<(String, bool)> {
    match link.sub_link_type() {
        protobuf::SubLinkType::ExistsSublink => Some(("exists".to_owned(), true)),
        protobuf::SubLinkType::ArraySublink => Some(("array".to_owned(), true)),
        protobuf::SubLinkType::ExprSublink => {
            let Some(NodeEnum::SelectStmt(stmt)) = &link.subselect.as_deref()?.node else { return None };
            let Some(NodeEnum::ResTarget(target)) = &stmt.target_list.first()?.node else { return None };
            if target.name.is_empty() {
                figured_name(target.val.as_deref()?)
            } else {
                Some((target.name.clone(), true))
            }
        }
        _ => None,
    }
}

fn sql_value_name(op: protobuf::SqlValueFunctionOp) -> &'static str {
    use protobuf::SqlValueFunctionOp as Op;
    match op {
        Op::SvfopCurrentDate => "current_date",
        Op::SvfopCurrentTime | Op::SvfopCurrentTimeN => "current_time",
        Op::SvfopCurrentTimestamp | Op::SvfopCurrentTimestampN => "current_timestamp",
        Op::SvfopLocaltime | Op::SvfopLocaltimeN => "localtime",
        Op::SvfopLocaltimestamp | Op::SvfopLocaltimestampN => "localtimestamp",
        Op::SvfopCurrentRole => "current_role",
        Op::SvfopCurrentUser => "current_user",
        Op::SvfopUser => "user",
        Op::SvfopSessionUser => "session_user",
        Op::SvfopCurrentCatalog => "current_catalog",
        Op::SvfopCurrentSchema => "current_schema",
        Op::SqlvalueFunctionOpUndefined => "?column?",
    }
}
