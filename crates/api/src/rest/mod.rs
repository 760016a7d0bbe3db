//! The REST dialect: PostgREST 16's grammar, answers and errors.
//! A request becomes a `Query`, the one door runs it, and its outcome becomes a response.
//! Knows no SQL, no permission and no engine.

pub mod error;
mod parse;
mod read_in_body;
mod respond;
mod root;
mod routes;
mod safe;
mod settings;
mod strip_nulls;

pub(crate) use parse::escaped;
pub(crate) use safe::STEP_HEADERS;

pub use error::{Caller, RestError, TokenError};
pub use root::openapi;
pub use routes::{Rest, RestSettings, TxEnd, routes};
pub use safe::SafeLimits;

/// What a request asks, for those who want to know more than its answer.
///
/// # Errors
/// When the request does not follow the dialect's grammar.
pub fn query_of(
    settings: &RestSettings,
    parts: &http::request::Parts,
    body: axum::body::Bytes,
) -> Result<roadbed_plan::Query, RestError> {
    let wanted = match parts.uri.path().starts_with("/rpc/") {
        true => parse::call(settings, parts, body)?,
        false => parse::request(settings, parts, body)?,
    };
    Ok(wanted.query)
}
