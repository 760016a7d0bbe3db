//! One request as it is seen from outside: its id, its log line, its place in the metrics. The outermost layer.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::Body as _;
use roadbed_plan::{Observed, Stage};
use tracing::Instrument;

use super::metrics::Metrics;
use super::traces::{Parent, Traces, parent_of};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The route of what is served from files, and of paths that lead nowhere: their number has no bound.
const NO_ROUTE: &str = "other";

/// Where what is seen of requests goes, beside the log.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) metrics: Option<Metrics>,
    pub(crate) traces: Option<Traces>,
}

/// What is known of a request before it is carried out. When it is dropped its caller has gone.
struct Seen {
    watch: Arc<Watch>,
    observed: Arc<Observed>,
    id: HeaderValue,
    method: &'static str,
    route: Option<MatchedPath>,
    parent: Option<Parent>,
    is_told: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// `None`: its caller went away before there was an answer.
    pub(super) status: Option<StatusCode>,
    /// Of the answer's body, where that is known before it is sent.
    pub(super) bytes: u64,
}

/// Gives each request an id, its caller's own where that is sane, and tells of it once when it ends.
pub(crate) async fn request(State(watch): State<Arc<Watch>>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let observed = Arc::<Observed>::default();
    observed.note_id(id.to_str().unwrap_or_default());
    request.extensions_mut().insert(Arc::clone(&observed));
    let seen = Seen::new(watch, observed, id.clone(), &request);
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default());
    let mut response = next.run(request).instrument(span).await;
    seen.answered(&response);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

impl Seen {
    fn new(watch: Arc<Watch>, observed: Arc<Observed>, id: HeaderValue, request: &Request) -> Self {
        if let Some(metrics) = &watch.metrics {
            metrics.began();
        }
        let route = request.extensions().get::<MatchedPath>().cloned();
        let parent = watch.traces.as_ref().and_then(|_| parent_of(request.headers()));
        Self { watch, observed, id, method: method_name(request.method()), route, parent, is_told: false }
    }

    fn answered(mut self, response: &Response) {
        self.tell(Ended { status: Some(response.status()), bytes: body_bytes(response) });
    }

    fn tell(&mut self, ended: Ended) {
        self.is_told = true;
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        if let Some(metrics) = &self.watch.metrics {
            metrics.ended((route, self.method), &self.observed, ended);
        }
        if let Some(traces) = &self.watch.traces {
            traces.tell((self.method, route), self.parent, &self.observed, ended);
        }
        write_line(&self.id, (self.method, route), &self.observed, ended);
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(Ended { status: None, bytes: 0 });
        }
    }
}

/// No value of the caller's but the id, which is sane: neither the path nor what follows it.
fn write_line(id: &HeaderValue, (method, route): (&str, &str), observed: &Observed, ended: Ended) {
    let id = id.to_str().unwrap_or_default();
    let (role, plan) = (observed.role(), observed.shape());
    let rows = plan.map(|_| observed.rows());
    let ms = milliseconds(observed.began().elapsed().as_secs_f64());
    let of_stage = |stage| observed.first(stage).map(|_| milliseconds(observed.spent(stage).as_secs_f64()));
    let (wait_ms, engine_ms) = (of_stage(Stage::Wait), of_stage(Stage::Run));
    let bytes = ended.bytes;
    match ended.status.map(|status| status.as_u16()) {
        Some(status) => {
            tracing::info!(id, method, route, status, role, plan, rows, ms, wait_ms, engine_ms, bytes, "request");
        }
        None => tracing::info!(id, method, route, status = "gone", role, plan, ms, wait_ms, "request"),
    }
}

/// With two digits after the point: more is noise.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 100_000.0).round() / 100.0
}

/// A method by its name where it is known: callers can write any word.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 10] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

fn body_bytes(response: &Response) -> u64 {
    let declared = || response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.body().size_hint().exact().or_else(declared).unwrap_or(0)
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
