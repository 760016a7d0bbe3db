//! What is counted of requests, in the form of OpenMetrics. Labels come from lists that the program knows: routes by
//! their templates, methods, classes of statuses, stages.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use axum::http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use roadbed_plan::{Engine, Observed, Stage};

use super::gauges::{EngineGauges, ProcessGauges};
use super::request::Ended;

/// Seconds up to which requests are counted together.
const REQUEST_BUCKETS: [f64; 17] =
    [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// The same for stages, of which some take microseconds.
const STAGE_BUCKETS: [f64; 14] =
    [0.000_005, 0.000_025, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];

type Labels<const N: usize> = [(&'static str, String); N];

/// The metrics of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    running: Gauge,
    requests: Family<Labels<3>, Counter>,
    seconds: Family<Labels<2>, Histogram, fn() -> Histogram>,
    rows: Family<Labels<1>, Counter>,
    received: Family<Labels<1>, Counter>,
    sent: Family<Labels<1>, Counter>,
    stages: [Histogram; Stage::ALL.len()],
    /// What was looked up before, by method and route, so that a request makes nothing anew.
    known: RwLock<HashMap<&'static str, HashMap<String, Arc<RouteMetrics>>>>,
}

/// The metrics of a route and method.
#[derive(Debug)]
struct RouteMetrics {
    /// By class of status, the first being that of callers who went away.
    requests: [OnceLock<Counter>; 6],
    seconds: Histogram,
    rows: Counter,
    received: Counter,
    sent: Counter,
}

impl Metrics {
    pub(crate) fn new(engine: &Arc<dyn Engine>) -> Self {
        let stage_times: Family<Labels<1>, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(STAGE_BUCKETS));
        let stages = Stage::ALL.map(|stage| stage_times.get_or_create_owned(&[("stage", stage.name().to_owned())]));
        let mut metrics = Self {
            registry: Registry::default(),
            running: Gauge::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            rows: Family::default(),
            received: Family::default(),
            sent: Family::default(),
            stages,
            known: RwLock::default(),
        };
        metrics.register(stage_times, engine);
        metrics
    }

    fn register(&mut self, stage_times: Family<Labels<1>, Histogram, fn() -> Histogram>, engine: &Arc<dyn Engine>) {
        self.registry.register_collector(Box::new(ProcessGauges));
        let registry = self.registry.sub_registry_with_prefix("roadbed");
        registry.register("requests", "Requests that ended, by class of status", self.requests.clone());
        registry.register("requests_running", "Requests that are being carried out", self.running.clone());
        registry.register("request_seconds", "How long requests took", self.seconds.clone());
        registry.register("stage_seconds", "How long the stages of requests took", stage_times);
        registry.register("rows", "Rows read or written", self.rows.clone());
        registry.register_with_unit("received", "Bodies of requests", Unit::Bytes, self.received.clone());
        registry.register_with_unit("sent", "Bodies of answers", Unit::Bytes, self.sent.clone());
        registry.register_collector(Box::new(EngineGauges::of(engine)));
    }

    /// Counts a request that is running now.
    pub(super) fn began(&self) {
        self.running.inc();
    }

    /// Counts a request that has ended.
    pub(super) fn ended(&self, (route, method): (&str, &'static str), observed: &Observed, ended: Ended) {
        self.running.dec();
        let known = self.of(route, method);
        let (number, class) = class(ended.status);
        let requests = known.requests[number].get_or_init(|| {
            let labels = [("route", route.to_owned()), ("method", method.to_owned()), ("status", class.to_owned())];
            self.requests.get_or_create_owned(&labels)
        });
        requests.inc();
        known.seconds.observe(observed.began().elapsed().as_secs_f64());
        known.rows.inc_by(observed.rows());
        known.received.inc_by(observed.body_bytes());
        known.sent.inc_by(ended.bytes);
        for (stage, times) in Stage::ALL.into_iter().zip(&self.stages) {
            if observed.first(stage).is_some() {
                times.observe(observed.spent(stage).as_secs_f64());
            }
        }
    }

    /// All of them as text.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        encode(&mut text, &self.registry).expect("texts can be written to");
        text
    }

    fn of(&self, route: &str, method: &'static str) -> Arc<RouteMetrics> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(method).and_then(|routes| routes.get(route)) {
            return Arc::clone(known);
        }
        drop(known);
        let of_route = [("route", route.to_owned())];
        let made = RouteMetrics {
            requests: Default::default(),
            seconds: self.seconds.get_or_create_owned(&[("route", route.to_owned()), ("method", method.to_owned())]),
            rows: self.rows.get_or_create_owned(&of_route),
            received: self.received.get_or_create_owned(&of_route),
            sent: self.sent.get_or_create_owned(&of_route),
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(method).or_default().entry(route.to_owned()).or_insert_with(|| Arc::new(made)))
    }
}

/// A status by its first digit: number and name of the class.
fn class(status: Option<StatusCode>) -> (usize, &'static str) {
    match status.map(|status| status.as_u16() / 100) {
        Some(1) => (1, "1xx"),
        Some(2) => (2, "2xx"),
        Some(3) => (3, "3xx"),
        Some(4) => (4, "4xx"),
        Some(_) => (5, "5xx"),
        None => (0, "gone"),
    }
}
