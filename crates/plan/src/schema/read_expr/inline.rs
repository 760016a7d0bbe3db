//! Calls of the schema's own `language sql` functions: the body takes the call's place.

use std::collections::BTreeMap;

use crate::expr::{Expr, FromItem, Select, SessionValue, Source, SourceId};
use crate::schema::Function;
use crate::value::{Type, Value};

use super::coerce::{Context, cast_context};
use super::select::columns;
use super::{At, ExprError, Read, Resolver};

impl Resolver<'_> {
    /// What a call with these arguments, in the function's order, gives.
    pub(super) fn inline(&self, function: &Function, args: Vec<Expr>, at: At) -> Read<Expr> {
        if self.is_step_call(function) {
            return self.step_value(function, args, at);
        }
        if function.returns_set {
            let what = format!("`{}`, which gives rows,", function.name);
            return Err(ExprError::unsupported(at, what, format!("write `in (select * from {}(…))`", function.name)));
        }
        if matches!(function.returns, Type::Other(_)) {
            let what = format!("`{}`, which gives a whole row,", function.name);
            return Err(ExprError::unsupported(at, what, "write a function that gives one value"));
        }
        let strict = function.strict.then(|| args.clone());
        let body = self.body_of(function, args, at)?;
        let result = if is_plain(&body) {
            body.outputs.into_iter().next().map_or(Expr::boolean(false), |output| output.expr)
        } else {
            Expr::Scalar { select: Box::new(body), ty: function.returns.clone() }
        };
        Ok(match strict {
            Some(args) if !args.is_empty() => unless_null(args, result),
            _ => result,
        })
    }

    /// The body with the arguments in their places.
    pub(super) fn body_of(&self, function: &Function, args: Vec<Expr>, at: At) -> Read<Select> {
        let Some(body) = &function.body else { return Err(no_body(function, at)) };
        self.inlined.borrow_mut().insert((function.schema.clone(), function.signature()));
        let mut body = body.clone();
        let mut fresh = BTreeMap::from([(SourceId::ROW, SourceId::ROW)]);
        body.rename_sources(&mut |id| *fresh.entry(id).or_insert_with(|| self.new_source()));
        if function.security_definer {
            as_owner(&mut body);
            if asks_for_user(&body) {
                let what = format!("`current_user` in `{}`, which is `security definer`,", function.name);
                return Err(ExprError::unsupported(at, what, "write `auth.role()`"));
            }
        }
        let mut converted = Vec::with_capacity(args.len());
        for (arg, declared) in args.into_iter().zip(&function.args) {
            converted.push(self.implicit(arg, &declared.ty, at)?);
        }
        body.for_each_expr_mut(&mut |expr| substitute(expr, &converted));
        Ok(body)
    }

    /// A function's body, converted to what the function says it returns.
    pub(super) fn returning(&self, select: Select, returns: &Type) -> Read<Select> {
        if matches!(returns, Type::Other(_)) {
            return Ok(select);
        }
        let outputs = columns(&select);
        let [(_, ty)] = outputs.as_slice() else {
            let message = format!("return type mismatch in function declared to return {}", returns.sql_name());
            let error = ExprError::new(At::default(), "42P13", message);
            return Err(error.help("Final statement must return exactly one column."));
        };
        let mismatch = |_| {
            let message = format!("return type mismatch in function declared to return {}", returns.sql_name());
            let error = ExprError::new(At::default(), "42P13", message);
            error.help(format!("Actual return type is {}.", ty.sql_name()))
        };
        let select = if select.values.is_empty() { select } else { self.around(select) };
        self.with_types(select, std::slice::from_ref(returns), Context::Assignment, At::default()).map_err(mismatch)
    }
}

impl Resolver<'_> {
    /// A function's body, converted to the columns of the rows that it returns.
    pub(super) fn returning_rows(&self, select: Select, returns: &Type, row: &[(String, Type)]) -> Read<Select> {
        let message = || format!("return type mismatch in function declared to return {}", returned_name(returns));
        let mismatch = |help: String| ExprError::new(At::default(), "42P13", message()).help(help);
        let outputs = columns(&select);
        if outputs.len() != row.len() {
            let much = if outputs.len() < row.len() { "few" } else { "many" };
            return Err(mismatch(format!("Final statement returns too {much} columns.")));
        }
        let wrong = outputs.iter().zip(row).zip(1..).find(|(((_, have), (_, wanted)), _)| {
            cast_context(have, wanted).is_none_or(|least| least > Context::Assignment)
        });
        if let Some((((_, have), (_, wanted)), number)) = wrong {
            let (have, wanted) = (have.sql_name(), wanted.sql_name());
            return Err(mismatch(format!("Final statement returns {have} instead of {wanted} at column {number}.")));
        }
        let types: Vec<Type> = row.iter().map(|(_, ty)| ty.clone()).collect();
        let select = if select.values.is_empty() { select } else { self.around(select) };
        let mut select = self.with_types(select, &types, Context::Assignment, At::default())?;
        for (output, (name, _)) in select.outputs.iter_mut().zip(row) {
            output.name.clone_from(name);
        }
        Ok(select)
    }
}

/// A row's type is called like its relation.
fn returned_name(returns: &Type) -> String {
    match returns {
        Type::Other(name) => name.strip_prefix("public.").unwrap_or(name).to_owned(),
        other => other.sql_name(),
    }
}

fn no_body(function: &Function, at: At) -> ExprError {
    if function.language == "sql" {
        let what = format!("the function `{}`, which is more than one select,", function.name);
        return ExprError::unsupported(at, what, "write its body as a single select");
    }
    let what = format!("the function `{}`, which is written in {},", function.name, function.language);
    ExprError::unsupported(at, what, "write it in `language sql`, as a single select")
}

/// Whether a body is one expression and nothing else.
pub(crate) fn is_plain(body: &Select) -> bool {
    let mut aggregated = false;
    for output in &body.outputs {
        output.expr.walk(&mut |expr| aggregated |= matches!(expr, Expr::Aggregate(_)));
    }
    body.outputs.len() == 1
        && !aggregated
        && body.with.is_empty()
        && body.from.is_empty()
        && body.condition.is_none()
        && body.group_by.is_empty()
        && body.having.is_none()
        && body.combined.is_empty()
        && body.limit.is_none()
        && body.offset.is_none()
}

/// A strict function is not called with a null.
fn unless_null(args: Vec<Expr>, result: Expr) -> Expr {
    let ty = result.ty();
    let missing = args.into_iter().map(|arg| Expr::IsNull { expr: Box::new(arg), negated: false }).collect();
    Expr::Case {
        operand: None,
        whens: vec![(Expr::any(missing), Expr::value(Value::Null, ty.clone()))],
        otherwise: Some(Box::new(result)),
        ty,
    }
}

/// Puts the arguments in their places in a body.
pub(crate) fn substitute(expr: &mut Expr, args: &[Expr]) {
    match expr {
        Expr::Output { source: SourceId::ROW, index, .. } => {
            let position = usize::try_from(*index).unwrap_or(usize::MAX);
            if let Some(arg) = args.get(position) {
                *expr = arg.clone();
            }
        }
        other => other.for_each_child_mut(&mut |child| substitute(child, args)),
    }
}

/// Marks each relation of a body as read with its owner's rights.
fn as_owner(select: &mut Select) {
    for common in &mut select.with {
        as_owner(&mut common.select);
    }
    for item in &mut select.from {
        item_as_owner(item);
    }
    for (_, combined) in &mut select.combined {
        as_owner(combined);
    }
    select.for_each_own_expr_mut(&mut expr_as_owner);
}

fn item_as_owner(item: &mut FromItem) {
    match item {
        FromItem::Source { source, .. } => match source {
            Source::Relation(relation) => *source = Source::OwnerRelation(*relation),
            Source::Select(select) => as_owner(select),
            Source::OwnerRelation(_)
            | Source::Filtered { .. }
            | Source::View { .. }
            | Source::Called { .. }
            | Source::Common(_) => {}
        },
        FromItem::Join { left, right, .. } => {
            item_as_owner(left);
            item_as_owner(right);
        }
    }
}

fn expr_as_owner(expr: &mut Expr) {
    match expr {
        Expr::Exists { select, .. } | Expr::Scalar { select, .. } => as_owner(select),
        Expr::InSelect { expr, select, .. } => {
            expr_as_owner(expr);
            as_owner(select);
        }
        other => other.for_each_child_mut(&mut expr_as_owner),
    }
}

fn asks_for_user(body: &Select) -> bool {
    let mut found = false;
    body.for_each_expr(&mut |expr| {
        expr.walk(&mut |expr| found |= matches!(expr, Expr::Session(SessionValue::User)));
    });
    found
}
