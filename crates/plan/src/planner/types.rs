//! Type names in a select's casts.

use crate::engine::Capabilities;
use crate::error::DatabaseError;
use crate::schema::Schema;
use crate::value::Type;

/// The type called `name` in `column::name`.
///
/// # Errors
/// PostgreSQL's 42704 when there is none. Engines that read literals know types of their own, so an
/// unknown name is left to them; what renders it takes care that it stays one name.
pub(super) fn type_named(schema: &Schema, capabilities: Capabilities, name: &str) -> Result<Type, DatabaseError> {
    let lower = name.trim().to_ascii_lowercase();
    if let Some(item) = lower.strip_suffix("[]") {
        return Ok(Type::Array(Box::new(type_named(schema, capabilities, item)?)));
    }
    if let Some(found) = built_in(&lower) {
        return Ok(found);
    }
    let public = ("public".to_owned(), lower.clone());
    if let Some(found) = schema.enums.get(&public) {
        return Ok(Type::Enum(found.clone()));
    }
    if let Some(found) = schema.domains.get(&public) {
        return Ok(Type::Domain(found.clone()));
    }
    if capabilities.reads_literals {
        return Ok(Type::Other(lower.into()));
    }
    Err(DatabaseError::new("42704", format!("type \"{lower}\" does not exist")))
}

fn built_in(name: &str) -> Option<Type> {
    Some(match name {
        "bool" | "boolean" => Type::Bool,
        "smallint" | "int2" => Type::Int2,
        "int" | "integer" | "int4" => Type::Int4,
        "bigint" | "int8" => Type::Int8,
        "real" | "float4" => Type::Float4,
        "float" | "float8" | "double precision" => Type::Float8,
        "numeric" | "decimal" => Type::Numeric(None),
        "text" => Type::Text,
        "varchar" | "character varying" => Type::Varchar(None),
        "char" | "character" => Type::Char(Some(1)),
        "bpchar" => Type::Char(None),
        "uuid" => Type::Uuid,
        "date" => Type::Date,
        "time" | "time without time zone" => Type::Time,
        "timestamp" | "timestamp without time zone" => Type::Timestamp,
        "timestamptz" | "timestamp with time zone" => Type::Timestamptz,
        "interval" => Type::Interval,
        "json" => Type::Json,
        "jsonb" => Type::Jsonb,
        "bytea" => Type::Bytea,
        _ => return None,
    })
}
