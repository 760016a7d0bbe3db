//! JSON Schema (2020-12) of what columns and functions hold, as answers show it and bodies may give it.

use roadbed_plan::Type;
use roadbed_plan::schema::Column;
use serde_json::{Map, Number, Value as Json, json};

use super::default;

/// Types of PostgreSQL's that are JSON of their own form rather than a text.
const FREE_FORM: [&str; 4] = ["record", "geometry", "geography", "anyelement"];

/// The schema of a value that is there.
pub(super) fn of_type(ty: &Type) -> Map<String, Json> {
    let schema = match ty.base() {
        Type::Bool => json!({ "type": "boolean" }),
        Type::Int2 => json!({ "type": "integer", "format": "int16", "minimum": i16::MIN, "maximum": i16::MAX }),
        Type::Int4 => json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX }),
        Type::Int8 => json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX }),
        Type::Float4 => json!({ "type": "number", "format": "float" }),
        Type::Float8 => json!({ "type": "number", "format": "double" }),
        Type::Numeric(size) => numeric(*size),
        Type::Text | Type::Unknown => json!({ "type": "string" }),
        Type::Varchar(length) | Type::Char(length) => match length {
            Some(length) => json!({ "type": "string", "maxLength": length }),
            None => json!({ "type": "string" }),
        },
        Type::Uuid => json!({ "type": "string", "format": "uuid" }),
        Type::Date => json!({ "type": "string", "format": "date" }),
        Type::Time => json!({ "type": "string", "format": "time-local" }),
        Type::Timestamp => json!({ "type": "string", "format": "date-time-local" }),
        Type::Timestamptz => json!({ "type": "string", "format": "date-time" }),
        Type::Interval => json!({ "type": "string", "description": "An interval, such as `1 day 02:00:00`." }),
        Type::Json | Type::Jsonb => json!({}),
        Type::Bytea => json!({ "type": "string", "pattern": r"^\\x([0-9a-f]{2})*$" }),
        Type::Enum(of) => json!({ "type": "string", "enum": of.labels }),
        Type::Domain(domain) => Json::Object(of_type(&domain.base)),
        Type::Array(item) => json!({ "type": "array", "items": nullable(of_type(item)) }),
        Type::Other(name) => other(name),
    };
    match schema {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

fn numeric(size: Option<(u16, i16)>) -> Json {
    let Some((precision, scale)) = size else { return json!({ "type": "number" }) };
    let (whole, scale) = (i32::from(precision) - i32::from(scale), usize::try_from(scale).unwrap_or(0));
    let Ok(whole) = usize::try_from(whole) else { return json!({ "type": "number" }) };
    let digits = if whole == 0 { "0".to_owned() } else { "9".repeat(whole) };
    let text = if scale == 0 { digits } else { format!("{digits}.{}", "9".repeat(scale)) };
    match (text.parse::<Number>(), format!("-{text}").parse::<Number>()) {
        (Ok(most), Ok(least)) => json!({ "type": "number", "minimum": least, "maximum": most }),
        _ => json!({ "type": "number" }),
    }
}

fn other(name: &str) -> Json {
    if let Some(item) = name.strip_suffix("[]") {
        return json!({ "type": "array", "items": nullable(of_type(&Type::Other(item.into()))) });
    }
    let bare = name.rsplit('.').next().unwrap_or(name);
    let bare = bare.split('(').next().unwrap_or(bare);
    if FREE_FORM.contains(&bare) {
        json!({})
    } else {
        json!({ "type": "string", "description": format!("A `{name}`, as PostgreSQL writes it.") })
    }
}

/// The same, or null.
pub(super) fn nullable(mut schema: Map<String, Json>) -> Map<String, Json> {
    if let Some(Json::String(ty)) = schema.get("type") {
        let either = json!([ty, "null"]);
        schema.insert("type".into(), either);
    }
    if let Some(Json::Array(values)) = schema.get_mut("enum") {
        values.push(Json::Null);
    }
    schema
}

/// A column's values.
pub(super) fn of_column(column: &Column) -> Map<String, Json> {
    let schema = of_type(&column.ty);
    let mut schema = if column.not_null { schema } else { nullable(schema) };
    if let Some(value) = default::constant(column) {
        schema.insert("default".into(), value);
    }
    if let Some(comment) = &column.comment {
        schema.insert("description".into(), comment.as_str().into());
    }
    schema
}
