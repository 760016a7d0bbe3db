//! What only PostgreSQL writes this way.

use roadbed_plan::expr::{Aggregate, Expr, SessionValue};
use roadbed_plan::value::{Type, Value};

use super::dialect::{quote_identifier, quote_text};
use super::render::{Param, Renderer};

impl Renderer<'_> {
    pub(super) fn postgres_value(&mut self, value: &Value, ty: &Type) {
        match value {
            Value::Null => self.push("null"),
            Value::Bool(true) => self.push("true"),
            Value::Bool(false) => self.push("false"),
            Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Bytes(_) => {
                self.param(Param::Value(value.clone(), ty.clone()));
                self.push(&format!("::{}", type_name(ty)));
            }
        }
    }

    pub(super) fn postgres_session_call(&mut self, value: &SessionValue) {
        match value {
            SessionValue::Uid => self.push("auth.uid()"),
            SessionValue::Role => self.push("auth.role()"),
            SessionValue::Email => self.push("auth.email()"),
            SessionValue::Jwt => self.push("auth.jwt()"),
            SessionValue::Setting(name) => {
                let name = quote_text(name);
                self.push(&format!("current_setting({name}, true)"));
            }
            SessionValue::User => self.push("current_user"),
            SessionValue::Now => self.push("now()"),
        }
    }

    pub(super) fn postgres_call(&mut self, function: &str, args: &[Expr]) {
        if function.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            self.push(&function.split('.').map(quote_identifier).collect::<Vec<_>>().join("."));
            self.push("(");
            self.comma_separated(args, Self::expression);
            self.push(")");
            return;
        }
        self.push("(");
        let (last, before) = args.split_last().map_or((None, args), |(last, before)| (Some(last), before));
        for arg in before {
            self.expression(arg);
            self.push(" ");
        }
        self.push(function);
        self.push(" ");
        match last {
            // A JSON key is part of the statement's shape, as a column's name is.
            Some(Expr::Value { value: Value::Text(key), .. }) if function.starts_with("->") => {
                self.push(&quote_text(key));
            }
            Some(Expr::Value { value: Value::Int(index), .. }) if function.starts_with("->") => {
                self.push(&format!("({index})"));
            }
            Some(other) => self.expression(other),
            None => {}
        }
        self.push(")");
    }

    pub(super) fn postgres_cast(&mut self, expr: &Expr, ty: &Type) {
        self.push("(");
        self.expression(expr);
        self.push(&format!(")::{}", type_name(ty)));
    }

    pub(super) fn postgres_array(&mut self, items: &[Expr], ty: &Type) {
        self.push("array[");
        self.comma_separated(items, Self::expression);
        self.push(&format!("]::{}", type_name(ty)));
    }

    pub(super) fn postgres_aggregate(&mut self, aggregate: &Aggregate) {
        self.push(&quote_identifier(&aggregate.function));
        self.push(if aggregate.distinct { "(distinct " } else { "(" });
        if aggregate.args.is_empty() {
            self.push("*");
        }
        self.comma_separated(&aggregate.args, Self::expression);
        self.order_by(&aggregate.order);
        self.push(")");
        if let Some(filter) = &aggregate.filter {
            self.push(" filter (where ");
            self.expression(filter);
            self.push(")");
        }
    }
}

/// A type as a cast names it.
pub(crate) fn type_name(ty: &Type) -> String {
    match ty {
        Type::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
        Type::Varchar(Some(length)) => format!("varchar({length})"),
        Type::Char(Some(length)) => format!("char({length})"),
        // Without a length, `char` would mean one character.
        Type::Char(None) => "bpchar".to_owned(),
        Type::Enum(e) => format!("{}.{}", quote_identifier(&e.schema), quote_identifier(&e.name)),
        Type::Domain(d) => format!("{}.{}", quote_identifier(&d.schema), quote_identifier(&d.name)),
        Type::Array(item) => format!("{}[]", type_name(item)),
        Type::Other(name) => other_type_name(name),
        Type::Unknown => "text".to_owned(),
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Float8
        | Type::Numeric(None)
        | Type::Text
        | Type::Varchar(None)
        | Type::Uuid
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Interval
        | Type::Json
        | Type::Jsonb
        | Type::Bytea => ty.sql_name(),
    }
}

/// Types of the standard whose names have several words.
const WORDS_OF_TYPES: &[&str] = &["bit varying", "character varying", "double precision", "time with time zone"];

/// A type's name as the engine gave it or a caller wrote it. Its words are quoted, for they may be keywords; sizes stay.
/// Two words must be a known type: as `int from secrets` they would go on with the statement.
fn other_type_name(name: &str) -> String {
    let (item, brackets) = match name.strip_suffix("[]") {
        Some(item) => (item, "[]"),
        None => (name, ""),
    };
    let is_size = |c: char| c.is_ascii_digit() || matches!(c, ',' | ' ');
    let sized = item.strip_suffix(')').and_then(|item| item.split_once('('));
    let (words, sizes) = match sized.filter(|(_, sizes)| sizes.chars().all(is_size)) {
        Some((words, sizes)) => (words, format!("({sizes})")),
        None => (item, String::new()),
    };
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let written = if WORDS_OF_TYPES.contains(&words) {
        words.to_owned()
    } else if words.split('.').all(|word| !word.is_empty() && word.chars().all(is_word)) {
        words.split('.').map(quote_identifier).collect::<Vec<_>>().join(".")
    } else {
        return format!("{}{brackets}", quote_identifier(item));
    };
    format!("{written}{sizes}{brackets}")
}
