//! Answers are compressed where it pays. A compressed answer is another form of the same thing: its strong entity tag
//! is another one (RFC 9110, section 8.8.3.3), made by adding the encoding's name, which is taken off again when a
//! caller gives it back.

use axum::extract::Request;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};

/// Smaller answers fit into one packet anyway.
const WORTH_IT: u64 = 1024;

/// Of every encoding a level that costs little.
const LEVEL: i32 = 3;

/// What is added to tags.
const ENDINGS: [&str; 3] = ["-br", "-gzip", "-zstd"];

/// An answer that was compressed when it was stored: its tag is its own.
#[derive(Clone, Copy)]
pub(super) struct AsStored;

/// `Content-Range` of rows, which says nothing of bytes and is no reason not to compress them.
#[derive(Clone)]
struct Rows(HeaderValue);

pub(super) fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().quality(CompressionLevel::Precise(LEVEL)).compress_when(SizeAbove::new(WORTH_IT).and(pays))
}

fn pays(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // Events are to arrive one by one.
    let is_text = match kind.split_once('/') {
        Some(("text", name)) => name != "event-stream",
        Some(("application", "javascript" | "json" | "wasm" | "xml" | "x-javascript")) => true,
        Some((_, name)) => name.ends_with("+json") || name.ends_with("+xml"),
        None => false,
    };
    is_text && !text(header::CACHE_CONTROL).contains("no-transform")
}

/// Puts the range of rows where the layer does not see it.
pub(super) async fn hide_rows(mut response: Response) -> Response {
    if let Some(rows) = response.headers_mut().remove(header::CONTENT_RANGE) {
        response.extensions_mut().insert(Rows(rows));
    }
    response
}

/// Goes around the layer: plain tags in, tags of what is sent out.
pub(super) async fn tag(mut request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).map(str::to_owned);
    for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
        strip(request.headers_mut(), &name);
    }
    accept_something(request.headers_mut());
    let mut response = next.run(request).await;
    if let Some(Rows(rows)) = response.extensions_mut().remove() {
        response.headers_mut().insert(header::CONTENT_RANGE, rows);
    }
    if response.extensions().get::<AsStored>().is_none()
        && let Some(tag) = sent_tag(&response, asked.as_deref().unwrap_or_default())
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The tag of what is sent, where it is not that of the plain answer.
fn sent_tag(response: &Response, asked: &str) -> Option<HeaderValue> {
    let tag = response.headers().get(header::ETAG)?.to_str().ok()?;
    let plain = tag.strip_suffix('"').filter(|tag| tag.starts_with('"'))?;
    let sent = match response.headers().get(header::CONTENT_ENCODING) {
        Some(encoding) => format!("{plain}-{}\"", encoding.to_str().ok()?),
        // Nothing is sent: what the caller has stays what it is called there.
        None if response.status() == StatusCode::NOT_MODIFIED && !asked.contains(tag) => {
            ENDINGS.iter().map(|ending| format!("{plain}{ending}\"")).find(|tag| asked.contains(tag.as_str()))?
        }
        None => return None,
    };
    HeaderValue::try_from(sent).ok()
}

fn strip(headers: &mut HeaderMap, name: &HeaderName) {
    let Some(text) = headers.get(name).and_then(|tags| tags.to_str().ok()) else { return };
    let plain = ENDINGS.iter().fold(text.to_owned(), |text, ending| text.replace(&format!("{ending}\""), "\""));
    if let Ok(plain) = HeaderValue::try_from(plain) {
        headers.insert(name, plain);
    }
}

/// A caller that accepts no form at all gets the plain one: the layer would say 406 after the work is done.
fn accept_something(headers: &mut HeaderMap) {
    let Some(text) = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()) else { return };
    let is_zero = |parameter: &str| {
        let value = parameter.trim().strip_prefix("q=").map(str::trim);
        value.and_then(|value| value.parse::<f32>().ok()) == Some(0.0)
    };
    let forbids = |element: &str| {
        let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
        matches!(name.trim(), "*" | "identity") && is_zero(parameters)
    };
    if text.split(',').any(forbids) {
        let kept: Vec<_> = text.split(',').filter(|element| !forbids(element)).collect();
        if let Ok(kept) = HeaderValue::try_from(kept.join(",")) {
            headers.insert(header::ACCEPT_ENCODING, kept);
        }
    }
}
