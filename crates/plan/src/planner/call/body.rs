//! What a function's answer is where the planner knows its body: its select with the arguments in their places,
//! secured for whoever it runs as.

use std::collections::HashMap;

use super::arguments::Given;
use crate::error::{DatabaseError, PlanError};
use crate::expr::{Expr, FromItem, JoinKind, Select, SelectOutput, SessionValue, Source, SourceId};
use crate::planner::Planner;
use crate::schema::read_expr::substitute;
use crate::schema::{Function, FunctionResult, Relation};
use crate::value::{Type, Value};

impl Planner<'_> {
    /// The rows that `function` gives for these arguments, as columns of [`Function::row`].
    pub(super) fn answer_of(&self, function: &Function, given: Given) -> Result<Select, PlanError> {
        let row = self.schema.relation(function.row);
        let mut arguments = Vec::with_capacity(given.len());
        for (arg, given) in function.args.iter().zip(given) {
            let null = || Expr::value(Value::Null, arg.ty.clone());
            arguments.push(given.or_else(|| arg.default.clone()).unwrap_or_else(null));
        }
        let is_null = |arg: &Expr| matches!(arg, Expr::Value { value: Value::Null, .. });
        if function.strict && arguments.iter().any(is_null) {
            let none = Select { condition: Some(Expr::boolean(false)), ..nulls(row) };
            return Ok(if function.returns_set { none } else { nulls(row) });
        }
        let body = self.secured_body(function, &arguments, SourceId::ROW)?;
        let mut body = self.with_columns(body, function, row)?;
        if let Some(checks) = domain_checks(&arguments) {
            body.condition = Expr::all([checks].into_iter().chain(body.condition.take()).collect());
        }
        Ok(if function.returns_set { body } else { self.one_row(body, row) })
    }

    /// `row` is the row that it is about, where its one argument is a row.
    pub(super) fn secured_body(
        &self,
        function: &Function,
        arguments: &[Expr],
        row: SourceId,
    ) -> Result<Select, PlanError> {
        let Some(mut body) = function.body.clone() else {
            return Err(PlanError::Unsupported {
                what: format!("the function '{}'", function.signature()),
                engine: "this engine",
                instead: Some("Write it as one select, in 'language sql'.".into()),
            });
        };
        let mut renamed = HashMap::from([(SourceId::ROW, row)]);
        body.rename_sources(&mut |id| *renamed.entry(id).or_insert_with(|| self.new_source()));
        if function.security_definer {
            body.for_each_expr_mut(&mut |expr| as_user(expr, &function.owner));
        }
        body.for_each_expr_mut(&mut |expr| substitute(expr, arguments));
        if !function.security_definer {
            self.need_select(&body);
            self.secure_select(&mut body, &mut Vec::new())?;
            return Ok(body);
        }
        let owner = self.for_owner(&function.owner);
        owner.need_select(&body);
        owner.secure_select(&mut body, &mut Vec::new())?;
        owner.authorize()?;
        self.next_source.set(owner.next_source.get());
        Ok(body)
    }

    /// The body with its outputs called like the columns.
    pub(super) fn with_columns(
        &self,
        mut body: Select,
        function: &Function,
        row: &Relation,
    ) -> Result<Select, PlanError> {
        if function.result == FunctionResult::Nothing {
            // It is run for nothing but its being run.
            body.outputs = nulls(row).outputs;
            return Ok(body);
        }
        if !body.values.is_empty() || !body.combined.is_empty() || body.distinct {
            let source = self.new_source();
            let types: Vec<Type> = match body.values.first() {
                Some(first) => first.iter().map(Expr::ty).collect(),
                None => body.outputs.iter().map(|output| output.expr.ty()).collect(),
            };
            let output = |(ty, index): (Type, u32)| SelectOutput {
                name: String::new(),
                expr: Expr::Output { source, index, ty },
            };
            body = Select {
                outputs: types.into_iter().zip(0..).map(output).collect(),
                from: vec![FromItem::Source { id: source, source: Source::Select(Box::new(body)) }],
                ..Select::default()
            };
        }
        if body.outputs.len() != row.columns.len() {
            let message =
                format!("return type mismatch in function declared to return {}", function.returns.sql_name());
            let fewer = body.outputs.len() < row.columns.len();
            let details = format!("Final statement returns too {} columns.", if fewer { "few" } else { "many" });
            return Err(DatabaseError::new("42P13", message).details(details).into());
        }
        for (output, column) in body.outputs.iter_mut().zip(&row.columns) {
            output.name.clone_from(&column.name);
        }
        Ok(body)
    }

    /// Exactly one row: the first of `body`, or nulls.
    fn one_row(&self, mut body: Select, row: &Relation) -> Select {
        if body.from.is_empty() && body.condition.is_none() && body.limit.is_none() && body.offset.is_none() {
            return body;
        }
        body.limit = Some(Expr::value(Value::Int(1), Type::Int8));
        let (one, found) = (self.new_source(), self.new_source());
        let output = |(column, index): (&crate::schema::Column, u32)| SelectOutput {
            name: column.name.clone(),
            expr: Expr::Output { source: found, index, ty: column.ty.clone() },
        };
        let only = Select {
            outputs: vec![SelectOutput { name: "one".into(), expr: Expr::value(Value::Int(1), Type::Int4) }],
            ..Select::default()
        };
        let source = |id, select| Box::new(FromItem::Source { id, source: Source::Select(Box::new(select)) });
        Select {
            outputs: row.columns.iter().zip(0..).map(output).collect(),
            from: vec![FromItem::Join {
                kind: JoinKind::Left,
                left: source(one, only),
                right: source(found, body),
                on: Some(Expr::boolean(true)),
            }],
            ..Select::default()
        }
    }
}

/// Asks the domains of the arguments, once and whether or not there are rows; it is always true.
fn domain_checks(arguments: &[Expr]) -> Option<Expr> {
    let of_domains = arguments.iter().filter(|argument| matches!(argument.ty(), Type::Domain(_)));
    let check = |argument: &Expr| Expr::IsDistinct {
        left: Box::new(Expr::Cast { expr: Box::new(argument.clone()), ty: argument.ty() }),
        right: Box::new(argument.clone()),
        negated: true,
    };
    Expr::all(of_domains.map(check).collect())
}

/// One row of nulls.
fn nulls(row: &Relation) -> Select {
    let null = |column: &crate::schema::Column| SelectOutput {
        name: column.name.clone(),
        expr: Expr::value(Value::Null, column.ty.clone()),
    };
    Select { outputs: row.columns.iter().map(null).collect(), ..Select::default() }
}

/// `current_user` within a `security definer` function is its owner.
fn as_user(expr: &mut Expr, owner: &str) {
    match expr {
        Expr::Session(SessionValue::User) => *expr = Expr::value(Value::text(owner), Type::Text),
        other => other.for_each_child_mut(&mut |child| as_user(child, owner)),
    }
}
