//! Defaults as documents show them: constants as JSON, and calls without arguments as SQL.

use roadbed_plan::expr::SessionValue;
use roadbed_plan::schema::{Column, DefaultValue};
use roadbed_plan::value::{parse, to_text, write_json};
use roadbed_plan::{Clock, Expr, Type, Value};
use serde_json::Value as Json;

/// The column's default, where it is a constant: as answers would show it.
pub(super) fn constant(column: &Column) -> Option<Json> {
    let text = match column.default.as_ref()? {
        DefaultValue::Expr(expr) => constant_text(expr)?,
        DefaultValue::Engine(sql) => literal(sql)?,
        DefaultValue::Sequence { .. } | DefaultValue::Identity { .. } | DefaultValue::Generated(_) => return None,
    };
    // Read by the column's own type, so that every engine's way of writing it comes to the same.
    let value = parse(&text, &column.ty, &Clock::System).ok()?;
    let mut json = Vec::new();
    write_json(&mut json, &value, &column.ty);
    serde_json::from_slice(&json).ok()
}

/// `now()`, `auth.uid()`: what is called for each row, where it takes nothing.
pub(super) fn call(column: &Column) -> Option<String> {
    match column.default.as_ref()? {
        DefaultValue::Expr(expr) => call_text(expr),
        DefaultValue::Engine(sql) => {
            let name = sql.strip_suffix("()")?;
            let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_.0123456789".contains(&byte));
            is_name.then(|| sql.clone())
        }
        DefaultValue::Sequence { .. } | DefaultValue::Identity { .. } | DefaultValue::Generated(_) => None,
    }
}

fn constant_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value { value: Value::Null, .. } => None,
        Expr::Value { value, ty } => Some(to_text(value, ty)),
        Expr::Cast { expr, .. } => constant_text(expr),
        _ => None,
    }
}

fn call_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Cast { expr, .. } => call_text(expr),
        Expr::Call { function, args, .. } if args.is_empty() => Some(format!("{function}()")),
        Expr::Session(SessionValue::Now) => Some("now()".into()),
        Expr::Session(SessionValue::Uid) => Some("auth.uid()".into()),
        Expr::Session(SessionValue::Role) => Some("auth.role()".into()),
        Expr::Session(SessionValue::Email) => Some("auth.email()".into()),
        Expr::Session(SessionValue::Jwt) => Some("auth.jwt()".into()),
        _ => None,
    }
}

/// The text of a literal as PostgreSQL prints it: `'it''s'::text`, `1.5`, `(-1)`, `true`.
fn literal(sql: &str) -> Option<String> {
    let sql = sql.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(sql);
    if let Some(rest) = sql.strip_prefix('\'') {
        return quoted(rest);
    }
    let bare = sql.split("::").next().unwrap_or(sql);
    let is_number = bare.parse::<f64>().is_ok() && bare.bytes().all(|byte| b"0123456789.-+e".contains(&byte));
    (is_number || bare == "true" || bare == "false").then(|| bare.to_owned())
}

/// What stands before the closing quote, if nothing but a cast follows it.
fn quoted(rest: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = rest.chars().peekable();
    loop {
        match characters.next()? {
            '\'' if characters.peek() == Some(&'\'') => {
                characters.next();
                text.push('\'');
            }
            '\'' => break,
            character => text.push(character),
        }
    }
    let cast: String = characters.collect();
    let is_cast = cast.is_empty() || cast.strip_prefix("::").is_some_and(|ty| !ty.contains(['|', '\'', '+']));
    is_cast.then_some(text)
}

/// Whether a value of this type is a JSON string.
pub(super) fn is_text(ty: &Type) -> bool {
    match ty.base() {
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Float8
        | Type::Numeric(_)
        | Type::Json
        | Type::Jsonb
        | Type::Array(_) => false,
        Type::Text
        | Type::Varchar(_)
        | Type::Char(_)
        | Type::Uuid
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Interval
        | Type::Bytea
        | Type::Enum(_)
        | Type::Domain(_)
        | Type::Unknown
        | Type::Other(_) => true,
    }
}
