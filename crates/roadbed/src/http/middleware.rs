//! What every request passes: an id and a log line, limits, and the session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use roadbed_api::rest::JwtTime;
use roadbed_auth::Authenticator;
use roadbed_plan::Session;
use roadbed_plan::session::RequestSettings;
use serde_json::{Map, Value as Json};
use tower::ServiceExt;
use tracing::Instrument;

use super::error_response;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The role that a request ran as, told to the log by way of the response.
#[derive(Clone)]
struct RanAs(Arc<str>);

/// Gives each request an id, its caller's own where that is sane, and writes one line when it ends.
pub(super) async fn log(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default());
    let started = Instant::now();
    async move {
        let mut response = next.run(request).await;
        let role = response.extensions().get::<RanAs>().map(|role| role.0.to_string());
        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        tracing::info!(%method, path, status = response.status().as_u16(), ms = (milliseconds * 100.0).round() / 100.0, role);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
    .instrument(span)
    .await
}

fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    headers
        .get(REQUEST_ID)
        .filter(sane)
        .cloned()
        .unwrap_or_else(|| HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a uuid is a header value"))
}

/// Takes what is no browser's question past the layer that answers those, which takes every `OPTIONS` for one.
pub(super) async fn plain_options(State(routes): State<Router>, request: Request, next: Next) -> Response {
    let asks_before = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() != Method::OPTIONS || asks_before {
        return next.run(request).await;
    }
    match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// 504 when a request takes too long; what it did is rolled back when its future is dropped.
pub(super) async fn time_limit(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => error_response::too_slow(limit),
    }
}

/// Puts the caller's [`Session`] on the request, or answers 401.
pub(super) async fn session(
    State(authenticator): State<Arc<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let mut session = match authenticator.session_with_new_keys(request.headers()).await {
        Ok(session) => session,
        Err(error) => return error_response::unauthorized(&error),
    };
    session.request = Arc::new(request_settings(&request));
    let role = RanAs(session.role.clone());
    request.extensions_mut().insert::<Session>(session);
    request.extensions_mut().insert(JwtTime(began.elapsed()));
    let mut response = next.run(request).await;
    response.extensions_mut().insert(role);
    response
}

/// What SQL sees in `request.method`, `request.path`, `request.headers` and `request.cookies`.
/// Credentials are left out of the headers.
fn request_settings(request: &Request) -> RequestSettings {
    let secret = [header::AUTHORIZATION, header::COOKIE, HeaderName::from_static("apikey")];
    let headers = request.headers().iter().filter(|(name, _)| !secret.contains(name));
    let headers: Map<String, Json> = headers
        .map(|(name, value)| (name.to_string(), Json::String(String::from_utf8_lossy(value.as_bytes()).into())))
        .collect();
    RequestSettings {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        headers: Json::Object(headers).to_string(),
        cookies: Json::Object(cookies(request.headers())).to_string(),
    }
}

fn cookies(headers: &HeaderMap) -> Map<String, Json> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Json::String(value.to_owned()))).collect()
}
