//! The types a column can have.

use std::sync::Arc;

use crate::expr::Expr;

/// A column's or expression's type. Sizes are part of it, as PostgreSQL's type modifiers are.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// Exact decimal, with precision and scale where declared.
    Numeric(Option<(u16, i16)>),
    Text,
    Varchar(Option<u32>),
    /// `char(n)`: blank-padded.
    Char(Option<u32>),
    Uuid,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Json,
    Jsonb,
    Bytea,
    Enum(Arc<EnumType>),
    Domain(Arc<DomainType>),
    Array(Box<Type>),
    /// A literal whose place has not given it a type yet.
    Unknown,
    /// A type only its engine knows (PostgreSQL extensions, ranges, ...), by the engine's name for it.
    Other(Box<str>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct EnumType {
    pub schema: String,
    pub name: String,
    /// In their sort order.
    pub labels: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DomainType {
    pub schema: String,
    pub name: String,
    pub base: Type,
    pub not_null: bool,
    pub default: Option<Expr>,
    pub checks: Vec<DomainCheck>,
}

/// One check of a domain; its expression names the value as [`Expr::DomainValue`].
#[derive(Clone, Debug, PartialEq)]
pub struct DomainCheck {
    pub name: String,
    pub condition: Expr,
}

impl Type {
    /// The type below any domains.
    pub fn base(&self) -> &Self {
        match self {
            Self::Domain(domain) => domain.base.base(),
            other => other,
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self.base(), Self::Int2 | Self::Int4 | Self::Int8 | Self::Float4 | Self::Float8 | Self::Numeric(_))
    }

    pub fn is_text(&self) -> bool {
        matches!(self.base(), Self::Text | Self::Varchar(_) | Self::Char(_))
    }

    pub fn is_json(&self) -> bool {
        matches!(self.base(), Self::Json | Self::Jsonb)
    }

    /// PostgreSQL's name for the type as `format_type` prints it without its modifier (`integer`,
    /// `timestamp with time zone`, `text[]`): the name that error messages use.
    pub fn sql_name(&self) -> String {
        match self {
            Self::Bool => "boolean".into(),
            Self::Int2 => "smallint".into(),
            Self::Int4 => "integer".into(),
            Self::Int8 => "bigint".into(),
            Self::Float4 => "real".into(),
            Self::Float8 => "double precision".into(),
            Self::Numeric(_) => "numeric".into(),
            Self::Text => "text".into(),
            Self::Varchar(_) => "character varying".into(),
            Self::Char(_) => "character".into(),
            Self::Uuid => "uuid".into(),
            Self::Date => "date".into(),
            Self::Time => "time without time zone".into(),
            Self::Timestamp => "timestamp without time zone".into(),
            Self::Timestamptz => "timestamp with time zone".into(),
            Self::Interval => "interval".into(),
            Self::Json => "json".into(),
            Self::Jsonb => "jsonb".into(),
            Self::Bytea => "bytea".into(),
            Self::Enum(e) => qualified(&e.schema, &e.name),
            Self::Domain(d) => qualified(&d.schema, &d.name),
            Self::Array(item) => format!("{}[]", item.sql_name()),
            Self::Unknown => "unknown".into(),
            Self::Other(name) => name.to_string(),
        }
    }
}

fn qualified(schema: &str, name: &str) -> String {
    if schema == "public" || schema == "pg_catalog" { name.to_owned() } else { format!("{schema}.{name}") }
}
