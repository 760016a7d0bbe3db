//! One expression, node by node. What a node refers to is found in `names`, what it becomes in `coerce`,
//! `operators` and `calls`.

use pg_query::protobuf::{
    self, AConst, AIndirection, BoolExpr, BoolExprType, BoolTestType, BooleanTest, CaseExpr, CollateClause, ColumnRef,
    MinMaxExpr, MinMaxOp, NullTest, NullTestType, SqlValueFunction, SqlValueFunctionOp, TypeCast, a_const,
    node::Node as NodeEnum,
};

use crate::expr::{Expr, SessionValue, SourceId};
use crate::procedure::BuiltIn;
use crate::value::{self, Type, Value};

use super::coerce::{Context, common};
use super::names::{Item, Names};
use super::operators::place_of;
use super::types::{sizes, strings};
use super::{At, ExprError, Read, Resolver};

impl Resolver<'_> {
    pub(super) fn read(&self, node: &protobuf::Node, names: &Names<'_>) -> Read<Expr> {
        let Some(inner) = &node.node else {
            return Err(ExprError::unsupported(At::default(), "an empty expression", "write an expression"));
        };
        match inner {
            NodeEnum::AConst(constant) => self.read_constant(constant),
            NodeEnum::ColumnRef(column) => self.read_column(column, names),
            NodeEnum::ParamRef(param) => {
                let at = At::new(param.location);
                let message = || ExprError::new(at, "42P02", format!("there is no parameter ${}", param.number));
                names.arg_numbered(param.number).ok_or_else(message)
            }
            NodeEnum::TypeCast(cast) => self.read_cast(cast, names),
            NodeEnum::AExpr(expr) => self.read_operator(expr, names),
            NodeEnum::BoolExpr(expr) => self.read_boolean(expr, names),
            NodeEnum::NullTest(test) => self.null_test(test, names),
            NodeEnum::BooleanTest(test) => self.boolean_test(test, names),
            NodeEnum::CaseExpr(case) => self.read_case(case, names),
            NodeEnum::CoalesceExpr(expr) => {
                self.one_type_call("coalesce", "COALESCE", (&expr.args, expr.location), names)
            }
            NodeEnum::MinMaxExpr(expr) => self.min_max(expr, names),
            NodeEnum::AArrayExpr(array) => self.read_array((&array.elements, None), names, At::new(array.location)),
            NodeEnum::SqlvalueFunction(function) => sql_value(function),
            NodeEnum::SubLink(link) => self.read_sublink(link, names),
            NodeEnum::FuncCall(call) => self.read_call(call, names),
            NodeEnum::CollateClause(clause) => self.read_collate(clause, names),
            NodeEnum::AIndirection(indirection) => self.read_indirection(indirection, names),
            NodeEnum::SetToDefault(default) => {
                Err(ExprError::new(At::new(default.location), "42601", "DEFAULT is not allowed in this context"))
            }
            other => Err(unknown_node(other, location(node).unwrap_or_default())),
        }
    }

    fn read_constant(&self, constant: &AConst) -> Read<Expr> {
        let at = At::new(constant.location);
        let unknown = |value| Ok(Expr::value(value, Type::Unknown));
        if constant.isnull {
            return unknown(Value::Null);
        }
        match &constant.val {
            None => unknown(Value::Null),
            Some(a_const::Val::Ival(int)) => Ok(Expr::value(Value::Int(int.ival.into()), Type::Int4)),
            Some(a_const::Val::Fval(float)) => self.number(&float.fval, at),
            Some(a_const::Val::Boolval(boolean)) => Ok(Expr::boolean(boolean.boolval)),
            Some(a_const::Val::Sval(text)) => unknown(Value::text(text.sval.as_str())),
            Some(a_const::Val::Bsval(_)) => {
                let instead = "write an integer, or a bytea as '\\x0a'";
                Err(ExprError::unsupported(at, "a bit string", instead))
            }
        }
    }

    /// A number that is no `integer`: a `bigint` where it fits, else a `numeric`.
    fn number(&self, text: &str, at: At) -> Read<Expr> {
        let text = text.replace('_', "");
        if let Ok(int) = text.parse::<i64>() {
            return Ok(Expr::value(Value::Int(int), Type::Int8));
        }
        let value = value::parse(&text, &Type::Numeric(None), &self.clock);
        let value = value.map_err(|error| ExprError::of_value(at, error))?;
        Ok(Expr::value(value, Type::Numeric(None)))
    }

    fn read_column(&self, column: &ColumnRef, names: &Names<'_>) -> Read<Expr> {
        let parts = strings(&column.fields);
        let length = parts.iter().map(|part| part.len() + 1).sum::<usize>().saturating_sub(1);
        let at = At::word(column.location, length.max(1));
        if parts.len() != column.fields.len() {
            return Err(ExprError::unsupported(at, "`*` as a value", "name the columns"));
        }
        let (schema, table, name) = match parts.as_slice() {
            [name] => {
                if let Some(found) = names.column(name, at)? {
                    return Ok(found);
                }
                if names.item(None, name, at)?.is_some() {
                    return Err(ExprError::unsupported(at, "a whole row as a value", "name its columns"));
                }
                return Err(names.no_column(name, at));
            }
            [table, name] => (None, *table, *name),
            [schema, table, name] => (Some(*schema), *table, *name),
            _ => return Err(ExprError::new(at, "42601", format!("improper qualified name: {}", parts.join(".")))),
        };
        let item = names.item(schema, table, at)?.ok_or_else(|| names.no_table(table, at))?;
        let found = item.column(name).map(|column| column.expr.clone());
        found.ok_or_else(|| {
            let error = ExprError::new(at, "42703", format!("column {table}.{name} does not exist"));
            ExprError { help: names.closest(Some(table), name), ..error }
        })
    }

    /// The relation that an argument means as a whole: `t` where no column is called so, or `t.*`.
    pub(super) fn whole_row<'n>(&self, node: &protobuf::Node, names: &'n Names<'_>) -> Read<Option<&'n Item>> {
        let Some(NodeEnum::ColumnRef(column)) = &node.node else { return Ok(None) };
        let at = At::new(column.location);
        let parts = strings(&column.fields);
        match (parts.as_slice(), column.fields.len()) {
            ([name], 1) if names.column(name, at)?.is_none() => names.item(None, name, at),
            ([table], 2) => names.item(None, table, at),
            _ => Ok(None),
        }
    }

    fn read_cast(&self, cast: &TypeCast, names: &Names<'_>) -> Read<Expr> {
        let at = At::new(cast.location);
        let (Some(arg), Some(name)) = (cast.arg.as_deref(), cast.type_name.as_ref()) else {
            return Err(ExprError::unsupported(at, "this cast", "write `cast(x as type)`"));
        };
        if let Some(text) = interval_with_unit(arg, name) {
            let constant = Expr::value(Value::text(text), Type::Unknown);
            return self.convert(constant, &Type::Interval, Context::Explicit, at);
        }
        let to = self.read_type(name)?;
        if let (Some(NodeEnum::AArrayExpr(array)), Type::Array(item)) = (&arg.node, &to) {
            return self.read_array((&array.elements, Some(item)), names, at);
        }
        let arg_at = place_of(arg, at);
        let expr = self.read(arg, names)?;
        self.convert(expr, &to, Context::Explicit, arg_at)
    }

    fn read_boolean(&self, expr: &BoolExpr, names: &Names<'_>) -> Read<Expr> {
        let at = At::new(expr.location);
        let place = match expr.boolop() {
            BoolExprType::AndExpr => "AND",
            BoolExprType::OrExpr => "OR",
            BoolExprType::NotExpr | BoolExprType::Undefined => "NOT",
        };
        let mut args = Vec::with_capacity(expr.args.len());
        for arg in &expr.args {
            let read = self.read(arg, names)?;
            args.push(self.boolean(read, place, place_of(arg, at))?);
        }
        Ok(match expr.boolop() {
            BoolExprType::AndExpr => Expr::And(args),
            BoolExprType::OrExpr => Expr::Or(args),
            BoolExprType::NotExpr | BoolExprType::Undefined => negated(args.pop().unwrap_or(Expr::boolean(false))),
        })
    }

    fn null_test(&self, test: &NullTest, names: &Names<'_>) -> Read<Expr> {
        let negated = test.nulltesttype() == NullTestType::IsNotNull;
        let arg = required(test.arg.as_deref(), At::new(test.location))?;
        if let Some(NodeEnum::RowExpr(row)) = &arg.node {
            let tests = row
                .args
                .iter()
                .map(|item| Ok(Expr::IsNull { expr: Box::new(self.settled(self.read(item, names)?)?), negated }));
            let tests = tests.collect::<Read<Vec<_>>>()?;
            return Ok(Expr::all(tests).unwrap_or(Expr::boolean(true)));
        }
        let expr = self.settled(self.read(arg, names)?)?;
        Ok(Expr::IsNull { expr: Box::new(expr), negated })
    }

    fn boolean_test(&self, test: &BooleanTest, names: &Names<'_>) -> Read<Expr> {
        let (value, negated, place) = match test.booltesttype() {
            BoolTestType::IsTrue | BoolTestType::Undefined => (Some(true), false, "IS TRUE"),
            BoolTestType::IsNotTrue => (Some(true), true, "IS NOT TRUE"),
            BoolTestType::IsFalse => (Some(false), false, "IS FALSE"),
            BoolTestType::IsNotFalse => (Some(false), true, "IS NOT FALSE"),
            BoolTestType::IsUnknown => (None, false, "IS UNKNOWN"),
            BoolTestType::IsNotUnknown => (None, true, "IS NOT UNKNOWN"),
        };
        let at = At::new(test.location);
        let arg = required(test.arg.as_deref(), at)?;
        let expr = self.boolean(self.read(arg, names)?, place, place_of(arg, at))?;
        Ok(Expr::IsBool { expr: Box::new(expr), value, negated })
    }

    fn read_case(&self, case: &CaseExpr, names: &Names<'_>) -> Read<Expr> {
        let at = At::new(case.location);
        let mut operand = case.arg.as_deref().map(|arg| self.settled(self.read(arg, names)?)).transpose()?;
        let mut conditions = Vec::new();
        let mut results = vec![match case.defresult.as_deref() {
            Some(node) => self.read(node, names)?,
            None => Expr::value(Value::Null, Type::Unknown),
        }];
        for when in &case.args {
            let Some(NodeEnum::CaseWhen(when)) = &when.node else { continue };
            let test = required(when.expr.as_deref(), at)?;
            let condition = self.read(test, names)?;
            conditions.push(match operand {
                Some(_) => condition,
                None => self.boolean(condition, "CASE/WHEN", place_of(test, at))?,
            });
            results.push(self.read(required(when.result.as_deref(), at)?, names)?);
        }
        if let Some(value) = operand.take() {
            let (value, tests) = self.case_operand(value, conditions, at)?;
            operand = Some(value);
            conditions = tests;
        }
        let (mut results, ty) = self.unify(results, "CASE", at)?;
        let otherwise = results.remove(0);
        let otherwise = (case.defresult.is_some()).then(|| Box::new(otherwise));
        Ok(Expr::Case {
            operand: operand.map(Box::new),
            whens: conditions.into_iter().zip(results).collect(),
            otherwise,
            ty,
        })
    }

    /// `case value when test`: all converted to one type, so that one comparison serves.
    fn case_operand(&self, value: Expr, tests: Vec<Expr>, at: At) -> Read<(Expr, Vec<Expr>)> {
        let types: Vec<Type> = std::iter::once(&value).chain(&tests).map(Expr::ty).collect();
        let Ok(ty) = common(&types) else {
            for test in tests {
                self.comparable(value.clone(), test, at)?;
            }
            return Err(ExprError::unsupported(at, "this `case`", "write `case when a = b then …`"));
        };
        let probe = Expr::Value { value: Value::Null, ty };
        let (value, probe) = self.comparable(value, probe, at)?;
        let tests = tests.into_iter().map(|test| self.implicit(test, &probe.ty(), at)).collect::<Read<_>>()?;
        Ok((value, tests))
    }

    fn one_type_call(
        &self,
        name: &str,
        construct: &str,
        (args, location): (&[protobuf::Node], i32),
        names: &Names<'_>,
    ) -> Read<Expr> {
        let args = args.iter().map(|arg| self.read(arg, names)).collect::<Read<Vec<_>>>()?;
        let (args, ty) = self.unify(args, construct, At::word(location, name.len()))?;
        Ok(Expr::call(name, args, ty))
    }

    fn min_max(&self, expr: &MinMaxExpr, names: &Names<'_>) -> Read<Expr> {
        let (name, construct) = match expr.op() {
            MinMaxOp::IsLeast => ("least", "LEAST"),
            MinMaxOp::IsGreatest | MinMaxOp::Undefined => ("greatest", "GREATEST"),
        };
        self.one_type_call(name, construct, (&expr.args, expr.location), names)
    }

    fn read_array(
        &self,
        (elements, item): (&[protobuf::Node], Option<&Type>),
        names: &Names<'_>,
        at: At,
    ) -> Read<Expr> {
        let read = |node: &protobuf::Node| match (&node.node, item) {
            (Some(NodeEnum::AArrayExpr(inner)), _) => self.read_array((&inner.elements, item), names, at),
            (_, Some(item)) => self.convert(self.read(node, names)?, item, Context::Explicit, place_of(node, at)),
            (_, None) => self.read(node, names),
        };
        let items = elements.iter().map(read).collect::<Read<Vec<_>>>()?;
        if let Some(item) = item {
            return Ok(Expr::Array { items, ty: Type::Array(Box::new(item.clone())) });
        }
        if items.is_empty() {
            return Err(ExprError::new(at, "42P18", "cannot determine type of empty array")
                .help("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
        }
        let (items, ty) = self.unify(items, "ARRAY", at)?;
        // Arrays of arrays have the type of the inner ones.
        let ty = if matches!(ty, Type::Array(_)) { ty } else { Type::Array(Box::new(ty)) };
        Ok(Expr::Array { items, ty })
    }

    fn read_collate(&self, clause: &CollateClause, names: &Names<'_>) -> Read<Expr> {
        let at = At::new(clause.location);
        let expr = self.read(required(clause.arg.as_deref(), at)?, names)?;
        match strings(&clause.collname).last().copied() {
            Some("C" | "POSIX" | "ucs_basic" | "default" | "C.UTF-8" | "C.utf8") => Ok(expr),
            other => {
                let what = format!("the collation `{}`", other.unwrap_or_default());
                Err(ExprError::unsupported(
                    at,
                    what,
                    "text sorts by its bytes: leave out `collate`, or sort by `lower(x)`",
                ))
            }
        }
    }

    fn read_indirection(&self, indirection: &AIndirection, names: &Names<'_>) -> Read<Expr> {
        let arg = required(indirection.arg.as_deref(), At::default())?;
        let at = location(arg).unwrap_or_default();
        if let Some(field) = field_of_row(indirection, arg, names, at)? {
            return Ok(field);
        }
        let mut expr = self.read(arg, names)?;
        for step in &indirection.indirection {
            let Some(NodeEnum::AIndices(indices)) = &step.node else {
                return Err(ExprError::unsupported(at, "a field of a row value", "name the column itself"));
            };
            if indices.is_slice {
                return Err(ExprError::unsupported(at, "an array slice", "take single items"));
            }
            let index = self.read(required(indices.uidx.as_deref(), at)?, names)?;
            expr = self.subscript(expr, index, at)?;
        }
        Ok(expr)
    }

    fn subscript(&self, expr: Expr, index: Expr, at: At) -> Read<Expr> {
        match expr.ty().base() {
            Type::Array(item) => {
                let index = self.implicit(index, &Type::Int4, at)?;
                let index = if is_trigger_args(&expr) { one_more(index) } else { index };
                Ok(Expr::call("[]", vec![expr, index], (**item).clone()))
            }
            Type::Jsonb => self.operator("->", vec![expr, index], at),
            other => {
                let message =
                    format!("cannot subscript type {} because it does not support subscripting", other.sql_name());
                Err(ExprError::new(at, "42804", message))
            }
        }
    }
}

/// Whether this is `tg_argv`, the one array that begins with 0. Arrays do not keep where they begin.
fn is_trigger_args(expr: &Expr) -> bool {
    let args = u32::try_from(BuiltIn::Args.index()).ok();
    matches!(expr, Expr::Output { source: SourceId::VARIABLES, index, .. } if Some(*index) == args)
}

fn one_more(index: Expr) -> Expr {
    Expr::call("+", vec![index, Expr::value(Value::Int(1), Type::Int4)], Type::Int4)
}

/// `not` of a test that has its own negation.
fn negated(expr: Expr) -> Expr {
    match expr {
        Expr::Exists { select, negated } => Expr::Exists { select, negated: !negated },
        Expr::InSelect { expr, select, negated } => Expr::InSelect { expr, select, negated: !negated },
        Expr::InList { expr, list, negated } => Expr::InList { expr, list, negated: !negated },
        other => Expr::Not(Box::new(other)),
    }
}

/// `$1.name` and `(t).name`: a column of an argument that is a row, or of a relation.
fn field_of_row(indirection: &AIndirection, arg: &protobuf::Node, names: &Names<'_>, at: At) -> Read<Option<Expr>> {
    let alias = match &arg.node {
        Some(NodeEnum::ParamRef(param)) => format!("${}", param.number),
        Some(NodeEnum::ColumnRef(column)) => match strings(&column.fields).as_slice() {
            [name] => (*name).to_owned(),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let [name] = strings(&indirection.indirection)[..] else { return Ok(None) };
    let Some(item) = names.item(None, &alias, at)? else { return Ok(None) };
    match item.column(name) {
        Some(column) => Ok(Some(column.expr.clone())),
        None => Err(ExprError::new(at, "42703", format!("column \"{name}\" not found in data type {alias}"))),
    }
}

fn sql_value(function: &SqlValueFunction) -> Read<Expr> {
    let at = At::new(function.location);
    let now = || Expr::Session(SessionValue::Now);
    let cast = |ty| Ok(Expr::Cast { expr: Box::new(now()), ty });
    match function.op() {
        SqlValueFunctionOp::SvfopCurrentTimestamp => Ok(now()),
        SqlValueFunctionOp::SvfopCurrentDate => cast(Type::Date),
        SqlValueFunctionOp::SvfopLocaltime => cast(Type::Time),
        SqlValueFunctionOp::SvfopLocaltimestamp => cast(Type::Timestamp),
        SqlValueFunctionOp::SvfopCurrentRole | SqlValueFunctionOp::SvfopCurrentUser | SqlValueFunctionOp::SvfopUser => {
            Ok(Expr::Session(SessionValue::User))
        }
        SqlValueFunctionOp::SvfopCurrentTime | SqlValueFunctionOp::SvfopCurrentTimeN => {
            Err(ExprError::unsupported(at, "`current_time`", "write `localtime`"))
        }
        SqlValueFunctionOp::SvfopCurrentTimestampN
        | SqlValueFunctionOp::SvfopLocaltimeN
        | SqlValueFunctionOp::SvfopLocaltimestampN => {
            Err(ExprError::unsupported(at, "the current time with a precision", "write `date_trunc('second', now())`"))
        }
        SqlValueFunctionOp::SvfopSessionUser => {
            Err(ExprError::unsupported(at, "`session_user`", "write `current_user`"))
        }
        SqlValueFunctionOp::SvfopCurrentCatalog
        | SqlValueFunctionOp::SvfopCurrentSchema
        | SqlValueFunctionOp::SqlvalueFunctionOpUndefined => {
            Err(ExprError::unsupported(at, "the name of the current database or schema", "write the name"))
        }
    }
}

/// `interval '5' minute` is `interval '5 minute'`.
fn interval_with_unit(arg: &protobuf::Node, name: &protobuf::TypeName) -> Option<String> {
    if strings(&name.names).last() != Some(&"interval") {
        return None;
    }
    let unit = match sizes(name, At::default()).ok()?.as_slice() {
        [4] => "year",
        [2] => "month",
        [8] => "day",
        [1024] => "hour",
        [2048] => "minute",
        [4096] => "second",
        _ => return None,
    };
    let text = match &arg.node {
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            Some(a_const::Val::Sval(text)) => text.sval.trim(),
            _ => return None,
        },
        _ => return None,
    };
    text.parse::<f64>().ok().map(|_| format!("{text} {unit}"))
}

fn unknown_node(node: &NodeEnum, at: At) -> ExprError {
    let (what, instead) = match node {
        NodeEnum::RowExpr(_) => ("a row as a value", "name its columns one by one"),
        NodeEnum::GroupingFunc(_) => ("`grouping`", "write one select per grouping, joined by `union all`"),
        NodeEnum::JsonObjectConstructor(_) => ("`json_object`", "write `jsonb_build_object(key, value, …)`"),
        NodeEnum::JsonArrayConstructor(_) => ("`json_array`", "write `jsonb_build_array(value, …)`"),
        NodeEnum::JsonObjectAgg(_) => ("`json_objectagg`", "write `jsonb_object_agg(key, value)`"),
        NodeEnum::JsonArrayAgg(_) => ("`json_arrayagg`", "write `jsonb_agg(value)`"),
        NodeEnum::JsonFuncExpr(_) => ("an SQL/JSON path query", "write `->` and `->>`"),
        NodeEnum::JsonIsPredicate(_) => ("`is json`", "give the column the type `jsonb`"),
        NodeEnum::XmlExpr(_) | NodeEnum::XmlSerialize(_) => ("XML", "keep XML as text"),
        NodeEnum::NamedArgExpr(_) => ("a named argument here", "pass the arguments by position"),
        _ => ("this construct", "write it with plain operators and functions"),
    };
    ExprError::unsupported(at, what, instead)
}

/// A part that the grammar always fills.
pub(super) fn required(node: Option<&protobuf::Node>, at: At) -> Read<&protobuf::Node> {
    node.ok_or_else(|| ExprError::unsupported(at, "an incomplete expression", "write it out"))
}

/// Where an expression begins, as far as its node says.
pub(super) fn location(node: &protobuf::Node) -> Option<At> {
    let at = match node.node.as_ref()? {
        NodeEnum::AConst(node) => node.location,
        NodeEnum::ColumnRef(node) => node.location,
        NodeEnum::ParamRef(node) => node.location,
        NodeEnum::TypeCast(cast) => return cast.arg.as_deref().and_then(location).or(Some(At::new(cast.location))),
        NodeEnum::AExpr(expr) => return expr.lexpr.as_deref().and_then(location).or(Some(At::new(expr.location))),
        NodeEnum::BoolExpr(node) => node.location,
        NodeEnum::NullTest(test) => return test.arg.as_deref().and_then(location),
        NodeEnum::BooleanTest(test) => return test.arg.as_deref().and_then(location),
        NodeEnum::CaseExpr(node) => node.location,
        NodeEnum::CoalesceExpr(node) => node.location,
        NodeEnum::MinMaxExpr(node) => node.location,
        NodeEnum::AArrayExpr(node) => node.location,
        NodeEnum::SqlvalueFunction(node) => node.location,
        NodeEnum::SubLink(node) => node.location,
        NodeEnum::FuncCall(node) => node.location,
        NodeEnum::RowExpr(node) => node.location,
        NodeEnum::SetToDefault(node) => node.location,
        _ => return None,
    };
    Some(At::new(at))
}
