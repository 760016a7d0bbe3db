//! The one home of PostgREST's codes, statuses and wordings: everything that can go wrong in the dialect,
//! as `{"code", "details", "hint", "message"}`.

mod plan;
mod raised;
mod safe;
mod status;

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use roadbed_plan::query::RowsWanted;
use roadbed_plan::{DatabaseError, EngineError, PlanError, RunError};
use serde::Serialize;
use serde_json::Value as Json;

use super::parse::Verb;

/// Why a request is not answered as it wished.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RestError {
    /// The query string does not follow the grammar.
    #[error("{message}: {details}")]
    Syntax { message: String, details: String },
    #[error("the body is not usable: {reason}")]
    Body { reason: String },
    /// The body could not be read to its end: too large, or cut off.
    #[error("the body could not be read")]
    UnreadBody { status: StatusCode },
    #[error("the range cannot be satisfied")]
    Range(RangeError),
    #[error("none of the accepted media types is available")]
    MediaType { accepted: Vec<String> },
    #[error("the method `{method}` is not supported")]
    Method { method: Method },
    #[error("functions do not answer the method `{method}`")]
    CallMethod { method: Method },
    #[error("a preference is not known")]
    Preferences { unknown: Vec<String> },
    #[error("{what}")]
    NotImplemented { what: String, instead: Option<String> },
    #[error("{found} rows")]
    RowCount { wanted: RowsWanted, found: u64 },
    #[error("the `Idempotency-Key` is not usable: {reason}")]
    IdempotencyKey { reason: String },
    #[error("an answer of more than {limit} bytes cannot be kept")]
    AnswerTooLarge { limit: usize },
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("the condition does not hold")]
    Precondition,
    #[error("a POST cannot be conditional")]
    ConditionalPost,
    /// What a step of a batch refers to.
    #[error("`{text}` cannot be used: {reason}")]
    Reference { text: String, reason: String },
    #[error("the method `{method}` is not supported")]
    BatchMethod { method: Method },
    /// In a batch.
    #[error("step {step}: {error}")]
    Step { step: usize, error: Box<RestError> },
    /// In nested rows, which the keys of `place` lead to.
    #[error("{place}: {error}")]
    At { place: String, error: Box<RestError> },
    /// A PUT whose URL has a limit or offset.
    #[error("a limit does not go with PUT")]
    PutLimit,
    /// An update or delete of so many rows, which an order would have to choose.
    #[error("a limit of an update or delete needs an order")]
    LimitWithoutOrder,
    /// A PUT wrote none or several rows.
    #[error("the rows have another key than the URL")]
    PutKey,
    /// A function has set `response.headers` to what is no list of headers.
    #[error("`response.headers` is no list of headers")]
    ResponseHeaders,
    #[error("`response.status` is no status")]
    ResponseStatus,
    #[error("the path names nothing")]
    UnknownPath,
    #[error("the root is not served")]
    NoRoot,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why a range is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeError {
    NegativeLimit,
    LowerAboveUpper,
    OutOfBounds { offset: u64, total: u64 },
}

/// Why a caller's token does not give a session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token, or not signed by a key of ours.
    #[error("{message}")]
    Undecodable { message: Cow<'static, str>, details: Option<String> },
    /// None came, and anonymous access is off.
    #[error("a token is required")]
    Required,
    /// Well signed, but expired, not yet valid, or meant for somebody else.
    #[error("{message}")]
    Claims { message: Cow<'static, str> },
    /// The server has no key to verify with.
    #[error("no key to verify tokens")]
    NoKey,
}

/// Whether a token was shown; who shows none is asked for one where a right is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Anonymous,
    Known,
}

impl RestError {
    pub(super) fn database(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::Plan(DatabaseError::new(sqlstate, message).into())
    }

    /// The same in a step of a batch.
    pub(super) fn in_step(self, step: usize) -> Self {
        Self::Step { step, error: Box::new(self) }
    }

    /// The same in the rows that `place` leads to.
    pub(super) fn at(self, place: &str) -> Self {
        if place.is_empty() { self } else { Self::At { place: place.to_owned(), error: Box::new(self) } }
    }

    /// The error itself, wherever it is.
    fn cause(&self) -> &Self {
        match self {
            Self::Step { error, .. } | Self::At { error, .. } => error.cause(),
            own => own,
        }
    }

    pub(super) fn of_run(error: RunError, wanted: RowsWanted, verb: Verb) -> Self {
        match error {
            RunError::Plan(error) => Self::Plan(error),
            RunError::Engine(EngineError::RowCount { .. }) if verb == Verb::Put => Self::PutKey,
            RunError::Engine(EngineError::RowCount { found }) => Self::RowCount { wanted, found },
            RunError::Engine(error) => Self::Engine(error),
        }
    }
}

/// What the caller reads.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Answer {
    // Sorted as PostgREST writes them.
    code: Cow<'static, str>,
    details: Json,
    hint: Option<String>,
    message: String,
    /// Where in the body's nested rows, and in which step of a batch, where there are such.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<usize>,
    #[serde(skip)]
    status: StatusCode,
}

impl Answer {
    fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            details: Json::Null,
            hint: None,
            message: message.into(),
            place: None,
            step: None,
            status,
        }
    }

    fn details(mut self, details: impl Into<Json>) -> Self {
        self.details = details.into();
        self
    }

    fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// The response that tells `error` to `caller`; what is private is logged here instead.
pub fn response(error: &RestError, caller: Caller) -> Response {
    let answer = answer(error, caller);
    if answer.status.is_server_error() {
        tracing::error!(code = %answer.code, reason = reason(error), "request failed");
    }
    let mut response = (answer.status, body(&answer)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Ok(value) = HeaderValue::from_str(&format!("Roadbed; error={}", answer.code)) {
        headers.insert(HeaderName::from_static("proxy-status"), value);
    }
    if let RestError::Engine(EngineError::Database(error)) | RestError::Plan(PlanError::Database(error)) = error {
        raised::put_headers(error, headers);
    }
    match error {
        RestError::Method { .. } => _ = headers.insert(ALLOW, HeaderValue::from_static(super::routes::ALLOWED)),
        RestError::BatchMethod { .. } => _ = headers.insert(ALLOW, HeaderValue::from_static("POST")),
        _ => {}
    }
    if let Some(value) = challenge(error, &answer) {
        headers.insert(WWW_AUTHENTICATE, value);
    }
    if let Some(delay) = retry_after(error) {
        // A part of a second is a whole one: the header counts in seconds.
        headers.insert(RETRY_AFTER, HeaderValue::from(delay.as_millis().div_ceil(1000) as u64));
    }
    response
}

/// What the log may say: the database's own words hold values.
fn reason(error: &RestError) -> String {
    match error.cause() {
        RestError::Engine(EngineError::Database(error)) | RestError::Plan(PlanError::Database(error)) => {
            format!("SQLSTATE {}", error.sqlstate)
        }
        error => error.to_string(),
    }
}

/// The JSON text of an error alone, for answers that bring their own headers.
pub(super) fn payload(error: &RestError) -> Vec<u8> {
    body(&answer(error, Caller::Known))
}

fn body(answer: &Answer) -> Vec<u8> {
    serde_json::to_vec(answer).expect("strings and JSON values always serialize")
}

fn challenge(error: &RestError, answer: &Answer) -> Option<HeaderValue> {
    match error {
        RestError::Token(TokenError::Undecodable { message, .. } | TokenError::Claims { message }) => {
            let text = format!("Bearer error=\"invalid_token\", error_description={message:?}");
            HeaderValue::from_str(&text).ok()
        }
        RestError::Token(TokenError::NoKey) => None,
        _ => (answer.status == StatusCode::UNAUTHORIZED).then(|| HeaderValue::from_static("Bearer")),
    }
}

fn retry_after(error: &RestError) -> Option<Duration> {
    match error.cause() {
        RestError::Engine(
            EngineError::Unavailable { retry_after, .. }
            | EngineError::Busy { retry_after }
            | EngineError::KeyInUse { retry_after },
        ) => Some(*retry_after),
        _ => None,
    }
}

fn answer(error: &RestError, caller: Caller) -> Answer {
    use StatusCode as S;
    match error {
        RestError::Syntax { message, details } => {
            Answer::new(S::BAD_REQUEST, "PGRST100", message).details(details.as_str())
        }
        RestError::Body { reason } => Answer::new(S::BAD_REQUEST, "PGRST102", reason),
        RestError::UnreadBody { status } if *status == S::PAYLOAD_TOO_LARGE => {
            Answer::new(*status, "PGRST102", "The body is larger than the server allows")
        }
        RestError::UnreadBody { status } => Answer::new(*status, "PGRST102", "The body could not be read"),
        RestError::Range(error) => range(*error),
        RestError::MediaType { accepted } => {
            let list = accepted.join(", ");
            Answer::new(S::NOT_ACCEPTABLE, "PGRST107", format!("None of these media types are available: {list}"))
        }
        RestError::Method { method } | RestError::BatchMethod { method } => {
            Answer::new(S::METHOD_NOT_ALLOWED, "PGRST117", format!("Unsupported HTTP method: {method}"))
        }
        RestError::CallMethod { method } => {
            Answer::new(S::METHOD_NOT_ALLOWED, "PGRST101", format!("Cannot use the {method} method on RPC"))
        }
        RestError::Preferences { unknown } => {
            let details = format!("Invalid preferences: {}", unknown.join(", "));
            Answer::new(S::BAD_REQUEST, "PGRST122", "Invalid preferences given with handling=strict").details(details)
        }
        RestError::NotImplemented { what, instead } => not_implemented(what.as_str(), instead.clone()),
        RestError::RowCount { wanted, found } => row_count(*wanted, *found),
        RestError::IdempotencyKey { .. }
        | RestError::AnswerTooLarge { .. }
        | RestError::Precondition
        | RestError::Reference { .. }
        | RestError::ConditionalPost => safe::answer(error),
        RestError::Step { step, error } => Answer { step: Some(*step), ..answer(error, caller) },
        RestError::At { place, error } => Answer { place: Some(place.clone()), ..answer(error, caller) },
        RestError::LimitWithoutOrder => {
            let message = "A 'limit' was applied without an explicit 'order'";
            Answer::new(S::BAD_REQUEST, "PGRST109", message).hint("Apply an 'order' using unique column(s)".to_owned())
        }
        RestError::PutLimit => {
            let message = "limit/offset querystring parameters are not allowed for PUT";
            Answer::new(S::BAD_REQUEST, "PGRST114", message)
        }
        RestError::PutKey => put_key(),
        RestError::ResponseHeaders => {
            let message =
                "response.headers guc must be a JSON array composed of objects with a single key and a string value";
            Answer::new(S::INTERNAL_SERVER_ERROR, "PGRST111", message)
        }
        RestError::ResponseStatus => {
            Answer::new(S::INTERNAL_SERVER_ERROR, "PGRST112", "response.status guc must be a valid status code")
        }
        RestError::UnknownPath => Answer::new(S::NOT_FOUND, "PGRST125", "Invalid path specified in request URL"),
        RestError::NoRoot => Answer::new(S::NOT_FOUND, "PGRST126", "Root endpoint metadata is disabled"),
        RestError::Token(error) => token(error),
        RestError::Plan(error) => plan::answer(error, caller),
        RestError::Engine(error) => engine(error, caller),
    }
}

fn put_key() -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, "PGRST115", "Payload values do not match URL in primary key column(s)")
}

fn not_implemented(what: &str, instead: Option<String>) -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, "PGRST127", "Feature not implemented").details(what).hint(instead)
}

fn range(error: RangeError) -> Answer {
    let details: Cow<'static, str> = match error {
        RangeError::NegativeLimit => "Limit should be greater than or equal to zero.".into(),
        RangeError::LowerAboveUpper => {
            "The lower boundary must be lower than or equal to the upper boundary in the Range header.".into()
        }
        RangeError::OutOfBounds { offset, total } => {
            format!("An offset of {offset} was requested, but there are only {total} rows.").into()
        }
    };
    Answer::new(StatusCode::RANGE_NOT_SATISFIABLE, "PGRST103", "Requested range not satisfiable").details(details)
}

fn row_count(wanted: RowsWanted, found: u64) -> Answer {
    match wanted {
        RowsWanted::AtMost(_) => {
            let message = "Query result exceeds max-affected preference constraint";
            let details = format!("The query affects {found} rows");
            Answer::new(StatusCode::BAD_REQUEST, "PGRST124", message).details(details)
        }
        RowsWanted::ExactlyOne | RowsWanted::Any => {
            let message = "Cannot coerce the result to a single JSON object";
            let details = format!("The result contains {found} rows");
            Answer::new(StatusCode::NOT_ACCEPTABLE, "PGRST116", message).details(details)
        }
    }
}

fn token(error: &TokenError) -> Answer {
    match error {
        TokenError::Undecodable { message, details } => {
            let details = details.clone().map_or(Json::Null, Json::String);
            Answer::new(StatusCode::UNAUTHORIZED, "PGRST301", message.as_ref()).details(details)
        }
        TokenError::Required => Answer::new(StatusCode::UNAUTHORIZED, "PGRST302", "Anonymous access is disabled"),
        TokenError::Claims { message } => Answer::new(StatusCode::UNAUTHORIZED, "PGRST303", message.as_ref()),
        TokenError::NoKey => Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "PGRST300", "Server lacks JWT secret"),
    }
}

fn engine(error: &EngineError, caller: Caller) -> Answer {
    match error {
        EngineError::Database(error) => database(error, caller),
        EngineError::RowCount { found } => row_count(RowsWanted::ExactlyOne, *found),
        EngineError::Unavailable { .. } => {
            let message = "Database connection error. Retrying the connection.";
            Answer::new(StatusCode::SERVICE_UNAVAILABLE, "PGRST000", message)
        }
        EngineError::SchemaChanged | EngineError::Busy { .. } => {
            let message = "Timed out acquiring connection from connection pool.";
            Answer::new(StatusCode::SERVICE_UNAVAILABLE, "PGRST003", message)
        }
        EngineError::KeyReused | EngineError::KeyInUse { .. } | EngineError::NoKeys { .. } => safe::key(error),
        EngineError::GivenUp | EngineError::Internal { .. } => {
            Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "PGRSTX00", "Internal error")
        }
    }
}

fn database(error: &DatabaseError, caller: Caller) -> Answer {
    if error.sqlstate == raised::SQLSTATE {
        return raised::answer(error);
    }
    Answer::new(status::of_database(error, caller), error.sqlstate.clone(), error.message.clone())
        .details(error.details.clone().map_or(Json::Null, Json::String))
        .hint(error.hint.clone())
}

#[cfg(test)]
mod tests;

/// Status, code, message, details and hint in a line.
#[cfg(test)]
pub(super) fn summary(error: &RestError, caller: Caller) -> String {
    let Answer { code, details, hint, message, status, .. } = answer(error, caller);
    let details = match details {
        Json::Null => String::new(),
        Json::String(text) => format!("; {text}"),
        other => format!("; {other}"),
    };
    let hint = hint.map(|hint| format!("; hint: {hint}")).unwrap_or_default();
    format!("{} {code} {message}{details}{hint}", status.as_u16())
}
