//! `union`, `intersect`, `except`, `values`, and recursive common table expressions.

use pg_query::protobuf::{self, CommonTableExpr, SelectStmt, SetOperation as ParsedOperation, node::Node as NodeEnum};

use crate::expr::{CommonTable, Expr, FromItem, Select, SetOperation, Source, SourceId};
use crate::value::Type;

use super::coerce::{Context, common, same};
use super::names::{Common, Item, Names, Place};
use super::select::{columns, find_output, rename_outputs};
use super::types::strings;
use super::{At, ExprError, Read, Resolver};

impl Resolver<'_> {
    /// `values (…), (…)` as a select.
    pub(super) fn read_values(&self, stmt: &SelectStmt, names: &Names<'_>) -> Read<Select> {
        names.place.set(Place::Values);
        let mut rows: Vec<Vec<Expr>> = Vec::with_capacity(stmt.values_lists.len());
        for list in &stmt.values_lists {
            let Some(NodeEnum::List(list)) = &list.node else { continue };
            let row = list.items.iter().map(|cell| self.read(cell, names)).collect::<Read<Vec<_>>>()?;
            if rows.first().is_some_and(|first| first.len() != row.len()) {
                return Err(ExprError::new(At::default(), "42601", "VALUES lists must all be the same length"));
            }
            rows.push(row);
        }
        if rows.len() > 1 {
            rows = self.unify_columns(rows)?;
        }
        let select = Select { values: rows, ..Select::default() };
        self.ordered(select, stmt, names)
    }

    fn unify_columns(&self, rows: Vec<Vec<Expr>>) -> Read<Vec<Vec<Expr>>> {
        let width = rows.first().map_or(0, Vec::len);
        let mut types = Vec::with_capacity(width);
        for column in 0..width {
            let cells: Vec<Type> = rows.iter().map(|row| row[column].ty()).collect();
            types.push(self.common_type(&cells, "VALUES", At::default())?);
        }
        let convert = |row: Vec<Expr>| -> Read<Vec<Expr>> {
            row.into_iter().zip(&types).map(|(cell, ty)| self.implicit(cell, ty, At::default())).collect()
        };
        rows.into_iter().map(convert).collect()
    }

    /// Order and limits of what has no `from` of its own stand around it.
    fn ordered(&self, select: Select, stmt: &SelectStmt, names: &Names<'_>) -> Read<Select> {
        if stmt.sort_clause.is_empty() {
            let (limit, offset) = self.read_limits(stmt, names)?;
            if limit.is_none() && offset.is_none() {
                return Ok(select);
            }
            return Ok(Select { limit, offset, ..self.around(select) });
        }
        let mut outer = self.around(select);
        for term in &stmt.sort_clause {
            let Some(NodeEnum::SortBy(sort)) = &term.node else { continue };
            let node = super::expressions::required(sort.node.as_deref(), At::new(sort.location))?;
            if find_output(node, &outer.outputs, "ORDER BY")?.is_none() {
                let error = ExprError::new(At::default(), "0A000", "invalid UNION/INTERSECT/EXCEPT ORDER BY clause");
                return Err(
                    error.help("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
                );
            }
        }
        outer.order = self.read_order(&stmt.sort_clause, Some(&outer.outputs), names)?;
        (outer.limit, outer.offset) = self.read_limits(stmt, names)?;
        Ok(outer)
    }

    pub(super) fn read_combined(&self, stmt: &SelectStmt, names: &Names<'_>) -> Read<Select> {
        let combined = self.combine(stmt, names)?;
        self.ordered(combined, stmt, names)
    }

    fn combine(&self, stmt: &SelectStmt, names: &Names<'_>) -> Read<Select> {
        let operation = operation(stmt)?;
        let left = self.read_branch(stmt.larg.as_deref(), names)?;
        let right = self.read_branch(stmt.rarg.as_deref(), names)?;
        let construct = construct(stmt.op());
        let types = self.branch_types(&left, &right, construct)?;
        let left = self.with_types(left, &types, Context::Implicit, At::default())?;
        let right = self.with_types(right, &types, Context::Implicit, At::default())?;
        let mut first = if may_lead(&left) { left } else { self.around(left) };
        let right = if may_follow(&right) { right } else { self.around(right) };
        first.combined.push((operation, right));
        Ok(first)
    }

    fn read_branch(&self, stmt: Option<&SelectStmt>, names: &Names<'_>) -> Read<Select> {
        match stmt {
            Some(stmt) => self.read_unsettled(stmt, Some(names)),
            None => Err(ExprError::unsupported(At::default(), "an incomplete select", "write it out")),
        }
    }

    fn branch_types(&self, left: &Select, right: &Select, construct: &str) -> Read<Vec<Type>> {
        let (left, right) = (columns(left), columns(right));
        if left.len() != right.len() {
            let message = format!("each {construct} query must have the same number of columns");
            return Err(ExprError::new(At::default(), "42601", message));
        }
        let pairs = left.into_iter().zip(right);
        pairs.map(|((_, a), (_, b))| self.common_type(&[a, b], construct, At::default())).collect()
    }

    /// A common table expression that may name itself in its second part.
    pub(super) fn read_recursive(
        &self,
        table: &CommonTableExpr,
        stmt: &SelectStmt,
        names: &Names<'_>,
        at: At,
    ) -> Read<CommonTable> {
        let (Some(start), Some(step)) = (stmt.larg.as_deref(), stmt.rarg.as_deref()) else {
            return self.read_common(table, stmt, names, at);
        };
        let mut inner = Names::within(Some(names));
        let mut with = self.read_with(stmt.with_clause.as_ref(), &mut inner)?;
        let start = self.read_select(start, Some(&inner));
        // A first part that names itself is found when it is read without itself in sight.
        let mut start = start?;
        let start_columns = columns(&start);
        rename_outputs(self, &mut start, &strings(&table.aliascolnames), (&table.ctename, at))?;
        let source = self.new_source();
        inner.commons.push(Common { name: table.ctename.clone(), source, columns: columns(&start) });
        let step = self.read_unsettled(step, Some(&inner))?;
        if !names_common(&step, source) {
            return self.read_common(table, stmt, names, at);
        }
        let types: Vec<Type> = start_columns.into_iter().map(|(_, ty)| ty).collect();
        let step = self.recursive_types(step, &types, &table.ctename, at)?;
        let mut select = if may_lead(&start) { start } else { self.around(start) };
        select.combined.push((operation(stmt)?, if may_follow(&step) { step } else { self.around(step) }));
        with.append(&mut select.with);
        select.with = with;
        if !stmt.sort_clause.is_empty() || stmt.limit_count.is_some() || stmt.limit_offset.is_some() {
            let instead = "write the order and limit where the expression is used";
            return Err(ExprError::unsupported(at, "an order or limit in a recursive `with`", instead));
        }
        Ok(CommonTable { source, name: table.ctename.clone(), recursive: true, select })
    }

    fn recursive_types(&self, step: Select, types: &[Type], name: &str, at: At) -> Read<Select> {
        let have = columns(&step);
        if have.len() != types.len() {
            return Err(ExprError::new(at, "42601", "each UNION query must have the same number of columns"));
        }
        for ((wanted, (_, have)), number) in types.iter().zip(&have).zip(1..) {
            let overall = common(&[wanted.clone(), have.clone()]);
            if !overall.as_ref().is_ok_and(|overall| same(overall, wanted)) {
                let overall = overall.map_or_else(|_| have.sql_name(), |ty| ty.sql_name());
                let message = format!(
                    "recursive query \"{name}\" column {number} has type {} in non-recursive term but type {overall} overall",
                    wanted.sql_name()
                );
                let error = ExprError::new(at, "42804", message);
                return Err(error.help("Cast the output of the non-recursive term to the correct type."));
            }
        }
        self.with_types(step, types, Context::Implicit, at)
    }

    /// A common table expression as something to select from.
    pub(super) fn common_source(&self, common: &Common, alias: &str) -> (FromItem, Item) {
        let id = self.new_source();
        let item = Item::of_outputs(alias, id, &common.columns);
        (FromItem::Source { id, source: Source::Common(common.source) }, item)
    }
}

/// Whether a select can stand first in a combination as it is.
fn may_lead(select: &Select) -> bool {
    select.order.is_empty() && select.limit.is_none() && select.offset.is_none() && select.with.is_empty()
}

fn may_follow(select: &Select) -> bool {
    may_lead(select) && select.combined.is_empty()
}

fn operation(stmt: &SelectStmt) -> Read<SetOperation> {
    match (stmt.op(), stmt.all) {
        (ParsedOperation::SetopUnion, false) => Ok(SetOperation::Union),
        (ParsedOperation::SetopUnion, true) => Ok(SetOperation::UnionAll),
        (ParsedOperation::SetopIntersect, false) => Ok(SetOperation::Intersect),
        (ParsedOperation::SetopExcept, false) => Ok(SetOperation::Except),
        (op, _) => {
            let what = format!("`{} all`", construct(op).to_lowercase());
            Err(ExprError::unsupported(At::default(), what, "write it without `all`"))
        }
    }
}

fn construct(op: ParsedOperation) -> &'static str {
    match op {
        ParsedOperation::SetopIntersect => "INTERSECT",
        ParsedOperation::SetopExcept => "EXCEPT",
        ParsedOperation::SetopUnion | ParsedOperation::SetopNone | ParsedOperation::Undefined => "UNION",
    }
}

/// Whether a select reads from the common table expression, anywhere.
fn names_common(select: &Select, source: SourceId) -> bool {
    let mut found = false;
    let mut copy = select.clone();
    copy.for_each_source_mut(&mut |id, _| found |= *id == source);
    select.for_each_expr(&mut |expr| {
        expr.walk(&mut |part| {
            if let Expr::Exists { select, .. } | Expr::Scalar { select, .. } | Expr::InSelect { select, .. } = part {
                found |= names_common(select, source);
            }
        });
    });
    found
}

/// Whether a statement is a plain select without anything around its outputs.
pub(super) fn single_target(stmt: &SelectStmt) -> Option<&protobuf::ResTarget> {
    let bare = stmt.from_clause.is_empty()
        && stmt.where_clause.is_none()
        && stmt.group_clause.is_empty()
        && stmt.having_clause.is_none()
        && stmt.sort_clause.is_empty()
        && stmt.limit_count.is_none()
        && stmt.limit_offset.is_none();
    match stmt.target_list.as_slice() {
        [target] if bare => match &target.node {
            Some(NodeEnum::ResTarget(target)) => Some(target),
            _ => None,
        },
        _ => None,
    }
}
