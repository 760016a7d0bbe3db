//! What the program tells of itself: logs, metrics, traces.

mod gauges;
mod logs;
mod metrics;
mod request;
mod scrape;
mod traces;

pub(crate) use logs::start_logs;
pub(crate) use metrics::Metrics;
pub(crate) use request::{REQUEST_ID, Watch, request};
pub(crate) use scrape::{for_operators, scrape_router};
pub(crate) use traces::Traces;
