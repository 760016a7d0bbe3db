//! The paths under which relations are served: `/{relation}`, relative to where the program mounts them.
//! The caller's `Session` arrives as a request extension, put there by whoever verified the token.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Router, http};
use http::header::{ALLOW, HeaderName, VARY};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use roadbed_plan::query::Target;
use roadbed_plan::terms::Explain;
use roadbed_plan::{Database, Observed, Session, Stage, Terms};

use super::error::{self, Caller, RestError};
use super::parse::{Media, Offer, PlanOffer, Verb, Wanted};
use super::root;
use super::safe::{self, Care, Conditions, Sent};
use super::{parse, read_in_body, respond};
use crate::describe::Documents;

pub use super::settings::{RestSettings, TxEnd};

/// The methods that relations answer.
pub(super) const ALLOWED: &str = "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE";

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The methods that functions answer, if they may change data, and if they may not.
const ALLOWED_VOLATILE: &str = "OPTIONS,POST";
const ALLOWED_STABLE: &str = "OPTIONS,GET,HEAD,POST";

/// What the dialect works with.
#[derive(Clone, Debug)]
pub struct Rest {
    pub database: Arc<Database>,
    pub settings: RestSettings,
    pub documents: Arc<Documents>,
}

/// Serves every relation of the exposed schemas under its name.
pub fn routes(rest: Rest) -> Router {
    Router::new()
        .route("/", any(root::root))
        .route("/{relation}", any(relation))
        .route("/rpc/{function}", any(function))
        // A table's path has one segment.
        .route("/batch/v1", any(batch))
        .fallback(unknown_path)
        .with_state(Arc::new(rest))
}

async fn relation(State(rest): State<Arc<Rest>>, Extension(session): Extension<Session>, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    let answer = answer(&rest, &session, request).await;
    finished(&rest, &session, (answer.unwrap_or_else(|error| refused(&rest, &session, &error)), head))
}

/// With what every answer has.
fn finished(rest: &Rest, session: &Session, (mut answer, head): (Response, bool)) -> Response {
    answer.headers_mut().append(VARY, HeaderValue::from_static("Accept, Prefer, Range"));
    if rest.settings.server_timing
        && let Ok(value) = HeaderValue::try_from(timing(&session.observed))
    {
        answer.headers_mut().insert(SERVER_TIMING, value);
    }
    if head { answer.map(|_| Body::empty()) } else { answer }
}

async fn answer(rest: &Rest, session: &Session, request: Request) -> Result<Response, RestError> {
    let (parts, body) = read(session, request).await?;
    if parts.method == Method::OPTIONS {
        return uses(rest, session, &parts);
    }
    let parsing = session.observed.time(Stage::Parse);
    let (parts, body) = read_in_body::unpacked(parts, body)?;
    let wanted = parse::request_with(&rest.settings, &parts, body.clone(), |target, verb| offer(rest, target, verb))?;
    drop(parsing);
    if wanted.reply.verb != Verb::Read {
        let care = Care::of(&rest.settings, &parts)?;
        if !care.is_none() || rest.database.is_nested(session, &wanted.query) {
            refuse_with_care(&rest.settings, &wanted.reply)?;
            return safe::write(rest, Sent { session, parts: &parts, body: &body }, wanted, care).await;
        }
    }
    let Wanted { query, mut reply } = wanted;
    if reply.verb == Verb::Insert && reply.preferences.resolution.is_some() {
        reply.has_key = has_key(rest, &query);
    }
    let terms = terms(&rest.settings, &reply);
    let outcome = rest.database.run_on(session, query, terms).await;
    let outcome = outcome.map_err(|error| RestError::of_run(error, reply.rows_wanted, reply.verb))?;
    let _responding = session.observed.time(Stage::Respond);
    let rows = outcome.rows;
    let answer = respond::response(outcome, &reply)?;
    let answer = if reply.verb == Verb::Read { Conditions::of(&parts.headers).apply(answer, rows)? } else { answer };
    Ok(answer.map(Body::from))
}

/// What is kept under a key, tested by its tag or made of several questions is the usual answer of a write that stays.
pub(super) fn refuse_with_care(settings: &RestSettings, reply: &parse::Reply) -> Result<(), RestError> {
    if terms(settings, reply) == Terms::default() {
        return Ok(());
    }
    let what = "`Idempotency-Key`, `If-Match` and `If-None-Match` of a write, nested rows and batches do not go with \
                another form than JSON, a time zone or a rollback";
    Err(RestError::NotImplemented { what: what.into(), instead: None })
}

fn terms(settings: &RestSettings, reply: &parse::Reply) -> Terms {
    let explain: Option<Explain> = match &reply.media {
        Media::Plan { explain, .. } => Some(explain.clone()),
        Media::Json(_) | Media::Object(_) | Media::Csv | Media::Handled { .. } => None,
    };
    Terms {
        form: reply.media.form(),
        zone: reply.preferences.zone.clone(),
        ending: reply.preferences.ending.unwrap_or(settings.tx_end.ending()),
        explain,
    }
}

/// Whether an upsert has anything that rows could conflict with.
fn has_key(rest: &Rest, query: &roadbed_plan::Query) -> bool {
    let roadbed_plan::Query::Insert(insert) = query else { return true };
    let named = insert.conflict.as_ref().is_some_and(|conflict| conflict.columns.is_some());
    let schema = rest.database.schema();
    let relation = schema.find(&insert.target.schema, &insert.target.name);
    named || relation.is_some_and(|relation| relation.primary_key.is_some())
}

/// The forms of answers that a relation has beside the usual ones.
fn offer(rest: &Rest, target: &Target, verb: Verb) -> Offer {
    Offer { plans: plans(rest, verb == Verb::Read), handlers: rest.database.relation_offer(target) }
}

/// Which plans are told; engines that tell only those of reads would carry out what else they are asked for.
fn plans(rest: &Rest, is_read: bool) -> PlanOffer {
    match (rest.settings.plan_enabled, rest.database.engine().capabilities().explains_all, is_read) {
        (false, _, _) | (true, false, false) => PlanOffer::None,
        (true, true, _) => PlanOffer::TextAndJson,
        (true, false, true) => PlanOffer::Text,
    }
}

/// The methods that the relation has a use for.
fn uses(rest: &Rest, session: &Session, parts: &Parts) -> Result<Response, RestError> {
    let target = parse::target(&rest.settings, parts)?;
    let uses = rest.database.relation_uses(session, &target)?;
    let allowed = match (uses.writable, uses.has_key) {
        (true, true) => ALLOWED,
        (true, false) => "OPTIONS,GET,HEAD,POST,PATCH,DELETE",
        (false, _) => "OPTIONS,GET,HEAD",
    };
    Ok((StatusCode::OK, [(ALLOW, HeaderValue::from_static(allowed))]).into_response())
}

/// The whole body, within the limits that the program has set.
async fn read(session: &Session, request: Request) -> Result<(Parts, Bytes), RestError> {
    let (parts, body) = request.into_parts();
    if matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS) {
        return Ok((parts, Bytes::new()));
    }
    // The limit travels in the extensions, so that the body is read as part of a request that has them.
    let mut whole = Request::new(body);
    *whole.extensions_mut() = parts.extensions.clone();
    let body = Bytes::from_request(whole, &()).await;
    let body = body.map_err(|rejection| RestError::UnreadBody { status: rejection.status() })?;
    session.observed.note_body(body.len());
    Ok((parts, body))
}

/// How long the parts of a request took, in milliseconds, under PostgREST's names.
fn timing(observed: &Observed) -> String {
    let parts: [(&str, &[Stage]); 5] = [
        ("jwt", &[Stage::Identify]),
        ("parse", &[Stage::Parse]),
        ("plan", &[Stage::Plan]),
        ("transaction", &[Stage::Wait, Stage::Run]),
        ("response", &[Stage::Respond]),
    ];
    let seconds = |stages: &[Stage]| stages.iter().map(|stage| observed.spent(*stage).as_secs_f64()).sum::<f64>();
    parts.map(|(name, stages)| format!("{name};dur={:.1}", seconds(stages) * 1000.0)).join(", ")
}

async fn function(State(rest): State<Arc<Rest>>, Extension(session): Extension<Session>, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    let answer = call(&rest, &session, request).await;
    finished(&rest, &session, (answer.unwrap_or_else(|error| refused(&rest, &session, &error)), head))
}

async fn call(rest: &Rest, session: &Session, request: Request) -> Result<Response, RestError> {
    let options = request.method() == Method::OPTIONS;
    let (parts, body) = read(session, request).await?;
    let parsing = session.observed.time(Stage::Parse);
    let wanted = parse::call_with(&rest.settings, &parts, body.clone(), |target, arguments| {
        let (handlers, is_query) = rest.database.call_offer(target, arguments);
        Offer { plans: plans(rest, is_query), handlers }
    })?;
    drop(parsing);
    if options {
        let volatile = rest.database.may_change_data(session, &wanted.query).map_err(RestError::Plan)?;
        let allowed = if volatile { ALLOWED_VOLATILE } else { ALLOWED_STABLE };
        return Ok((StatusCode::OK, [(ALLOW, HeaderValue::from_static(allowed))]).into_response());
    }
    if parts.method == Method::POST {
        let care = Care::of(&rest.settings, &parts)?;
        if !care.is_none() {
            refuse_with_care(&rest.settings, &wanted.reply)?;
            return safe::write(rest, Sent { session, parts: &parts, body: &body }, wanted, care).await;
        }
    }
    let Wanted { query, reply } = wanted;
    let outcome = rest.database.run_on(session, query, terms(&rest.settings, &reply)).await;
    let outcome = outcome.map_err(|error| RestError::of_run(error, reply.rows_wanted, reply.verb))?;
    let _responding = session.observed.time(Stage::Respond);
    Ok(respond::response(outcome, &reply)?.map(Body::from))
}

async fn batch(State(rest): State<Arc<Rest>>, Extension(session): Extension<Session>, request: Request) -> Response {
    let answer = async {
        let (parts, body) = read(&session, request).await?;
        safe::batch(&rest, Sent { session: &session, parts: &parts, body: &body }).await
    };
    answer.await.unwrap_or_else(|error| refused(&rest, &session, &error))
}

pub(super) fn refused(rest: &Rest, session: &Session, error: &RestError) -> Response {
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
