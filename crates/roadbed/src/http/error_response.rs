//! Errors that arise before or around a dialect, in the API's own form.

use std::any::Any;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roadbed_auth::AuthError;

fn respond(status: StatusCode, code: &str, message: &str, hint: Option<&str>) -> Response {
    respond_with(status, code, message, (None, hint))
}

fn respond_with(
    status: StatusCode,
    code: &str,
    message: &str,
    (details, hint): (Option<&str>, Option<&str>),
) -> Response {
    let body = serde_json::json!({ "code": code, "details": details, "hint": hint, "message": message });
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body.to_string()).into_response()
}

/// RFC 6750, section 3, with PostgREST's codes and words.
pub(super) fn unauthorized(error: &AuthError) -> Response {
    let (code, message) = match error {
        AuthError::EmptyToken => ("PGRST301", "Empty JWT is sent in Authorization header".to_owned()),
        AuthError::Malformed { parts } => ("PGRST301", format!("Expected 3 parts in JWT; got {parts}")),
        AuthError::NoKey | AuthError::Signature => ("PGRST301", "No suitable key or wrong key type".to_owned()),
        AuthError::Unsigned => ("PGRST301", "Wrong or unsupported encoding algorithm".to_owned()),
        AuthError::Header | AuthError::Critical => ("PGRST301", "JWT cryptographic operation failed".to_owned()),
        AuthError::Claims => ("PGRST303", "Parsing claims failed".to_owned()),
        AuthError::NotANumber { claim } => ("PGRST303", format!("The JWT '{claim}' claim must be a number")),
        AuthError::AudienceForm => {
            ("PGRST303", "The JWT 'aud' claim must be a string or an array of strings".to_owned())
        }
        AuthError::Expired => ("PGRST303", "JWT expired".to_owned()),
        AuthError::NotYetValid => ("PGRST303", "JWT not yet valid".to_owned()),
        AuthError::IssuedInFuture => ("PGRST303", "JWT issued at future".to_owned()),
        AuthError::Audience => ("PGRST303", "JWT not in audience".to_owned()),
        AuthError::TokenRequired => ("PGRST302", "Anonymous access is disabled".to_owned()),
        AuthError::UnknownApiKey => ("PGRST301", "Invalid API key".to_owned()),
    };
    let challenge = match error {
        AuthError::TokenRequired => "Bearer".to_owned(),
        _ => format!("Bearer error=\"invalid_token\", error_description=\"{message}\""),
    };
    let details = match error {
        AuthError::NoKey => Some("No suitable key was found to decode the JWT"),
        AuthError::Signature => Some("None of the keys was able to decode the JWT"),
        AuthError::Unsigned => Some("JWT is unsecured but expected 'alg' was not 'none'"),
        AuthError::Critical => Some("The header demands extensions in 'crit', of which none is understood"),
        _ => None,
    };
    let mut response = respond_with(StatusCode::UNAUTHORIZED, code, &message, (details, None));
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

pub(crate) async fn not_found() -> Response {
    respond(
        StatusCode::NOT_FOUND,
        "PGRST125",
        "Invalid path specified in request URL",
        Some("The API is at /rest/v1/."),
    )
}

pub(super) fn uri_too_long(length: usize, limit: usize) -> Response {
    let message = format!("the path and query have {length} bytes; {limit} is the limit");
    respond(StatusCode::URI_TOO_LONG, "RB414", &message, None)
}

pub(super) fn headers_too_large(length: usize, limit: usize) -> Response {
    let message = format!("the headers have {length} bytes; {limit} is the limit");
    respond(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "RB431", &message, None)
}

pub(super) fn overloaded() -> Response {
    let message = "the server has more to do than it can";
    let mut response = respond(StatusCode::SERVICE_UNAVAILABLE, "RB503", message, Some("Ask again a little later."));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

pub(super) fn too_many(limit: u32, window: Duration) -> Response {
    let message = format!("more than {limit} requests in {} seconds", window.as_secs());
    respond(StatusCode::TOO_MANY_REQUESTS, "RB429", &message, Some("Ask again when `Retry-After` is over."))
}

pub(super) fn too_many_at_once(limit: usize) -> Response {
    let message = format!("more than {limit} requests of one caller at a time");
    let mut response = respond(StatusCode::TOO_MANY_REQUESTS, "RB429", &message, Some("Wait for their answers."));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// As the dialect says it of what it reads itself.
pub(super) fn body_too_large() -> Response {
    respond(StatusCode::PAYLOAD_TOO_LARGE, "PGRST102", "The body is larger than the server allows", None)
}

pub(super) fn body_broken() -> Response {
    respond(StatusCode::BAD_REQUEST, "PGRST102", "The body could not be read", None)
}

pub(super) fn body_too_slow(limit: Duration) -> Response {
    let message = format!("the body did not come within {} seconds", limit.as_secs());
    respond(StatusCode::REQUEST_TIMEOUT, "RB408", &message, None)
}

pub(super) fn too_slow(limit: Duration) -> Response {
    let message = format!("the request took longer than {} seconds", limit.as_secs());
    respond(StatusCode::GATEWAY_TIMEOUT, "RB504", &message, None)
}

/// Until the database has been reached for the first time; afterwards the dialect says it.
pub(super) async fn no_database() -> Response {
    let message = "Database connection error. Retrying the connection.";
    let mut response = respond(StatusCode::SERVICE_UNAVAILABLE, "PGRST000", message, None);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A fault of ours: the caller learns that it was one, the log what it was.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> axum::http::Response<Body> {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("unknown"), "a request panicked");
    respond(StatusCode::INTERNAL_SERVER_ERROR, "RB500", "internal error", None)
}
