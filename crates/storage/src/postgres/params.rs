//! Parameters as text, which PostgreSQL reads with the type that their place asks for.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use roadbed_plan::value::{self, Value};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use crate::sql::Param;

/// A parameter's text; `None` is null.
pub(super) struct TextParam(Option<String>);

/// The driver writes parameters to its log, where no value may stand.
impl fmt::Debug for TextParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

impl TextParam {
    pub(super) fn text(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }

    pub(super) fn of(param: &Param) -> Self {
        match param {
            // For session values and parents' columns the renderer writes SQL, which needs no parameter.
            Param::Value(Value::Null, _) | Param::Session(_) | Param::Parent(_) => Self(None),
            Param::Value(value, ty) => Self(Some(value::to_text(value, ty))),
            Param::Literal(text) => Self::text(text),
            Param::LiteralList(texts) => Self(Some(array_literal(texts))),
            Param::Limit(limit) => Self(Some(limit.to_string())),
        }
    }
}

impl ToSql for TextParam {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}

/// `{"a","b \"c\""}`
pub(super) fn array_literal(texts: &[String]) -> String {
    let mut literal = String::from("{");
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for character in text.chars() {
            if matches!(character, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(character);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}
