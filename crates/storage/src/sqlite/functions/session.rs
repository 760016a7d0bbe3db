//! The caller's session as functions see it: `auth.uid()`, claims, settings, `now()`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadbed_plan::expr::SessionValue;
use roadbed_plan::value::parse;
use roadbed_plan::{Clock, DatabaseError, Session, Type, Value};
use rusqlite::Connection;
use rusqlite::functions::Context;
use serde_json::Value as Json;

use super::{CHANGING, answer};

/// Who runs statements when nobody does: migrations and seeds, as PostgreSQL's own superuser is called.
const OWNER: &str = "postgres";

/// The session that a connection works for at the moment.
#[derive(Clone, Default)]
pub(crate) struct ConnectionSession(Arc<Mutex<Option<Current>>>);

#[derive(Clone)]
struct Current {
    session: Session,
    now: i64,
}

impl ConnectionSession {
    /// From now on functions answer for `session`; `now` is a canonical `timestamptz`.
    pub(crate) fn start(&self, session: &Session, now: i64) {
        *self.lock() = Some(Current { session: session.clone(), now });
    }

    /// Nobody is asking any more.
    pub(crate) fn clear(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        // A value that is only ever replaced as a whole cannot be left half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn value(&self, wanted: &SessionValue, clock: &Clock) -> Result<Value, DatabaseError> {
        let current = self.lock();
        match (&*current, wanted) {
            (Some(current), wanted) => session_value(wanted, &current.session, current.now),
            (None, SessionValue::Now) => Ok(Value::Int(clock.timestamptz())),
            (None, SessionValue::User) => Ok(Value::text(OWNER)),
            (None, SessionValue::Jwt) => Ok(Value::text("{}")),
            (None, SessionValue::Uid | SessionValue::Role | SessionValue::Email | SessionValue::Setting(_)) => {
                Ok(Value::Null)
            }
        }
    }
}

/// What `session` answers, in the canonical form of the value's type.
///
/// # Errors
/// When the claim `sub` is no uuid, as the `auth.uid()` of PostgreSQL fails.
pub(crate) fn session_value(wanted: &SessionValue, session: &Session, now: i64) -> Result<Value, DatabaseError> {
    let claim = |name| session.claims.map.get(name).and_then(claim_text);
    let text = |text: Option<String>| text.map_or(Value::Null, Value::text);
    Ok(match wanted {
        SessionValue::Uid => match claim("sub").filter(|sub| !sub.is_empty()) {
            Some(sub) => parse(&sub, &Type::Uuid, &Clock::System)?,
            None => Value::Null,
        },
        SessionValue::Role => text(claim("role")),
        SessionValue::Email => text(claim("email")),
        SessionValue::Jwt => parse(&claims_text(session), &Type::Jsonb, &Clock::System)?,
        SessionValue::Setting(name) => text(setting(name, session)),
        SessionValue::User => Value::text(&*session.role),
        SessionValue::Now => Value::Int(now),
    })
}

/// A claim as `->>` gives it.
fn claim_text(claim: &Json) -> Option<String> {
    match claim {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn claims_text(session: &Session) -> String {
    if session.claims.text.is_empty() { "{}".to_owned() } else { session.claims.text.clone() }
}

/// `current_setting(name, true)`.
fn setting(name: &str, session: &Session) -> Option<String> {
    match name {
        "request.jwt.claims" => Some(session.claims.text.clone()),
        "request.method" => Some(session.request.method.clone()),
        "request.path" => Some(session.request.path.clone()),
        "request.headers" => Some(session.request.headers.clone()),
        "request.cookies" => Some(session.request.cookies.clone()),
        "role" => Some(session.role.to_string()),
        "timezone" | "TimeZone" => Some("UTC".to_owned()),
        _ => None,
    }
}

pub(super) fn register(connection: &Connection, session: &ConnectionSession, clock: &Clock) -> rusqlite::Result<()> {
    for (name, wanted) in [
        ("session_uid", SessionValue::Uid),
        ("session_role", SessionValue::Role),
        ("session_email", SessionValue::Email),
        ("session_jwt", SessionValue::Jwt),
        ("session_user", SessionValue::User),
        ("session_now", SessionValue::Now),
    ] {
        let (session, clock) = (session.clone(), clock.clone());
        connection
            .create_scalar_function(name, 0, CHANGING, move |_: &Context<'_>| answer(session.value(&wanted, &clock)))?;
    }
    let (settings, time) = (session.clone(), clock.clone());
    connection.create_scalar_function("session_setting", 1, CHANGING, move |ctx: &Context<'_>| {
        let name: String = ctx.get(0)?;
        answer(settings.value(&SessionValue::Setting(name.into()), &time))
    })?;
    let clock = clock.clone();
    connection.create_scalar_function(
        "clock_timestamp",
        0,
        CHANGING,
        move |_: &Context<'_>| Ok(clock.timestamptz()),
    )?;
    connection.create_scalar_function("gen_random_uuid", 0, CHANGING, |_: &Context<'_>| {
        Ok(uuid::Uuid::new_v4().to_string())
    })?;
    connection.create_scalar_function("random_float", 0, CHANGING, |_: &Context<'_>| {
        // 52 random bits below 1, from the uuid's random part.
        let bits = uuid::Uuid::new_v4().as_u128() & ((1 << 52) - 1);
        Ok(bits as f64 / (1u64 << 52) as f64)
    })
}
