//! Calls, within a body, of functions that nothing stands for: they are made before the expression or statement that
//! they are part of. So they may stand only where PostgreSQL would make them exactly once.

use std::sync::Arc;

use crate::expr::{Expr, FromItem, Select, SelectOutput, Source, SourceId, Statement};
use crate::schema::{Function, FunctionResult};

use super::names::Item;
use super::{At, ExprError, Read, Resolver};

/// A call that was found. What it gives is [`SourceId::CALLS`] to what is around it, by its place among the calls.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundCall {
    /// Its place among the schema's functions.
    pub function: usize,
    pub arguments: Vec<Expr>,
    name: String,
    at: At,
}

impl Resolver<'_> {
    /// The calls of what was just read; each must be made exactly once.
    ///
    /// # Errors
    /// When one stands under a condition, or would be made for each row.
    pub fn calls_of(&self, statement: &Statement) -> Result<Vec<FoundCall>, ExprError> {
        let Some(calls) = &self.calls else { return Ok(Vec::new()) };
        let calls = calls.take();
        let mut made_once = vec![false; calls.len()];
        let note = &mut |index: u32| {
            if let Some(made) = usize::try_from(index).ok().and_then(|index| made_once.get_mut(index)) {
                *made = true;
            }
        };
        calls.iter().flat_map(|call| &call.arguments).for_each(|argument| once_in_expr(argument, note));
        match statement {
            Statement::Select(select) => once_in_select(select, note),
            Statement::Insert { rows, .. } => rows.iter().for_each(|rows| once_in_select(rows, note)),
            Statement::Update { from, .. } | Statement::Delete { using: from, .. } => {
                from.iter().for_each(|item| once_in_from(item, note));
            }
        }
        match calls.iter().zip(made_once).find(|(_, made)| !made) {
            None => Ok(calls),
            Some((call, _)) => {
                let what = format!("a call of `{}` under a condition, or for each row,", call.name);
                let instead = "assign it to a variable before, write `if`, or loop over the rows";
                Err(ExprError::unsupported(call.at, what, instead))
            }
        }
    }

    /// As [`Self::calls_of`], of one expression.
    ///
    /// # Errors
    /// As [`Self::calls_of`].
    pub fn calls_of_expr(&self, expr: &Expr) -> Result<Vec<FoundCall>, ExprError> {
        let outputs = vec![SelectOutput { name: String::new(), expr: expr.clone() }];
        self.calls_of(&Statement::Select(Select { outputs, ..Select::default() }))
    }

    /// Whether a function can only be called, and may be here.
    pub(super) fn is_step_call(&self, function: &Function) -> bool {
        self.calls.is_some() && function.body.is_none() && function.procedure.is_some()
    }

    /// The one value that a function gives.
    pub(super) fn step_value(&self, function: &Function, args: Vec<Expr>, at: At) -> Read<Expr> {
        if function.returns_set || function.result != FunctionResult::Value {
            let what = format!("`{}`, which gives rows or nothing, as a value", function.name);
            return Err(ExprError::unsupported(at, what, format!("write `select * from {}(…)`", function.name)));
        }
        let index = self.add_step_call(function, args, at)?;
        Ok(Expr::Output { source: SourceId::CALLS, index, ty: function.returns.clone() })
    }

    /// The rows that a function gives, as a select.
    pub(super) fn step_rows(&self, function: &Function, args: Vec<Expr>, at: At) -> Read<Select> {
        let index = self.add_step_call(function, args, at)?;
        let relation = self.schema.relation(function.row);
        let id = self.new_source();
        let call = Box::new(Expr::Output { source: SourceId::CALLS, index, ty: function.returns.clone() });
        let columns = Item::of_relation(relation, id).columns.into_iter();
        let is_row = function.result == FunctionResult::Row;
        let name = |column: String| if is_row { column } else { function.name.clone() };
        Ok(Select {
            outputs: columns.map(|column| SelectOutput { name: name(column.name), expr: column.expr }).collect(),
            from: vec![FromItem::Source { id, source: Source::Called { relation: function.row, call } }],
            ..Select::default()
        })
    }

    /// Whether a function of this name can only be called.
    pub(super) fn may_be_step_call(&self, schema: Option<&str>, name: &str) -> bool {
        self.own_functions(schema, name).into_iter().any(|function| self.is_step_call(function))
    }

    fn add_step_call(&self, function: &Function, args: Vec<Expr>, at: At) -> Read<u32> {
        let mut arguments = Vec::with_capacity(args.len());
        for (arg, declared) in args.into_iter().zip(&function.args) {
            let arg = self.implicit(arg, &declared.ty, at)?;
            if reads_rows(&arg) {
                let what = format!("a call of `{}` with what a query reads", function.name);
                let instead = "select it into a variable before, or loop over the rows";
                return Err(ExprError::unsupported(at, what, instead));
            }
            arguments.push(arg);
        }
        let is_meant = |known: &Arc<Function>| {
            known.schema == function.schema && known.name == function.name && known.args == function.args
        };
        let place = self.schema.functions.iter().position(is_meant);
        let (Some(place), Some(calls)) = (place, &self.calls) else {
            return Err(ExprError::new(at, "42883", format!("function {} does not exist", function.name)));
        };
        let mut calls = calls.borrow_mut();
        calls.push(FoundCall { function: place, arguments, name: function.name.clone(), at });
        Ok(u32::try_from(calls.len() - 1).unwrap_or(u32::MAX))
    }
}

/// Whether an argument hangs on anything but variables and calls before.
fn reads_rows(arg: &Expr) -> bool {
    let mut found = false;
    arg.walk(&mut |part| match part {
        Expr::Column { source, .. } => found |= *source != SourceId::NEW && *source != SourceId::OLD,
        Expr::Output { source, .. } => found |= *source != SourceId::VARIABLES && *source != SourceId::CALLS,
        _ => {}
    });
    found
}

/// Notes the calls in an expression that is computed exactly once.
fn once_in_expr(expr: &Expr, note: &mut dyn FnMut(u32)) {
    match expr {
        Expr::Output { source: SourceId::CALLS, index, .. } => note(*index),
        Expr::Case { operand, .. } => operand.iter().for_each(|operand| once_in_expr(operand, note)),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().take(1).for_each(|part| once_in_expr(part, note)),
        Expr::Call { function, args, .. } if &**function == "coalesce" => {
            args.iter().take(1).for_each(|arg| once_in_expr(arg, note));
        }
        Expr::Scalar { select, .. } | Expr::Exists { select, .. } => once_in_select(select, note),
        Expr::InSelect { expr, select, .. } => {
            once_in_expr(expr, note);
            once_in_select(select, note);
        }
        Expr::Aggregate(_) => {}
        other => other.for_each_child(&mut |child| once_in_expr(child, note)),
    }
}

fn once_in_select(select: &Select, note: &mut dyn FnMut(u32)) {
    select.from.iter().for_each(|item| once_in_from(item, note));
    let is_one_row = select.from.is_empty() && select.condition.is_none() && select.group_by.is_empty();
    if is_one_row && select.limit.is_none() && select.offset.is_none() {
        select.outputs.iter().for_each(|output| once_in_expr(&output.expr, note));
    }
    select.values.iter().flatten().for_each(|cell| once_in_expr(cell, note));
    select.combined.iter().for_each(|(_, select)| once_in_select(select, note));
}

fn once_in_from(item: &FromItem, note: &mut dyn FnMut(u32)) {
    match item {
        FromItem::Source { source: Source::Called { call, .. }, .. } => once_in_expr(call, note),
        FromItem::Source { source: Source::Select(select) | Source::View { select, .. }, .. } => {
            once_in_select(select, note);
        }
        FromItem::Source {
            source: Source::Relation(_) | Source::OwnerRelation(_) | Source::Filtered { .. } | Source::Common(_),
            ..
        } => {}
        FromItem::Join { left, right, .. } => {
            once_in_from(left, note);
            once_in_from(right, note);
        }
    }
}
