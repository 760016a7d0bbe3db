//! Calls of the functions that are told their arguments' types, as `crate::sql` writes them: `pg_abs('numeric', x)`.

use std::sync::Arc;

use roadbed_plan::{Clock, DatabaseError, Type, Value};
use rusqlite::Connection;
use rusqlite::functions::Context;
use rusqlite::types::ValueRef;

use super::{PURE, answer};
use crate::sql::{read_signature, read_type};

/// One function of PostgreSQL, with all its overloads.
pub(super) struct Function {
    /// Its name less `pg_`.
    pub(super) name: &'static str,
    pub(super) nulls: Nulls,
    pub(super) body: fn(&Call<'_>) -> Outcome,
}

pub(super) type Outcome = Result<Value, DatabaseError>;

/// What a null among the arguments does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    /// The answer is null, without a call.
    Strict,
    /// The function sees it.
    Seen,
}

/// A function that answers null to null.
pub(super) const fn strict(name: &'static str, body: fn(&Call<'_>) -> Outcome) -> Function {
    Function { name, nulls: Nulls::Strict, body }
}

/// A function that sees nulls.
pub(super) const fn seeing_nulls(name: &'static str, body: fn(&Call<'_>) -> Outcome) -> Function {
    Function { name, nulls: Nulls::Seen, body }
}

/// The arguments of one call in their canonical form, and their types.
pub(super) struct Call<'c> {
    pub(super) types: &'c [Type],
    pub(super) args: Vec<Value>,
    pub(super) clock: &'c Clock,
}

impl Call<'_> {
    pub(super) fn len(&self) -> usize {
        self.args.len()
    }

    pub(super) fn arg(&self, index: usize) -> &Value {
        self.args.get(index).unwrap_or(&Value::Null)
    }

    pub(super) fn ty(&self, index: usize) -> &Type {
        self.types.get(index).unwrap_or(&Type::Unknown)
    }

    /// The argument's text; empty when it has none.
    pub(super) fn text(&self, index: usize) -> &str {
        match self.arg(index) {
            Value::Text(text) => text,
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Bytes(_) => "",
        }
    }

    pub(super) fn int(&self, index: usize) -> i64 {
        match self.arg(index) {
            Value::Int(int) => *int,
            Value::Bool(bool) => i64::from(*bool),
            Value::Float(float) => *float as i64,
            Value::Null | Value::Text(_) | Value::Bytes(_) => 0,
        }
    }

    pub(super) fn float(&self, index: usize) -> f64 {
        match self.arg(index) {
            Value::Float(float) => *float,
            Value::Int(int) => *int as f64,
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::Bytes(_) => f64::NAN,
        }
    }

    pub(super) fn bytes(&self, index: usize) -> &[u8] {
        match self.arg(index) {
            Value::Bytes(bytes) => bytes,
            Value::Text(text) => text.as_bytes(),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => &[],
        }
    }

    /// The argument as PostgreSQL prints it.
    pub(super) fn printed(&self, index: usize) -> String {
        roadbed_plan::value::to_text(self.arg(index), self.ty(index))
    }
}

pub(super) fn register(connection: &Connection, function: &'static Function, clock: &Clock) -> rusqlite::Result<()> {
    let clock = clock.clone();
    connection.create_scalar_function(format!("pg_{}", function.name).as_str(), -1, PURE, move |ctx: &Context<'_>| {
        let types = types_of(ctx)?;
        let mut args = Vec::with_capacity(types.len());
        for index in 1..ctx.len() {
            let value = read(ctx.get_raw(index), types.get(index - 1).unwrap_or(&Type::Unknown))?;
            if value.is_null() && function.nulls == Nulls::Strict {
                return Ok(rusqlite::types::Value::Null);
            }
            args.push(value);
        }
        answer((function.body)(&Call { types: &types, args, clock: &clock }))
    })
}

/// The argument types, which are the first argument; read once per statement.
fn types_of(ctx: &Context<'_>) -> rusqlite::Result<Arc<Vec<Type>>> {
    ctx.get_or_create_aux(0, |value| {
        read_signature(value.as_str()?)
            .ok_or("unknown argument types".into())
            .map_err(|error: Box<dyn std::error::Error + Send + Sync>| error)
    })
}

/// The type that the argument at `index` names; read once per statement.
pub(super) fn type_at(ctx: &Context<'_>, index: usize) -> rusqlite::Result<Arc<Type>> {
    let place = i32::try_from(index).unwrap_or(i32::MAX);
    ctx.get_or_create_aux(place, |value| -> Result<Type, Box<dyn std::error::Error + Send + Sync>> {
        read_type(value.as_str()?).ok_or_else(|| "unknown type".into())
    })
}

/// What SQLite keeps, as a value of type `ty`.
pub(super) fn read(value: ValueRef<'_>, ty: &Type) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(int) => match ty.base() {
            Type::Bool => Value::Bool(int != 0),
            Type::Float4 | Type::Float8 => Value::Float(int as f64),
            Type::Numeric(_) => Value::text(int.to_string()),
            _ => Value::Int(int),
        },
        ValueRef::Real(float) => Value::Float(float),
        ValueRef::Text(_) if matches!(ty.base(), Type::Float4 | Type::Float8) => Value::Float(f64::NAN),
        ValueRef::Text(bytes) => Value::text(std::str::from_utf8(bytes)?),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
    })
}
