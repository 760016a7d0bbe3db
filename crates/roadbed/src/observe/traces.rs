//! Requests as traces of OpenTelemetry: a span for each, and one for each of its stages, made when it has ended. They are
//! sent in batches; what the receiver does not take in time is dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderName};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanExporter, SpanLinks};
use roadbed_plan::{Clock, Observed, Stage};
use tokio::sync::{mpsc, oneshot};

use super::request::Ended;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Requests whose spans may wait to be sent.
const WAITING: usize = 4096;
/// Spans that are sent together, and how long the first of them waits for others.
const TOGETHER: usize = 512;
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for the receiver.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for it when the server stops.
const LAST_PATIENCE: Duration = Duration::from_secs(3);

/// Where finished requests go.
#[derive(Debug)]
pub(crate) struct Traces {
    queue: mpsc::Sender<Message>,
    engine: &'static str,
    dropped: AtomicU64,
}

enum Message {
    Spans(Vec<SpanData>),
    /// Send what waits, and say so.
    Flush(oneshot::Sender<()>),
}

/// The caller's own span, of which the request is a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent {
    trace: TraceId,
    span: SpanId,
    is_sampled: bool,
}

impl Traces {
    /// Sends traces to the receiver of OTLP over HTTP at `endpoint`, from a task that ends with this value.
    ///
    /// # Errors
    /// When `endpoint` is no address.
    pub(crate) fn start(endpoint: &str, engine: &'static str) -> Result<Self, String> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|error| error.to_string())?;
        let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/').trim_end_matches("/v1/traces"));
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Client(client))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| error.to_string())?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        exporter.set_resource(&Resource::builder_empty().with_service_name("roadbed").with_attribute(version).build());
        let (queue, messages) = mpsc::channel(WAITING);
        tokio::spawn(send_all(exporter, messages));
        Ok(Self { queue, engine, dropped: AtomicU64::new(0) })
    }

    /// Makes the spans of a request that has ended now.
    pub(super) fn tell(
        &self,
        (method, route): (&'static str, &str),
        parent: Option<Parent>,
        observed: &Observed,
        ended: Ended,
    ) {
        if parent.is_some_and(|parent| !parent.is_sampled) {
            return;
        }
        let spans = Spans::of(parent, observed).all((method, route, self.engine), observed, ended);
        if self.queue.try_send(Message::Spans(spans)).is_err() {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "traces of requests were dropped: their receiver is too slow or away");
            }
        }
    }

    /// Waits until what was told is sent, though not for ever.
    pub(crate) async fn flush(&self) {
        let (done, sent) = oneshot::channel();
        let flush = async {
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                // Nobody to answer means that the task has ended.
                let _ = sent.await;
            }
        };
        if tokio::time::timeout(LAST_PATIENCE, flush).await.is_err() {
            tracing::warn!("the last traces could not be sent in time");
        }
    }
}

/// The header by which a caller names its own span (W3C Trace Context): `00-<trace>-<span>-<flags>`. One that is not
/// well-formed is no header.
pub(super) fn parent_of(headers: &HeaderMap) -> Option<Parent> {
    let mut parts = headers.get(TRACEPARENT)?.to_str().ok()?.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_form = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    // Later versions may have further parts; the first has none, and `ff` is none.
    if !is_form || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    (trace != TraceId::INVALID && span != SpanId::INVALID).then_some(Parent { trace, span, is_sampled })
}

/// What the spans of one request have in common.
struct Spans {
    trace: TraceId,
    parent: Option<Parent>,
    root: SpanId,
    began: SystemTime,
    took: Duration,
}

impl Spans {
    fn of(parent: Option<Parent>, observed: &Observed) -> Self {
        let ids = RandomIdGenerator::default();
        let took = observed.began().elapsed();
        let now = UNIX_EPOCH + Duration::from_micros(u64::try_from(Clock::System.unix_micros()).unwrap_or(0));
        Self {
            trace: parent.map_or_else(|| ids.new_trace_id(), |parent| parent.trace),
            parent,
            root: ids.new_span_id(),
            began: now.checked_sub(took).unwrap_or(now),
            took,
        }
    }

    fn all(
        &self,
        (method, route, engine): (&'static str, &str, &'static str),
        observed: &Observed,
        ended: Ended,
    ) -> Vec<SpanData> {
        let mut root = self.span(format!("{method} {route}"), (Duration::ZERO, self.took));
        root.span_context = self.context(self.root);
        root.parent_span_id = self.parent.map_or(SpanId::INVALID, |parent| parent.span);
        root.parent_span_is_remote = self.parent.is_some();
        root.span_kind = SpanKind::Server;
        root.attributes = attributes((method, route), observed, ended);
        if ended.status.is_none_or(|status| status.is_server_error()) {
            root.status = Status::error("");
        }
        let mut spans = vec![root];
        for stage in Stage::ALL {
            if let Some(first) = observed.first(stage) {
                let mut span =
                    self.span(stage.name().to_owned(), (begin_of(stage, first, observed), observed.spent(stage)));
                if stage == Stage::Run {
                    span.span_kind = SpanKind::Client;
                    span.attributes = vec![KeyValue::new("db.system.name", engine)];
                }
                spans.push(span);
            }
        }
        spans
    }

    /// A part of the request, from then on and for so long.
    fn span(&self, name: String, (after, took): (Duration, Duration)) -> SpanData {
        let start_time = self.began + after;
        SpanData {
            span_context: self.context(RandomIdGenerator::default().new_span_id()),
            parent_span_id: self.root,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time,
            end_time: start_time + took,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("roadbed").build(),
        }
    }

    fn context(&self, span: SpanId) -> SpanContext {
        SpanContext::new(self.trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
    }
}

/// The engine begins to work when the request has waited for it.
fn begin_of(stage: Stage, first: Duration, observed: &Observed) -> Duration {
    match (stage, observed.first(Stage::Wait)) {
        (Stage::Run, Some(waiting)) => first.max(waiting + observed.spent(Stage::Wait)),
        _ => first,
    }
}

/// As in the log: nothing that a caller brought but its id.
fn attributes((method, route): (&'static str, &str), observed: &Observed, ended: Ended) -> Vec<KeyValue> {
    let mut attributes =
        vec![KeyValue::new("http.request.method", method), KeyValue::new("http.route", route.to_owned())];
    let mut add = |name: &'static str, value: Option<&str>| {
        attributes.extend(value.map(|value| KeyValue::new(name, value.to_owned())));
    };
    add("roadbed.request.id", observed.id());
    add("roadbed.role", observed.role());
    add("roadbed.plan", observed.shape());
    if let Some(status) = ended.status {
        attributes.push(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    }
    attributes.push(KeyValue::new("roadbed.rows", i64::try_from(observed.rows()).unwrap_or(i64::MAX)));
    attributes
}

/// Sends batch after batch until nobody can tell of requests any more.
async fn send_all(exporter: opentelemetry_otlp::SpanExporter, mut messages: mpsc::Receiver<Message>) {
    let mut is_away = false;
    while let Some(first) = messages.recv().await {
        let (spans, flushed) = gather(first, &mut messages).await;
        let sent = if spans.is_empty() { Ok(()) } else { exporter.export(spans).await };
        if sent.is_err() && !is_away {
            // The error may hold the address, which may hold a password.
            tracing::warn!("traces cannot be sent to `telemetry.otlp`");
        }
        is_away = sent.is_err();
        if let Some(flushed) = flushed {
            // Whoever waited may have lost patience.
            let _ = flushed.send(());
        }
    }
}

/// The spans of `first` and of what comes soon after.
async fn gather(
    first: Message,
    messages: &mut mpsc::Receiver<Message>,
) -> (Vec<SpanData>, Option<oneshot::Sender<()>>) {
    let mut spans = match first {
        Message::Spans(spans) => spans,
        Message::Flush(done) => return (Vec::new(), Some(done)),
    };
    let until = tokio::time::Instant::now() + PAUSE;
    while spans.len() < TOGETHER {
        match tokio::time::timeout_at(until, messages.recv()).await {
            Ok(Some(Message::Spans(more))) => spans.extend(more),
            Ok(Some(Message::Flush(done))) => return (spans, Some(done)),
            Ok(None) | Err(_) => break,
        }
    }
    (spans, None)
}

/// How batches are sent.
#[derive(Debug)]
struct Client(reqwest::Client);

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let answer = self.0.execute(request).await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(reqwest::Error::without_url)?;
        Ok(http::Response::builder().status(status).body(body)?)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::parent_of;

    #[test]
    fn only_a_well_formed_parent_is_one() {
        let parent = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", text.parse().expect("it is a value"));
            parent_of(&headers).map(|parent| (parent.trace.to_string(), parent.span.to_string(), parent.is_sampled))
        };
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let known = |is_sampled| Some((trace.to_owned(), span.to_owned(), is_sampled));
        assert_eq!(parent(&format!("00-{trace}-{span}-01")), known(true));
        assert_eq!(parent(&format!("00-{trace}-{span}-00")), known(false));
        assert_eq!(parent(&format!("cc-{trace}-{span}-03-later")), known(true));
        let zeros = "0".repeat(32);
        for wrong in [
            "",
            "00",
            &format!("ff-{trace}-{span}-01"),
            &format!("00-{trace}-{span}-01-more"),
            &format!("00-{}-{span}-01", trace.to_uppercase()),
            &format!("00-{zeros}-{span}-01"),
            &format!("00-{trace}-{}-01", &zeros[..16]),
            &format!("00-{trace}-{}-01", &span[1..]),
        ] {
            assert_eq!(parent(wrong), None, "{wrong}");
        }
    }
}
