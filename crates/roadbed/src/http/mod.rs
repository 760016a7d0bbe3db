//! Routes and what every request passes on its way to them.

mod activity;
mod admission;
mod caller;
mod compression;
mod connections;
mod docs;
mod entrance;
mod error_response;
mod middleware;
mod public;
mod rate;
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

use crate::config::{Cors, Limits};
use crate::observe::{self, Watch};
use admission::Admission;
use rate::Rates;

pub(crate) use caller::Proxies;
pub(crate) use connections::Door;
pub(crate) use entrance::Entrance;
pub(crate) use error_response::not_found;
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
    /// Whether answers are compressed.
    pub(crate) compression: bool,
    pub(crate) fallback_page: Option<String>,
    pub(crate) watch: Arc<Watch>,
    /// Whether holders of the secret key find `/metrics` here.
    pub(crate) has_metrics: bool,
}

pub(crate) fn router(http: Http) -> Router {
    let limit = Duration::from_secs(http.limits.request_seconds);
    let metrics = match http.has_metrics {
        true => observe::scrape_router(http.watch.clone())
            .layer(layer::from_fn_with_state(http.authenticator.clone(), observe::for_operators)),
        false => Router::new(),
    };
    let head = (http.limits.url_bytes, http.limits.header_bytes);
    let guards = Guards::new(&http);
    let asked = http.openapi.as_ref().map(|routes| guards.around(routes.clone())).unwrap_or_default();
    let described = if http.openapi.is_some() { asked.merge(docs::routes()) } else { asked };
    let rest = guards.around(http.rest);
    // Where answers are not compressed their ranges of rows need not be hidden from who would.
    let rest = if http.compression { rest.layer(layer::map_response(compression::hide_rows)) } else { rest };
    let routes = Router::new()
        .merge(metrics)
        .route("/healthz", get(alive))
        .route("/readyz", get(ready).with_state(http.database.clone()))
        .route("/.well-known/roadbed.json", get(introduction).with_state(http.authenticator.clone()))
        .nest("/rest/v1/", rest)
        .merge(described)
        .fallback_service(public::routes(http.public, http.fallback_page.as_deref()));
    let routes = if http.compression { compressed(routes) } else { routes };
    let routes = routes
        .layer(layer::from_fn_with_state(limit, middleware::time_limit))
        .layer(layer::from_fn_with_state(head, entrance::head_limits));
    let for_all = routes.clone();
    routes
        .layer(cors(&http.cors))
        .layer(layer::from_fn_with_state(for_all, middleware::plain_options))
        .layer(layer::from_fn_with_state(Arc::new(http.entrance), entrance::enter))
        .layer(CatchPanicLayer::custom(error_response::panicked))
        .layer(layer::from_fn_with_state(http.watch, observe::request))
}

/// What stands before routes that know who asks: it lets in as many as can be served.
struct Guards {
    authenticator: Arc<Authenticator>,
    admission: Arc<Admission>,
    rates: Option<Arc<Rates>>,
    body_bytes: usize,
}

impl Guards {
    fn new(http: &Http) -> Self {
        let limits = &http.limits;
        let window = Duration::from_secs(limits.rate_seconds.get());
        Self {
            authenticator: http.authenticator.clone(),
            admission: Arc::new(Admission::new(limits)),
            rates: (limits.rate > 0).then(|| Arc::new(Rates::new(limits.rate, window))),
            body_bytes: limits.body_bytes,
        }
    }

    fn around(&self, routes: Router) -> Router {
        let routes = routes
            .layer(layer::from_fn_with_state(self.admission.clone(), admission::admit))
            .layer(DefaultBodyLimit::max(self.body_bytes));
        let session = layer::from_fn_with_state(self.authenticator.clone(), middleware::session);
        match &self.rates {
            Some(rates) => routes
                .layer(layer::from_fn_with_state(rates.clone(), rate::by_caller))
                .layer(session)
                .layer(layer::from_fn_with_state(rates.clone(), rate::of_refusals)),
            None => routes.layer(session),
        }
    }
}

fn compressed(routes: Router) -> Router {
    routes.layer(compression::layer()).layer(layer::from_fn(compression::tag))
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
        .layer(layer::from_fn_with_state(Arc::<Watch>::default(), observe::request))
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
                "ratelimit",
                "ratelimit-policy",
                "retry-after",
                "server-timing",
                "x-request-id",
            ]
            .map(HeaderName::from_static),
        )
        .max_age(Duration::from_secs(86_400))
}
