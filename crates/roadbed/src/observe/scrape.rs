//! `/metrics`, at an address of its own, or beside the API for holders of the secret key.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use roadbed_auth::Authenticator;

use super::request::Watch;

/// The role of the secret key.
const OPERATOR: &str = "service_role";

/// `/metrics` alone.
pub(crate) fn scrape_router(watch: Arc<Watch>) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(watch)
}

async fn scrape(State(watch): State<Arc<Watch>>) -> Response {
    match &watch.metrics {
        Some(metrics) => {
            let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, form)], metrics.text()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Lets holders of the secret key pass; to others there is nothing here.
pub(crate) async fn for_operators(
    State(authenticator): State<Arc<Authenticator>>,
    request: Request,
    next: Next,
) -> Response {
    match authenticator.session_with_new_keys(request.headers()).await {
        Ok(session) if &*session.role == OPERATOR => next.run(request).await,
        Ok(_) | Err(_) => crate::http::not_found().await,
    }
}
