//! Reads whose query is too long for a URL: it comes in the body, in the form of a query string, with the method
//! `QUERY` (draft-ietf-httpbis-safe-method-w-body), or with `POST` and `X-HTTP-Method-Override: QUERY`.

use axum::body::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::error::RestError;
use super::parse::LongQuery;

const QUERY: &str = "QUERY";
const OVERRIDE: &str = "x-http-method-override";
const FORM: &str = "application/x-www-form-urlencoded";

/// The request as the `GET` that it stands for; any other is left as it is.
pub(super) fn unpacked(mut parts: Parts, body: Bytes) -> Result<(Parts, Bytes), RestError> {
    let overridden = parts.headers.get(OVERRIDE).is_some_and(|method| method.as_bytes().eq_ignore_ascii_case(b"QUERY"));
    let is_read = parts.method.as_str() == QUERY || (parts.method == Method::POST && overridden);
    if !is_read {
        return Ok((parts, body));
    }
    let media = parts.headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let media = media.as_deref().unwrap_or(FORM).split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case(FORM) {
        return Err(RestError::Body { reason: format!("Content-Type not acceptable: {media}") });
    }
    let text = std::str::from_utf8(&body).map_err(|_| RestError::Body { reason: "The query is not UTF-8".into() })?;
    let text = text.trim_end_matches(['\r', '\n']);
    let query = match parts.uri.query() {
        Some(query) => format!("{query}&{text}"),
        None => text.to_owned(),
    };
    parts.method = Method::GET;
    parts.extensions.insert(LongQuery(query));
    Ok((parts, Bytes::new()))
}
