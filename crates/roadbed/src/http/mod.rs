//! Routes and what every request passes on its way to them.

mod activity;
mod caller;
mod connections;
mod entrance;
mod error_response;
mod middleware;
mod tls;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware as layer};
use roadbed_auth::Authenticator;
use roadbed_plan::Database;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::services::ServeDir;

use crate::config::{Cors, Limits};

pub(crate) use caller::Proxies;
pub(crate) use connections::Door;
pub(crate) use entrance::Entrance;
pub(crate) use tls::Tls;
pub use tls::TlsError;

/// What the routes are made of.
pub(crate) struct Http {
    pub(crate) rest: Router,
    /// What describes it, where it is to be described.
    pub(crate) openapi: Option<Router>,
    pub(crate) database: Arc<Database>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) public: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) cors: Cors,
    pub(crate) entrance: Entrance,
}

pub(crate) fn router(http: Http) -> Router {
    let session = layer::from_fn_with_state(http.authenticator.clone(), middleware::session);
    let openapi = http.openapi.map(|routes| routes.layer(session.clone())).unwrap_or_default();
    let rest = http.rest.layer(session).layer(DefaultBodyLimit::max(http.limits.body_bytes));
    let limit = Duration::from_secs(http.limits.request_seconds);
    let routes = Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready).with_state(http.database))
        .route("/.well-known/roadbed.json", get(introduction).with_state(http.authenticator.clone()))
        .nest("/rest/v1/", rest)
        .merge(openapi)
        .fallback_service(ServeDir::new(http.public).fallback(get(error_response::not_found)))
        .layer(layer::from_fn_with_state(limit, middleware::time_limit))
        .layer(layer::from_fn_with_state((http.limits.url_bytes, http.limits.header_bytes), entrance::head_limits));
    let for_all = routes.clone();
    routes
        .layer(cors(&http.cors))
        .layer(layer::from_fn_with_state(for_all, middleware::plain_options))
        .layer(layer::from_fn_with_state(Arc::new(http.entrance), entrance::enter))
        .layer(CatchPanicLayer::custom(error_response::panicked))
        .layer(layer::from_fn(middleware::log))
}

/// What a page must know to call the API. The key is one for the public, as its name says.
async fn introduction(State(authenticator): State<Arc<Authenticator>>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "publishable": authenticator.publishable_key(), "rest": "/rest/v1" }))
}

/// What is served while the database cannot be reached at the start.
pub(crate) fn waiting_router(settings: &Cors, entrance: Entrance) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(async || not_ready()))
        .fallback(error_response::no_database)
        .layer(cors(settings))
        .layer(layer::from_fn_with_state(Arc::new(entrance), entrance::enter))
        .layer(layer::from_fn(middleware::log))
}

/// The process runs.
async fn alive() -> &'static str {
    "ok\n"
}

/// The database answers.
async fn ready(State(database): State<Arc<Database>>) -> Response {
    match database.engine().ping().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            not_ready()
        }
    }
}

fn not_ready() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "the database does not answer\n").into_response()
}

fn cors(cors: &Cors) -> CorsLayer {
    let origins = if cors.origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(cors.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    let query = Method::from_bytes(b"QUERY").expect("it is a word");
    CorsLayer::new()
        .allow_origin(origins)
        .allow_headers(AllowHeaders::mirror_request())
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PATCH,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
            query,
        ])
        .expose_headers(
            [
                "content-encoding",
                "content-location",
                "content-range",
                "content-type",
                "date",
                "etag",
                "idempotency-replayed",
                "location",
                "preference-applied",
                "range-unit",
                "retry-after",
                "server-timing",
                "x-request-id",
            ]
            .map(HeaderName::from_static),
        )
        .max_age(Duration::from_secs(86_400))
}
