//! Selects within expressions: `exists`, `in`, `any`, `all`, one value, an array.

use pg_query::protobuf::{self, SelectStmt, SubLink, SubLinkType, node::Node as NodeEnum};

use crate::expr::{Aggregate, Expr, FromItem, Select, SelectOutput, Source};
use crate::value::{Type, Value};

use super::coerce::{Context, stays};
use super::expressions::required;
use super::names::Names;
use super::select::columns;
use super::types::strings;
use super::{At, ExprError, Read, Resolver};

impl Resolver<'_> {
    pub(super) fn read_sublink(&self, link: &SubLink, names: &Names<'_>) -> Read<Expr> {
        let at = At::new(link.location);
        let Some(NodeEnum::SelectStmt(stmt)) = link.subselect.as_deref().and_then(|node| node.node.as_ref()) else {
            return Err(ExprError::unsupported(at, "this subselect", "write a select"));
        };
        match link.sub_link_type() {
            SubLinkType::ExistsSublink => {
                let select = Box::new(self.read_select(stmt, Some(names))?);
                Ok(Expr::Exists { select, negated: false })
            }
            SubLinkType::AnySublink | SubLinkType::AllSublink => self.compared_select(link, stmt, names),
            SubLinkType::ExprSublink => {
                let (select, ty) = self.single_column(stmt, names, "subquery must return only one column", at)?;
                Ok(Expr::Scalar { select: Box::new(select), ty })
            }
            SubLinkType::ArraySublink => {
                let (select, ty) = self.single_column(stmt, names, "subquery must return only one column", at)?;
                Ok(self.array_of(select, ty))
            }
            _ => Err(ExprError::unsupported(at, "this subselect", "write `exists (select …)`")),
        }
    }

    fn single_column(&self, stmt: &SelectStmt, names: &Names<'_>, message: &str, at: At) -> Read<(Select, Type)> {
        let select = self.read_select(stmt, Some(names))?;
        match columns(&select).as_slice() {
            [(_, ty)] => {
                let ty = ty.clone();
                Ok((select, ty))
            }
            _ => Err(ExprError::new(at, "42601", message)),
        }
    }

    /// `x in (select …)`, `x = any (select …)`, `x <> all (select …)`.
    fn compared_select(&self, link: &SubLink, stmt: &SelectStmt, names: &Names<'_>) -> Read<Expr> {
        let at = At::new(link.location);
        let all = link.sub_link_type() == SubLinkType::AllSublink;
        let operator = strings(&link.oper_name).last().copied().unwrap_or("=");
        let negated = match (operator, all) {
            ("=", false) => false,
            ("<>" | "!=", true) => true,
            _ => {
                let what = format!("`{operator} {} (select …)`", if all { "all" } else { "any" });
                return Err(ExprError::unsupported(at, what, "write `exists (select … where …)`"));
            }
        };
        let test = required(link.testexpr.as_deref(), at)?;
        if matches!(test.node, Some(NodeEnum::RowExpr(_))) {
            let instead = "write `exists (select … where a = … and b = …)`";
            return Err(ExprError::unsupported(at, "`(a, b) in (select …)`", instead));
        }
        let left = self.read(test, names)?;
        if let Some(array) = unnested(stmt) {
            let array = self.read(array, names)?;
            return self.in_array(left, array, negated, at);
        }
        let (select, ty) = self.single_column(stmt, names, "subquery has too many columns", at)?;
        let probe = Expr::Value { value: Value::Null, ty };
        let (left, probe) = self.comparable(left, probe, at)?;
        let select = self.with_types(select, &[probe.ty()], Context::Implicit, at)?;
        Ok(Expr::InSelect { expr: Box::new(left), select: Box::new(select), negated })
    }

    /// `x in (select unnest(array))` is `x = any (array)`.
    fn in_array(&self, left: Expr, array: Expr, negated: bool, at: At) -> Read<Expr> {
        let Type::Array(item) = array.ty().base().clone() else {
            return Err(ExprError::new(
                at,
                "42883",
                format!("function unnest({}) does not exist", array.ty().sql_name()),
            ));
        };
        let (left, probe) = self.comparable(left, Expr::Value { value: Value::Null, ty: *item }, at)?;
        let array = self.implicit(array, &Type::Array(Box::new(probe.ty())), at)?;
        let operator = if negated { "<>" } else { "=" };
        Ok(Expr::Quantified { left: Box::new(left), operator: operator.into(), all: negated, array: Box::new(array) })
    }

    /// `array (select …)`: an aggregate over the select, empty when it has no rows.
    fn array_of(&self, select: Select, item: Type) -> Expr {
        let id = self.new_source();
        let ty = Type::Array(Box::new(item.clone()));
        let aggregate = Aggregate {
            function: "array_agg".into(),
            args: vec![Expr::Output { source: id, index: 0, ty: item }],
            distinct: false,
            filter: None,
            order: Vec::new(),
            ty: ty.clone(),
        };
        let collected = Select {
            outputs: vec![SelectOutput { name: "array".into(), expr: Expr::Aggregate(Box::new(aggregate)) }],
            from: vec![FromItem::Source { id, source: Source::Select(Box::new(select)) }],
            ..Select::default()
        };
        let scalar = Expr::Scalar { select: Box::new(collected), ty: ty.clone() };
        Expr::call("coalesce", vec![scalar, Expr::Array { items: Vec::new(), ty: ty.clone() }], ty)
    }

    /// The select with its outputs converted to `types`.
    pub(super) fn with_types(&self, mut select: Select, types: &[Type], context: Context, at: At) -> Read<Select> {
        let have = columns(&select);
        if have.iter().zip(types).all(|((_, have), wanted)| have == wanted) {
            return Ok(select);
        }
        if !select.values.is_empty() {
            for row in &mut select.values {
                for (cell, ty) in row.iter_mut().zip(types) {
                    *cell = self.convert(cell.clone(), ty, context, at)?;
                }
            }
            return Ok(select);
        }
        if select.combined.is_empty() && !select.distinct {
            for (output, ty) in select.outputs.iter_mut().zip(types) {
                output.expr = self.convert(output.expr.clone(), ty, context, at)?;
            }
            return Ok(select);
        }
        if have.iter().zip(types).all(|((_, have), wanted)| stays(have.base(), wanted, context)) {
            return Ok(select);
        }
        let mut outer = self.around(select);
        for (output, ty) in outer.outputs.iter_mut().zip(types) {
            output.expr = self.convert(output.expr.clone(), ty, context, at)?;
        }
        Ok(outer)
    }

    /// `select * from (select)`.
    pub(super) fn around(&self, select: Select) -> Select {
        let id = self.new_source();
        let outputs = columns(&select)
            .into_iter()
            .zip(0..)
            .map(|((name, ty), index)| SelectOutput { name, expr: Expr::Output { source: id, index, ty } });
        Select {
            outputs: outputs.collect(),
            from: vec![FromItem::Source { id, source: Source::Select(Box::new(select)) }],
            ..Select::default()
        }
    }
}

/// The array of a bare `select unnest(array)`.
fn unnested(stmt: &SelectStmt) -> Option<&protobuf::Node> {
    if !stmt.from_clause.is_empty() || stmt.where_clause.is_some() || stmt.op() != protobuf::SetOperation::SetopNone {
        return None;
    }
    let [target] = stmt.target_list.as_slice() else { return None };
    let Some(NodeEnum::ResTarget(target)) = &target.node else { return None };
    let Some(NodeEnum::FuncCall(call)) = target.val.as_deref().and_then(|node| node.node.as_ref()) else {
        return None;
    };
    (strings(&call.funcname).last() == Some(&"unnest") && call.args.len() == 1).then(|| &call.args[0])
}
