//! What every request passes: limits, and the session.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use roadbed_auth::Authenticator;
use roadbed_plan::session::RequestSettings;
use roadbed_plan::{Observed, Session, Stage};
use serde_json::{Map, Value as Json};
use tower::ServiceExt;

use super::error_response;

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
    let observed = request.extensions().get::<Arc<Observed>>().cloned().unwrap_or_default();
    let identifying = observed.time(Stage::Identify);
    let mut session = match authenticator.session_with_new_keys(request.headers()).await {
        Ok(session) => session,
        Err(error) => return error_response::unauthorized(&error),
    };
    session.request = Arc::new(request_settings(&request));
    observed.runs_as(&session.role);
    drop(identifying);
    session.observed = observed;
    request.extensions_mut().insert::<Session>(session);
    next.run(request).await
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
