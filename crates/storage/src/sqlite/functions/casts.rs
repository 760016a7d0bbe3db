//! Conversions between types that SQLite does not do itself, and the checks of domains.

use roadbed_plan::value::cast;
use roadbed_plan::{Clock, DatabaseError};
use rusqlite::Connection;
use rusqlite::functions::Context;
use rusqlite::types::{Value as SqlValue, ValueRef};

use super::arrays::array_of;
use super::call::{read, type_at};
use super::{PURE, answer, failure};

pub(super) fn register(connection: &Connection, clock: &Clock) -> rusqlite::Result<()> {
    let clock = clock.clone();
    connection.create_scalar_function("pg_cast", 3, PURE, move |ctx: &Context<'_>| {
        if ctx.get_raw(0) == ValueRef::Null {
            return Ok(SqlValue::Null);
        }
        let (from, to) = (type_at(ctx, 1)?, type_at(ctx, 2)?);
        answer(cast(&read(ctx.get_raw(0), &from)?, &from, &to, &clock))
    })?;
    connection.create_scalar_function("pg_array", -1, PURE, |ctx: &Context<'_>| {
        let ty = type_at(ctx, 0)?;
        let items = (1..ctx.len()).map(|index| read(ctx.get_raw(index), &ty)).collect::<rusqlite::Result<Vec<_>>>()?;
        answer(Ok(array_of(&items, &ty)))
    })?;
    connection.create_scalar_function("pg_domain_check", 4, PURE, |ctx: &Context<'_>| {
        if ctx.get::<Option<bool>>(1)? != Some(false) {
            return ctx.get::<SqlValue>(0);
        }
        let (domain, check): (String, String) = (ctx.get(2)?, ctx.get(3)?);
        let message = format!("value for domain {domain} violates check constraint \"{check}\"");
        Err(failure(&DatabaseError::new("23514", message)))
    })?;
    connection.create_scalar_function("pg_domain_not_null", 2, PURE, |ctx: &Context<'_>| {
        if ctx.get_raw(0) != ValueRef::Null {
            return ctx.get::<SqlValue>(0);
        }
        let domain: String = ctx.get(1)?;
        Err(failure(&DatabaseError::new("23502", format!("domain {domain} does not allow null values"))))
    })
}
