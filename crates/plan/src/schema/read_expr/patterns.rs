//! `like` and `similar to`, with their escape characters, as the operators that engines know.

use pg_query::protobuf::{self, AExpr, FuncCall, node::Node as NodeEnum};

use crate::expr::Expr;
use crate::value::{Type, Value};

use super::expressions::required;
use super::names::Names;
use super::types::strings;
use super::{At, ExprError, Read, Resolver};

impl Resolver<'_> {
    pub(super) fn like(&self, name: &str, expr: &AExpr, names: &Names<'_>, at: At) -> Read<Expr> {
        let left = self.read(required(expr.lexpr.as_deref(), at)?, names)?;
        let right = required(expr.rexpr.as_deref(), at)?;
        let pattern = match call_of(right, "like_escape") {
            Some(call) => {
                let (pattern, escape) = self.pattern_and_escape(call, names, at)?;
                let pattern = with_backslashes(&pattern, escape.as_deref().unwrap_or("\\"), at)?;
                Expr::value(Value::text(pattern), Type::Text)
            }
            None => self.read(right, names)?,
        };
        self.operator(name, vec![left, pattern], at)
    }

    pub(super) fn similar(&self, name: &str, expr: &AExpr, names: &Names<'_>, at: At) -> Read<Expr> {
        let left = self.read(required(expr.lexpr.as_deref(), at)?, names)?;
        let right = required(expr.rexpr.as_deref(), at)?;
        let Some(call) = call_of(right, "similar_to_escape") else {
            return Err(ExprError::unsupported(at, "this `similar to`", "write `~` with a regular expression"));
        };
        let (pattern, escape) = self.pattern_and_escape(call, names, at)?;
        let escape = escape.as_deref().unwrap_or("\\").chars().next();
        let regex = Expr::value(Value::text(similar_regex(&pattern, escape)), Type::Text);
        self.operator(name, vec![left, regex], at)
    }

    /// The pattern and, where one is given, the escape character; both must be constants.
    fn pattern_and_escape(&self, call: &FuncCall, names: &Names<'_>, at: At) -> Read<(String, Option<String>)> {
        let mut texts = Vec::new();
        for arg in &call.args {
            match self.read(arg, names)? {
                Expr::Value { value: Value::Text(text), .. } => texts.push(text.to_string()),
                _ => {
                    let what = "a pattern with `escape` that is no constant";
                    return Err(ExprError::unsupported(
                        at,
                        what,
                        "write the pattern with backslashes, without `escape`",
                    ));
                }
            }
        }
        let mut texts = texts.into_iter();
        Ok((texts.next().unwrap_or_default(), texts.next()))
    }
}

fn call_of<'n>(node: &'n protobuf::Node, name: &str) -> Option<&'n FuncCall> {
    match &node.node {
        Some(NodeEnum::FuncCall(call)) if strings(&call.funcname).as_slice() == ["pg_catalog", name] => Some(call),
        _ => None,
    }
}

/// The pattern with another escape character, as one with backslashes.
fn with_backslashes(pattern: &str, escape: &str, at: At) -> Read<String> {
    let mut chars = escape.chars();
    let escape = chars.next();
    if chars.next().is_some() {
        let error = ExprError::new(at, "22025", "invalid escape string");
        return Err(error.help("Escape string must be empty or one character."));
    }
    if escape == Some('\\') {
        return Ok(pattern.to_owned());
    }
    let mut result = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if Some(c) == escape {
            result.push('\\');
            result.extend(rest.next());
        } else if c == '\\' {
            result.push_str("\\\\");
        } else {
            result.push(c);
        }
    }
    Ok(result)
}

/// The regular expression that PostgreSQL makes of a `similar to` pattern.
fn similar_regex(pattern: &str, escape: Option<char>) -> String {
    let mut result = String::from("^(?:");
    let mut in_brackets = false;
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if Some(c) == escape {
            result.push('\\');
            result.extend(rest.next());
            continue;
        }
        if in_brackets {
            in_brackets = c != ']';
            if c == '\\' {
                result.push('\\');
            }
            result.push(c);
            continue;
        }
        match c {
            '[' => {
                in_brackets = true;
                result.push(c);
            }
            '%' => result.push_str(".*"),
            '_' => result.push('.'),
            '(' => result.push_str("(?:"),
            '\\' | '.' | '^' | '$' => {
                result.push('\\');
                result.push(c);
            }
            other => result.push(other),
        }
    }
    result.push_str(")$");
    result
}
