//! The paths under which relations are served: `/{relation}`, relative to where the program mounts them.
//! The caller's `Session` arrives as a request extension, put there by whoever verified the token.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Router, http};
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use roadbed_plan::{Database, Session};

use super::error::{self, Caller, RestError};
use super::parse::Verb;
use super::safe::{self, Care, Conditions, SafeLimits, Sent};
use super::{parse, respond};

/// The methods that relations answer.
pub(super) const ALLOWED: &str = "OPTIONS,GET,HEAD,POST,PATCH,DELETE";

/// The methods that functions answer, if they may change data, and if they may not.
const ALLOWED_VOLATILE: &str = "OPTIONS,POST";
const ALLOWED_STABLE: &str = "OPTIONS,GET,HEAD,POST";

/// What the dialect works with.
#[derive(Clone, Debug)]
pub struct Rest {
    pub database: Arc<Database>,
    pub settings: RestSettings,
}

#[derive(Clone, Debug)]
pub struct RestSettings {
    /// The exposed schemas, the first being the one that is meant when the caller names none.
    pub schemas: Vec<String>,
    /// The role of callers without a token: to them, a missing right is answered with 401 rather than 403.
    pub anonymous_role: String,
    pub safe: SafeLimits,
}

impl Default for RestSettings {
    fn default() -> Self {
        Self { schemas: vec!["public".into()], anonymous_role: "anon".into(), safe: SafeLimits::default() }
    }
}

/// Serves every relation of the exposed schemas under its name.
pub fn routes(rest: Rest) -> Router {
    Router::new()
        .route("/", any(root))
        .route("/{relation}", any(relation))
        .route("/rpc/{function}", any(function))
        // A table's path has one segment.
        .route("/batch/v1", any(batch))
        .fallback(unknown_path)
        .with_state(Arc::new(rest))
}

async fn relation(State(rest): State<Arc<Rest>>, Extension(session): Extension<Session>, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    let answer = answer(&rest, &session, request).await.unwrap_or_else(|error| refused(&rest, &session, &error));
    if head { answer.map(|_| Body::empty()) } else { answer }
}

async fn answer(rest: &Rest, session: &Session, request: Request) -> Result<Response, RestError> {
    if request.method() == Method::OPTIONS {
        return Ok((StatusCode::OK, [(ALLOW, HeaderValue::from_static(ALLOWED))]).into_response());
    }
    let (parts, body) = read(request).await?;
    let wanted = parse::request(&rest.settings, &parts, body.clone())?;
    if wanted.reply.verb != Verb::Read {
        let care = Care::of(&rest.settings, &parts)?;
        if !care.is_none() || rest.database.is_nested(session, &wanted.query) {
            return safe::write(rest, Sent { session, parts: &parts, body: &body }, wanted, care).await;
        }
    }
    let rows_wanted = wanted.reply.rows_wanted;
    let outcome = rest.database.run(session, wanted.query).await;
    let outcome = outcome.map_err(|error| RestError::of_run(error, rows_wanted))?;
    let rows = outcome.rows;
    let answer = respond::response(outcome, &wanted.reply);
    let answer =
        if wanted.reply.verb == Verb::Read { Conditions::of(&parts.headers).apply(answer, rows)? } else { answer };
    Ok(answer.map(Body::from))
}

/// The whole body, within the limits that the program has set.
async fn read(request: Request) -> Result<(Parts, Bytes), RestError> {
    let (parts, body) = request.into_parts();
    if matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE) {
        return Ok((parts, Bytes::new()));
    }
    // The limit travels in the extensions, so that the body is read as part of a request that has them.
    let mut whole = Request::new(body);
    *whole.extensions_mut() = parts.extensions.clone();
    let body = Bytes::from_request(whole, &()).await;
    body.map(|body| (parts, body)).map_err(|rejection| RestError::UnreadBody { status: rejection.status() })
}

async fn root() -> Response {
    error::response(&RestError::NoRoot, Caller::Known)
}

async fn function(State(rest): State<Arc<Rest>>, Extension(session): Extension<Session>, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    let answer = call(&rest, &session, request).await.unwrap_or_else(|error| refused(&rest, &session, &error));
    if head { answer.map(|_| Body::empty()) } else { answer }
}

async fn call(rest: &Rest, session: &Session, request: Request) -> Result<Response, RestError> {
    let options = request.method() == Method::OPTIONS;
    let (parts, body) = read(request).await?;
    let wanted = parse::call(&rest.settings, &parts, body.clone())?;
    if options {
        let volatile = rest.database.may_change_data(session, &wanted.query).map_err(RestError::Plan)?;
        let allowed = if volatile { ALLOWED_VOLATILE } else { ALLOWED_STABLE };
        return Ok((StatusCode::OK, [(ALLOW, HeaderValue::from_static(allowed))]).into_response());
    }
    if parts.method == Method::POST {
        let care = Care::of(&rest.settings, &parts)?;
        if !care.is_none() {
            return safe::write(rest, Sent { session, parts: &parts, body: &body }, wanted, care).await;
        }
    }
    let rows_wanted = wanted.reply.rows_wanted;
    let outcome = rest.database.run(session, wanted.query).await;
    let outcome = outcome.map_err(|error| RestError::of_run(error, rows_wanted))?;
    Ok(respond::response(outcome, &wanted.reply).map(Body::from))
}

async fn batch(State(rest): State<Arc<Rest>>, Extension(session): Extension<Session>, request: Request) -> Response {
    let answer = async {
        let (parts, body) = read(request).await?;
        safe::batch(&rest, Sent { session: &session, parts: &parts, body: &body }).await
    };
    answer.await.unwrap_or_else(|error| refused(&rest, &session, &error))
}

fn refused(rest: &Rest, session: &Session, error: &RestError) -> Response {
    let caller = match session.role.as_ref() == rest.settings.anonymous_role {
        true => Caller::Anonymous,
        false => Caller::Known,
    };
    error::response(error, caller)
}

async fn unknown_path() -> Response {
    error::response(&RestError::UnknownPath, Caller::Known)
}

#[cfg(test)]
mod tests;
