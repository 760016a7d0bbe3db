//! Type names, with their sizes.

use std::sync::Arc;

use pg_query::protobuf::{self, TypeName, a_const, node::Node as NodeEnum};

use crate::value::Type;
use crate::value::search::is_search_type;

use super::{At, ExprError, Read, Resolver};

/// Types that only PostgreSQL has, with what to use instead.
const POSTGRES_ONLY: &[(&str, &str)] = &[
    ("bit", "use integer or bytea"),
    ("box", "use numeric columns"),
    ("char", "use text"),
    ("cidr", "use text"),
    ("circle", "use numeric columns"),
    ("citext", "use text, and compare `lower(column)`"),
    ("daterange", "use two date columns"),
    ("geography", "use two double precision columns"),
    ("geometry", "use two double precision columns"),
    ("halfvec", "use a double precision array"),
    ("hstore", "use jsonb"),
    ("inet", "use text"),
    ("int4range", "use two integer columns"),
    ("int8range", "use two bigint columns"),
    ("jsonpath", "use `->` and `->>`"),
    ("line", "use numeric columns"),
    ("lseg", "use numeric columns"),
    ("ltree", "use text"),
    ("macaddr", "use text"),
    ("macaddr8", "use text"),
    ("money", "use numeric(12, 2)"),
    ("numrange", "use two numeric columns"),
    ("oid", "use bigint"),
    ("path", "use a jsonb column"),
    ("pg_lsn", "use text"),
    ("point", "use two double precision columns"),
    ("polygon", "use a jsonb column"),
    ("regclass", "use text"),
    ("regproc", "use text"),
    ("regrole", "use text"),
    ("regtype", "use text"),
    ("timetz", "use time"),
    ("tsrange", "use two timestamp columns"),
    ("tstzrange", "use two timestamptz columns"),
    ("varbit", "use bytea"),
    ("vector", "use a double precision array"),
    ("xml", "use text"),
];

/// Names that stand for no column's type but for what a function takes or gives.
const PSEUDO: &[&str] = &["anyarray", "anyelement", "event_trigger", "internal", "record", "trigger", "void"];

impl Resolver<'_> {
    pub(super) fn read_type(&self, name: &TypeName) -> Read<Type> {
        let parts = strings(&name.names);
        let at = At::word(name.location, parts.last().map_or(1, |part| part.len()));
        if name.pct_type {
            return Err(ExprError::unsupported(at, "`%type`", "write the column's type"));
        }
        let item = match parts.as_slice() {
            [bare] => self.bare_type(bare, name, at)?,
            [schema, bare] if *schema == "pg_catalog" => match known_type(bare, &sizes(name, at)?, at)? {
                Some(ty) => ty,
                None => return Err(no_type(bare, &parts.join("."), at)),
            },
            [schema, bare] => {
                self.user_type(schema, bare).ok_or_else(|| no_type(bare, &format!("{schema}.{bare}"), at))?
            }
            _ => return Err(no_type("", &parts.join("."), at)),
        };
        Ok(if name.array_bounds.is_empty() { item } else { Type::Array(Box::new(item)) })
    }

    fn bare_type(&self, bare: &str, name: &TypeName, at: At) -> Read<Type> {
        let user = self.search_path.iter().find_map(|schema| self.user_type(schema, bare));
        if let Some(ty) = known_type(bare, &sizes(name, at)?, at)? {
            return Ok(ty);
        }
        user.ok_or_else(|| no_type(bare, bare, at))
    }

    fn user_type(&self, schema: &str, name: &str) -> Option<Type> {
        let key = (schema.to_owned(), name.to_owned());
        let found = self.schema.enums.get(&key).map(|found| Type::Enum(Arc::clone(found)));
        let found = found.or_else(|| self.schema.domains.get(&key).map(|found| Type::Domain(Arc::clone(found))));
        found.or_else(|| self.schema.find(schema, name).map(|_| Type::Other(format!("{schema}.{name}").into())))
    }
}

/// The types that need no schema, by PostgreSQL's internal and SQL names.
fn known_type(name: &str, sizes: &[i32], at: At) -> Read<Option<Type>> {
    Ok(Some(match name {
        "bool" | "boolean" => Type::Bool,
        "int2" | "smallint" => Type::Int2,
        "int4" | "int" | "integer" => Type::Int4,
        "int8" | "bigint" => Type::Int8,
        "float4" | "real" => Type::Float4,
        "float8" => Type::Float8,
        "numeric" | "decimal" => Type::Numeric(precision(sizes, at)?),
        "text" | "name" => Type::Text,
        "varchar" => Type::Varchar(length("varchar", sizes, at)?),
        "bpchar" => Type::Char(length("char", sizes, at)?),
        "uuid" => Type::Uuid,
        "date" => Type::Date,
        "time" => microseconds(Type::Time, sizes, at)?,
        "timestamp" => microseconds(Type::Timestamp, sizes, at)?,
        "timestamptz" => microseconds(Type::Timestamptz, sizes, at)?,
        "interval" => interval(sizes, at)?,
        "json" => Type::Json,
        "jsonb" => Type::Jsonb,
        "bytea" => Type::Bytea,
        "unknown" => Type::Unknown,
        _ if is_search_type(name) => Type::Other(name.into()),
        _ if PSEUDO.contains(&name) => Type::Other(name.into()),
        _ => return Ok(None),
    }))
}

fn precision(sizes: &[i32], at: At) -> Read<Option<(u16, i16)>> {
    let (precision, scale) = match sizes {
        [] => return Ok(None),
        [precision] => (*precision, 0),
        [precision, scale, ..] => (*precision, *scale),
    };
    if !(1..=1000).contains(&precision) {
        let message = format!("NUMERIC precision {precision} must be between 1 and 1000");
        return Err(ExprError::new(at, "22023", message));
    }
    if !(-1000..=1000).contains(&scale) {
        let message = format!("NUMERIC scale {scale} must be between -1000 and 1000");
        return Err(ExprError::new(at, "22023", message));
    }
    let fits = "the range was checked";
    Ok(Some((u16::try_from(precision).expect(fits), i16::try_from(scale).expect(fits))))
}

fn length(name: &str, sizes: &[i32], at: At) -> Read<Option<u32>> {
    let Some(size) = sizes.first() else { return Ok(None) };
    match u32::try_from(*size) {
        Ok(size) if size > 0 => Ok(Some(size)),
        _ => Err(ExprError::new(at, "22023", format!("length for type {name} must be at least 1"))),
    }
}

fn microseconds(ty: Type, sizes: &[i32], at: At) -> Read<Type> {
    match sizes.first() {
        None | Some(6..) => Ok(ty),
        Some(digits) => {
            let what = format!("`{}` rounded to {digits} digits", ty.sql_name());
            Err(ExprError::unsupported(at, what, "leave out the number: microseconds are kept"))
        }
    }
}

/// An interval's first size is a mask of fields; all of them are the plain type.
fn interval(sizes: &[i32], at: At) -> Read<Type> {
    match sizes {
        [] | [0x7FFF] => Ok(Type::Interval),
        _ => Err(ExprError::unsupported(at, "an `interval` of certain fields", "write plain `interval`")),
    }
}

pub(super) fn sizes(name: &TypeName, at: At) -> Read<Vec<i32>> {
    let read = |node: &protobuf::Node| match &node.node {
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            Some(a_const::Val::Ival(value)) => Some(value.ival),
            _ => None,
        },
        _ => None,
    };
    let sizes: Option<Vec<i32>> = name.typmods.iter().map(read).collect();
    sizes.ok_or_else(|| ExprError::new(at, "42601", "type modifiers must be simple constants or identifiers"))
}

fn no_type(bare: &str, full: &str, at: At) -> ExprError {
    match POSTGRES_ONLY.iter().find(|(name, _)| *name == bare) {
        Some((name, instead)) => ExprError::unsupported(at, format!("the type `{name}`"), *instead),
        None => ExprError::new(at, "42704", format!("type \"{full}\" does not exist")),
    }
}

/// The strings of a list of string nodes: the parts of a qualified name.
pub(super) fn strings(nodes: &[protobuf::Node]) -> Vec<&str> {
    nodes.iter().filter_map(string).collect()
}

fn string(node: &protobuf::Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::String(text)) => Some(&text.sval),
        _ => None,
    }
}
