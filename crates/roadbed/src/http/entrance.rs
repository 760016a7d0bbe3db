//! What every request passes first and every answer last: who asks is found out, heads that no real request needs are
//! refused, and browsers are told what they may do with the answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::caller::Proxies;
use super::error_response;
use crate::observe::REQUEST_ID;

/// What a line of a header has beside its name and value.
const LINE_EXTRA: usize = ": \r\n".len();

/// Who is believed about callers, and what browsers are told.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    proxies: Proxies,
    always: Vec<(HeaderName, HeaderValue)>,
    /// `Strict-Transport-Security`, which is only to be said over an encrypted connection (RFC 6797, section 7.2).
    secure: Option<HeaderValue>,
}

impl Entrance {
    pub(crate) fn new(proxies: Proxies, frame_ancestors: &str, hsts_seconds: u64) -> Self {
        let mut always = vec![
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        ];
        let policy = HeaderValue::try_from(format!("frame-ancestors {frame_ancestors}"));
        if let (false, Ok(policy)) = (frame_ancestors.is_empty(), policy) {
            always.push((header::CONTENT_SECURITY_POLICY, policy));
        }
        let secure = format!("max-age={hsts_seconds}");
        Self { proxies, always, secure: HeaderValue::try_from(secure).ok().filter(|_| hsts_seconds > 0) }
    }

    /// What the answer says itself stays.
    fn tell(&self, headers: &mut HeaderMap, is_secure: bool) {
        let secure = self.secure.iter().filter(|_| is_secure).map(|value| (header::STRICT_TRANSPORT_SECURITY, value));
        let always = self.always.iter().map(|(name, value)| (name.clone(), value));
        for (name, value) in always.chain(secure) {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
}

pub(super) async fn enter(State(entrance): State<Arc<Entrance>>, mut request: Request, next: Next) -> Response {
    let caller = entrance.proxies.meet(&mut request);
    let mut response = next.run(request).await;
    entrance.tell(response.headers_mut(), caller.is_secure);
    response
}

/// 414 and 431.
pub(super) async fn head_limits(
    State((url_bytes, header_bytes)): State<(usize, usize)>,
    request: Request,
    next: Next,
) -> Response {
    let length = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if length > url_bytes {
        return error_response::uri_too_long(length, url_bytes);
    }
    // The id of the request is ours by now.
    let sent = request.headers().iter().filter(|(name, _)| *name != REQUEST_ID);
    let lines = sent.map(|(name, value)| name.as_str().len() + value.len() + LINE_EXTRA);
    let length = lines.sum();
    if length > header_bytes {
        error_response::headers_too_large(length, header_bytes)
    } else {
        next.run(request).await
    }
}
