//! Values to show in examples and to fill collections with.

use roadbed_plan::Type;
use serde_json::{Value as Json, json};

/// A value of the type, always the same.
pub(super) fn of_type(ty: &Type) -> Json {
    match ty.base() {
        Type::Bool => json!(true),
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Float4 | Type::Float8 | Type::Numeric(_) => json!(1),
        Type::Text | Type::Unknown => json!("text"),
        Type::Varchar(length) | Type::Char(length) => {
            let length = length.map_or(4, |length| usize::try_from(length).unwrap_or(4));
            json!("text".chars().take(length).collect::<String>())
        }
        Type::Uuid => json!("3b241101-e2bb-4255-8caf-4136c566a962"),
        Type::Date => json!("2026-01-31"),
        Type::Time => json!("12:30:00"),
        Type::Timestamp => json!("2026-01-31T12:30:00"),
        Type::Timestamptz => json!("2026-01-31T12:30:00+00:00"),
        Type::Interval => json!("1 day 02:00:00"),
        Type::Json | Type::Jsonb => json!({}),
        Type::Bytea => json!("\\x00ff"),
        Type::Enum(of) => json!(of.labels.first().map_or("", String::as_str)),
        Type::Domain(domain) => of_type(&domain.base),
        Type::Array(item) => json!([of_type(item)]),
        Type::Other(name) => other(name),
    }
}

fn other(name: &str) -> Json {
    match name {
        "inet" | "cidr" => json!("10.0.0.1"),
        "int4range" | "int8range" | "numrange" => json!("[1,10)"),
        "daterange" => json!("[2026-01-01,2026-02-01)"),
        "tsvector" => json!("'text':1"),
        _ => json!("text"),
    }
}
