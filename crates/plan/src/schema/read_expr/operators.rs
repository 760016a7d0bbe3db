//! Operators: their overloads, comparisons of rows, `in`, `between`, `like`, `any` and `all`.

use pg_query::protobuf::{self, AExpr, AExprKind, node::Node as NodeEnum};

use crate::expr::Expr;
use crate::value::{Type, Value};

use super::candidates::{Candidate, Choice, choose, exact, solve};
use super::coerce::common;
use super::expressions::{location, required};
use super::functions::{MIXED_FLOATS, OPERATORS, Signature};
use super::names::Names;
use super::types::strings;
use super::{At, ExprError, Read, Resolver};

const COMPARISONS: &[&str] = &["<", "<=", "<>", "=", ">", ">="];

impl Resolver<'_> {
    pub(super) fn read_operator(&self, expr: &AExpr, names: &Names<'_>) -> Read<Expr> {
        let name = strings(&expr.name).last().copied().unwrap_or_default();
        let name = if name == "!=" { "<>" } else { name };
        let at = At::word(expr.location, name.len().max(1));
        match expr.kind() {
            AExprKind::AexprOp => self.plain_operator(name, expr, names, at),
            AExprKind::AexprOpAny | AExprKind::AexprOpAll => self.quantified(name, expr, names, at),
            AExprKind::AexprDistinct | AExprKind::AexprNotDistinct => self.distinct(expr, names, at),
            AExprKind::AexprNullif => self.nullif(expr, names, at),
            AExprKind::AexprIn => self.in_list(name, expr, names, at),
            AExprKind::AexprLike | AExprKind::AexprIlike => self.like(name, expr, names, at),
            AExprKind::AexprSimilar => self.similar(name, expr, names, at),
            AExprKind::AexprBetween
            | AExprKind::AexprNotBetween
            | AExprKind::AexprBetweenSym
            | AExprKind::AexprNotBetweenSym => self.between(expr, names, at),
            AExprKind::Undefined => Err(ExprError::unsupported(at, "this operator", "use another")),
        }
    }

    fn plain_operator(&self, name: &str, expr: &AExpr, names: &Names<'_>, at: At) -> Read<Expr> {
        let right = required(expr.rexpr.as_deref(), at)?;
        let Some(left) = expr.lexpr.as_deref() else {
            let right = self.read(right, names)?;
            return self.operator(name, vec![right], at);
        };
        if let (Some(NodeEnum::RowExpr(left)), Some(NodeEnum::RowExpr(right))) = (&left.node, &right.node) {
            return self.compare_rows(name, (&left.args, &right.args), names, at);
        }
        let left = self.read(left, names)?;
        let right = self.read(right, names)?;
        self.operator(name, vec![left, right], at)
    }

    /// Applies the operator that `name` means for these operands.
    pub(super) fn operator(&self, name: &str, args: Vec<Expr>, at: At) -> Read<Expr> {
        let types: Vec<Type> = args.iter().map(Expr::ty).collect();
        let candidates: Vec<Candidate<Signature>> = OPERATORS
            .iter()
            .chain([&MIXED_FLOATS])
            .flat_map(|group| group.iter())
            .filter(|signature| signature.name == name && name != "[]")
            .filter_map(|signature| Candidate::of(*signature, args.len()))
            .collect();
        let chosen = match exact(&candidates, &assumed(&types)) {
            Some(found) => found,
            None => match choose(&candidates, &types) {
                Choice::One(found) => found,
                Choice::None => return Err(no_operator(name, &types, at)),
                Choice::Ambiguous => return Err(ambiguous_operator(name, &types, at)),
            },
        };
        let solution = solve(&chosen.params, &types, |types| common(types).ok());
        let Some(solution) = solution else { return Err(no_operator(name, &types, at)) };
        let mut coerced = Vec::with_capacity(args.len());
        for ((arg, param), ty) in args.into_iter().zip(&chosen.params).zip(&types) {
            let Some(ty) = solution.param(param, ty) else { return Err(no_operator(name, &types, at)) };
            // Of two kinds of float, the wider is meant; engines see only operators of one kind.
            let ty = if MIXED_FLOATS.contains(&chosen.of) { Type::Float8 } else { ty };
            coerced.push(self.implicit(arg, &ty, at)?);
        }
        let Some(result) = solution.kind(chosen.of.result) else { return Err(no_operator(name, &types, at)) };
        Ok(Expr::call(name, coerced, result))
    }

    fn quantified(&self, name: &str, expr: &AExpr, names: &Names<'_>, at: At) -> Read<Expr> {
        let all = expr.kind() == AExprKind::AexprOpAll;
        let left = self.read(required(expr.lexpr.as_deref(), at)?, names)?;
        let array = self.read(required(expr.rexpr.as_deref(), at)?, names)?;
        let item = match array.ty().base() {
            Type::Array(item) => (**item).clone(),
            Type::Unknown => Type::Unknown,
            _ => {
                let message = "op ANY/ALL (array) requires array on right side";
                return Err(ExprError::new(at, "42809", message));
            }
        };
        // The overload is chosen as for `left op item`.
        let probe = Expr::Value { value: Value::Null, ty: item };
        let Expr::Call { mut args, function, ty } = self.operator(name, vec![left, probe], at)? else {
            return Err(no_operator(name, &[Type::Unknown], at));
        };
        if ty != Type::Bool {
            return Err(ExprError::new(at, "42809", "op ANY/ALL (array) requires operator to yield boolean"));
        }
        let wanted = args.pop().map_or(Type::Unknown, |arg| arg.ty());
        let left = args.pop().unwrap_or(Expr::boolean(false));
        let array = self.implicit(array, &Type::Array(Box::new(wanted)), at)?;
        Ok(Expr::Quantified { left: Box::new(left), operator: function, all, array: Box::new(array) })
    }

    fn distinct(&self, expr: &AExpr, names: &Names<'_>, at: At) -> Read<Expr> {
        let negated = expr.kind() == AExprKind::AexprNotDistinct;
        let left = required(expr.lexpr.as_deref(), at)?;
        let right = required(expr.rexpr.as_deref(), at)?;
        if let (Some(NodeEnum::RowExpr(left)), Some(NodeEnum::RowExpr(right))) = (&left.node, &right.node) {
            let pairs = self.row_pairs((&left.args, &right.args), names, at)?;
            let tests = pairs.into_iter().map(|(left, right)| self.distinct_pair(left, right, negated, at));
            let tests = tests.collect::<Read<Vec<_>>>()?;
            return Ok(if negated { Expr::all(tests).unwrap_or(Expr::boolean(true)) } else { Expr::any(tests) });
        }
        if let (Some(left), Some(right)) = (self.whole_row(left, names)?, self.whole_row(right, names)?)
            && left.columns.len() == right.columns.len()
        {
            let pairs = left.columns.iter().zip(&right.columns);
            let tests =
                pairs.map(|(left, right)| self.distinct_pair(left.expr.clone(), right.expr.clone(), negated, at));
            let tests = tests.collect::<Read<Vec<_>>>()?;
            return Ok(if negated { Expr::all(tests).unwrap_or(Expr::boolean(true)) } else { Expr::any(tests) });
        }
        let (left, right) = (self.read(left, names)?, self.read(right, names)?);
        self.distinct_pair(left, right, negated, at)
    }

    fn distinct_pair(&self, left: Expr, right: Expr, negated: bool, at: At) -> Read<Expr> {
        let (left, right) = self.comparable(left, right, at)?;
        Ok(Expr::IsDistinct { left: Box::new(left), right: Box::new(right), negated })
    }

    /// Two operands, converted as `=` converts them.
    pub(super) fn comparable(&self, left: Expr, right: Expr, at: At) -> Read<(Expr, Expr)> {
        let types = [left.ty(), right.ty()];
        match self.operator("=", vec![left, right], at)? {
            Expr::Call { mut args, .. } if args.len() == 2 => {
                let right = args.remove(1);
                Ok((args.remove(0), right))
            }
            _ => Err(no_operator("=", &types, at)),
        }
    }

    fn nullif(&self, expr: &AExpr, names: &Names<'_>, at: At) -> Read<Expr> {
        let left = self.read(required(expr.lexpr.as_deref(), at)?, names)?;
        let right = self.read(required(expr.rexpr.as_deref(), at)?, names)?;
        let own = left.ty();
        let (left, right) = self.comparable(left, right, at)?;
        // PostgreSQL gives back the first operand with the type it came with.
        let compared = left.ty();
        let ty = if own == Type::Unknown { compared.clone() } else { own };
        let call = Expr::call("nullif", vec![left, right], compared.clone());
        if super::coerce::same(&ty, &compared) || ty.is_text() && compared.is_text() {
            return Ok(call);
        }
        Ok(Expr::Cast { expr: Box::new(call), ty })
    }

    fn in_list(&self, name: &str, expr: &AExpr, names: &Names<'_>, at: At) -> Read<Expr> {
        let negated = name == "<>";
        let left = required(expr.lexpr.as_deref(), at)?;
        let Some(NodeEnum::List(list)) = expr.rexpr.as_deref().and_then(|node| node.node.as_ref()) else {
            return Err(ExprError::unsupported(at, "this `in`", "write a list in parentheses"));
        };
        if let Some(NodeEnum::RowExpr(row)) = &left.node {
            return self.row_in_list((&row.args, &list.items), negated, names, at);
        }
        let left = self.read(left, names)?;
        let items = list.items.iter().map(|item| self.read(item, names)).collect::<Read<Vec<_>>>()?;
        let types: Vec<Type> = std::iter::once(&left).chain(&items).map(Expr::ty).collect();
        match common(&types) {
            Ok(ty) => {
                let probe = Expr::Value { value: Value::Null, ty: ty.clone() };
                let (left, probe) = self.comparable(left, probe, at)?;
                let list = items.into_iter().map(|item| self.implicit(item, &ty, at));
                let list = list.map(|item| self.implicit(item?, &probe.ty(), at)).collect::<Read<_>>()?;
                Ok(Expr::InList { expr: Box::new(left), list, negated })
            }
            Err(_) => {
                let tests = items.into_iter().map(|item| self.operator(name, vec![left.clone(), item], at));
                let tests = tests.collect::<Read<Vec<_>>>()?;
                Ok(if negated { Expr::all(tests).unwrap_or(Expr::boolean(true)) } else { Expr::any(tests) })
            }
        }
    }

    fn row_in_list(
        &self,
        (left, items): (&[protobuf::Node], &[protobuf::Node]),
        negated: bool,
        names: &Names<'_>,
        at: At,
    ) -> Read<Expr> {
        let mut tests = Vec::with_capacity(items.len());
        for item in items {
            let Some(NodeEnum::RowExpr(right)) = &item.node else {
                return Err(ExprError::new(at, "42601", "unequal number of entries in row expressions"));
            };
            tests.push(self.compare_rows("=", (left, &right.args), names, at)?);
        }
        let any = Expr::any(tests);
        Ok(if negated { Expr::Not(Box::new(any)) } else { any })
    }

    fn row_pairs(
        &self,
        (left, right): (&[protobuf::Node], &[protobuf::Node]),
        names: &Names<'_>,
        at: At,
    ) -> Read<Vec<(Expr, Expr)>> {
        if left.len() != right.len() {
            return Err(ExprError::new(at, "42601", "unequal number of entries in row expressions"));
        }
        if left.is_empty() {
            return Err(ExprError::new(at, "0A000", "cannot compare rows of zero length"));
        }
        left.iter().zip(right).map(|(left, right)| Ok((self.read(left, names)?, self.read(right, names)?))).collect()
    }

    /// `(a, b) op (c, d)` spelled out, column by column.
    fn compare_rows(
        &self,
        name: &str,
        rows: (&[protobuf::Node], &[protobuf::Node]),
        names: &Names<'_>,
        at: At,
    ) -> Read<Expr> {
        if !COMPARISONS.contains(&name) {
            return Err(ExprError::new(at, "0A000", format!("operator {name} cannot compare rows")));
        }
        let pairs = self.row_pairs(rows, names, at)?;
        match name {
            "=" | "<>" => {
                let tests = pairs.into_iter().map(|(left, right)| self.operator(name, vec![left, right], at));
                let tests = tests.collect::<Read<Vec<_>>>()?;
                Ok(if name == "=" { Expr::all(tests).unwrap_or(Expr::boolean(true)) } else { Expr::any(tests) })
            }
            _ => self.order_rows(name, pairs, at),
        }
    }

    /// `(a, b) <= (c, d)` is `a < c or (a = c and b <= d)`.
    fn order_rows(&self, name: &str, pairs: Vec<(Expr, Expr)>, at: At) -> Read<Expr> {
        let strict = name.trim_end_matches('=');
        let mut result: Option<Expr> = None;
        for (left, right) in pairs.into_iter().rev() {
            result = Some(match result {
                None => self.operator(name, vec![left, right], at)?,
                Some(rest) => {
                    let before = self.operator(strict, vec![left.clone(), right.clone()], at)?;
                    let equal = self.operator("=", vec![left, right], at)?;
                    Expr::Or(vec![before, Expr::And(vec![equal, rest])])
                }
            });
        }
        Ok(result.unwrap_or(Expr::boolean(true)))
    }

    fn between(&self, expr: &AExpr, names: &Names<'_>, at: At) -> Read<Expr> {
        let value = self.read(required(expr.lexpr.as_deref(), at)?, names)?;
        let bounds = match expr.rexpr.as_deref().and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::List(list)) => &list.items,
            _ => return Err(ExprError::unsupported(at, "this `between`", "write `a >= b and a <= c`")),
        };
        let [low, high] = bounds.as_slice() else {
            return Err(ExprError::unsupported(at, "this `between`", "write `a >= b and a <= c`"));
        };
        let (low, high) = (self.read(low, names)?, self.read(high, names)?);
        let within = |low: &Expr, high: &Expr| {
            let above = self.operator(">=", vec![value.clone(), low.clone()], at)?;
            let below = self.operator("<=", vec![value.clone(), high.clone()], at)?;
            Ok(Expr::And(vec![above, below]))
        };
        let outside = |low: &Expr, high: &Expr| {
            let below = self.operator("<", vec![value.clone(), low.clone()], at)?;
            let above = self.operator(">", vec![value.clone(), high.clone()], at)?;
            Ok(Expr::Or(vec![below, above]))
        };
        match expr.kind() {
            AExprKind::AexprNotBetween => outside(&low, &high),
            AExprKind::AexprBetweenSym => Ok(Expr::Or(vec![within(&low, &high)?, within(&high, &low)?])),
            AExprKind::AexprNotBetweenSym => Ok(Expr::And(vec![outside(&low, &high)?, outside(&high, &low)?])),
            _ => within(&low, &high),
        }
    }
}

/// A bare constant beside a known operand is first tried with that operand's type.
fn assumed(types: &[Type]) -> Vec<Type> {
    match types {
        [Type::Unknown, other] | [other, Type::Unknown] => vec![other.base().clone(), other.base().clone()],
        _ => types.to_vec(),
    }
}

fn no_operator(name: &str, types: &[Type], at: At) -> ExprError {
    ExprError::new(at, "42883", format!("operator does not exist: {}", shown(name, types)))
        .help("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

fn ambiguous_operator(name: &str, types: &[Type], at: At) -> ExprError {
    ExprError::new(at, "42725", format!("operator is not unique: {}", shown(name, types)))
        .help("Could not choose a best candidate operator. You might need to add explicit type casts.")
}

fn shown(name: &str, types: &[Type]) -> String {
    match types {
        [only] => format!("{name} {}", only.sql_name()),
        [left, right, ..] => format!("{} {name} {}", left.sql_name(), right.sql_name()),
        [] => name.to_owned(),
    }
}

/// Where an operand stands, or else its operator.
pub(super) fn place_of(node: &protobuf::Node, otherwise: At) -> At {
    location(node).unwrap_or(otherwise)
}
