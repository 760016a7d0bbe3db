//! Types as short texts, so that SQLite's user functions can be told what their arguments are.
//!
//! `int4`, `numeric(10,2)`, `varchar(5)`, `timestamptz[]`, `enum:["public","mood",["sad","ok"]]`.

use std::sync::Arc;

use roadbed_plan::value::search::is_search_type;
use roadbed_plan::value::{EnumType, Type};

const PLAIN: &[(&str, Type)] = &[
    ("bool", Type::Bool),
    ("bytea", Type::Bytea),
    ("char", Type::Char(None)),
    ("date", Type::Date),
    ("float4", Type::Float4),
    ("float8", Type::Float8),
    ("int2", Type::Int2),
    ("int4", Type::Int4),
    ("int8", Type::Int8),
    ("interval", Type::Interval),
    ("json", Type::Json),
    ("jsonb", Type::Jsonb),
    ("numeric", Type::Numeric(None)),
    ("text", Type::Text),
    ("time", Type::Time),
    ("timestamp", Type::Timestamp),
    ("timestamptz", Type::Timestamptz),
    ("unknown", Type::Unknown),
    ("uuid", Type::Uuid),
    ("varchar", Type::Varchar(None)),
];

/// The text that stands for `ty`. Domains are their base types here.
pub(crate) fn type_code(ty: &Type) -> String {
    match ty {
        Type::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
        Type::Varchar(Some(length)) => format!("varchar({length})"),
        Type::Char(Some(length)) => format!("char({length})"),
        Type::Enum(e) => format!("enum:{}", serde_json::json!([e.schema, e.name, e.labels])),
        Type::Domain(domain) => type_code(&domain.base),
        Type::Array(item) => format!("{}[]", type_code(item)),
        Type::Other(name) if is_search_type(name) => name.to_string(),
        Type::Other(_) => "text".to_owned(),
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Float4
        | Type::Float8
        | Type::Numeric(None)
        | Type::Text
        | Type::Varchar(None)
        | Type::Char(None)
        | Type::Uuid
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz
        | Type::Interval
        | Type::Json
        | Type::Jsonb
        | Type::Bytea
        | Type::Unknown => PLAIN.iter().find(|(_, plain)| plain == ty).map_or("text", |(code, _)| code).to_owned(),
    }
}

/// The type that [`type_code`] wrote; `None` for any other text.
pub(crate) fn read_type(code: &str) -> Option<Type> {
    if let Some(item) = code.strip_suffix("[]") {
        return Some(Type::Array(Box::new(read_type(item)?)));
    }
    if is_search_type(code) {
        return Some(Type::Other(code.into()));
    }
    if let Some(json) = code.strip_prefix("enum:") {
        let (schema, name, labels) = serde_json::from_str(json).ok()?;
        return Some(Type::Enum(Arc::new(EnumType { schema, name, labels })));
    }
    let Some((name, sizes)) = code.strip_suffix(')').and_then(|code| code.split_once('(')) else {
        return PLAIN.iter().find(|(plain, _)| *plain == code).map(|(_, ty)| ty.clone());
    };
    match name {
        "numeric" => {
            let (precision, scale) = sizes.split_once(',')?;
            Some(Type::Numeric(Some((precision.parse().ok()?, scale.parse().ok()?))))
        }
        "varchar" => Some(Type::Varchar(Some(sizes.parse().ok()?))),
        "char" => Some(Type::Char(Some(sizes.parse().ok()?))),
        _ => None,
    }
}

/// Argument types as one text; labels and sizes, which no function asks for, are left out.
pub(crate) fn signature<'a>(types: impl IntoIterator<Item = &'a Type>) -> String {
    let codes: Vec<String> = types.into_iter().map(|ty| type_code(&plain(ty))).collect();
    codes.join(",")
}

/// The types that [`signature`] wrote.
pub(crate) fn read_signature(text: &str) -> Option<Vec<Type>> {
    match text {
        "" => Some(Vec::new()),
        // Labels may hold commas; what asks for them has arguments of one type.
        _ if text.starts_with("enum:") => Some(vec![read_type(text)?]),
        _ => text.split(',').map(read_type).collect(),
    }
}

fn plain(ty: &Type) -> Type {
    match ty.base() {
        Type::Other(name) if is_search_type(name) => Type::Other(name.clone()),
        Type::Enum(_) | Type::Other(_) => Type::Text,
        Type::Numeric(_) => Type::Numeric(None),
        Type::Varchar(_) => Type::Varchar(None),
        Type::Char(_) => Type::Char(None),
        Type::Array(item) => Type::Array(Box::new(plain(item))),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_code_reads_back_as_its_type() {
        let mood = EnumType { schema: "public".into(), name: "mood".into(), labels: vec!["a,b".into(), "c[]".into()] };
        let types = [
            Type::Numeric(Some((10, 2))),
            Type::Varchar(Some(5)),
            Type::Enum(Arc::new(mood)),
            Type::Array(Box::new(Type::Array(Box::new(Type::Timestamptz)))),
        ];
        for ty in types.iter().chain(PLAIN.iter().map(|(_, ty)| ty)) {
            assert_eq!(read_type(&type_code(ty)).as_ref(), Some(ty));
        }
    }
}
