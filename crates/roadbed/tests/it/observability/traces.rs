//! Traces: sent by OTLP over HTTP to a receiver of its protocol, with a span for each stage and the caller's own trace.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::harness::runtime;
use crate::process::{Program, as_argument, run_well, until};

const SCHEMA: &str = "create table notes (id int primary key, text text); grant select, insert on notes to anon;";

/// A receiver on loopback, and what it has received.
async fn receiver() -> (String, Arc<Mutex<Vec<Span>>>) {
    let received = Arc::<Mutex<Vec<Span>>>::default();
    let kept = received.clone();
    let receive = async move |headers: HeaderMap, body: Bytes| {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let batch = ExportTraceServiceRequest::decode(body).expect("it is the protocol's message");
        for resource in batch.resource_spans {
            let of = resource.resource.expect("spans say where they come from");
            let name = of.attributes.iter().find(|pair| pair.key == "service.name").expect("by a name");
            assert!(format!("{name:?}").contains("roadbed"), "{name:?}");
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            kept.lock().expect("no holder panics").extend(spans);
        }
        StatusCode::OK
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/traces", post(receive))).await });
    (format!("http://{address}"), received)
}

fn attribute<'s>(span: &'s Span, name: &str) -> Option<&'s Value> {
    span.attributes.iter().find(|pair| pair.key == name)?.value.as_ref()?.value.as_ref()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::create_dir(folder.path().join("migrations")).expect("and for one in it");
    std::fs::write(folder.path().join("migrations/0001_notes.sql"), SCHEMA).expect("and for a file");
    run_well(&["migrate", "up", as_argument(folder.path())]);
    folder
}

fn serve(folder: &tempfile::TempDir, endpoint: &str) -> Program {
    let settings = format!("[telemetry]\notlp = \"{endpoint}\"\n");
    std::fs::write(folder.path().join("roadbed.toml"), settings).expect("files can be written");
    Program::serve(folder.path(), &[])
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_request_is_a_span_with_one_for_each_stage() {
    let folder = folder();
    runtime().block_on(async {
        let (endpoint, received) = receiver().await;
        let program = serve(&folder, &endpoint);
        let get = async |flags: &str| {
            let request = reqwest::Client::new()
                .get(format!("{}/rest/v1/notes?text=eq.planted", program.url))
                .header("traceparent", format!("00-{TRACE}-{SPAN}-{flags}"))
                .header("X-Request-Id", "traced");
            assert_eq!(request.send().await.expect("it serves").status(), 200);
        };
        // The caller does not sample the first, so that nothing is told of it.
        get("00").await;
        get("01").await;
        let own = reqwest::get(format!("{}/rest/v1/nothing", program.url)).await.expect("it serves");
        assert_eq!(own.status(), 404);
        program.terminate();
        let spans = until("the spans", async || {
            let spans = received.lock().expect("no holder panics").clone();
            (spans.iter().filter(|span| span.name.starts_with("GET ")).count() >= 2).then_some(spans)
        })
        .await;
        let roots: Vec<_> = spans.iter().filter(|span| span.name == "GET /rest/v1/{relation}").collect();
        let [traced, own] = roots[..] else { panic!("{spans:#?}") };
        assert_eq!((hex(&traced.trace_id), hex(&traced.parent_span_id)), (TRACE.into(), SPAN.into()));
        assert!(hex(&own.trace_id) != TRACE && own.parent_span_id.is_empty(), "{own:?}");
        assert_eq!(traced.kind, 2, "a server's");
        let text = |name: &str| match attribute(traced, name) {
            Some(Value::StringValue(text)) => text.clone(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(
            (text("http.request.method"), text("roadbed.plan")),
            ("GET".into(), "read public.notes where".into())
        );
        assert_eq!((text("roadbed.role"), text("roadbed.request.id")), ("anon".into(), "traced".into()));
        assert_eq!(attribute(traced, "http.response.status_code"), Some(&Value::IntValue(200)));
        let stages: Vec<_> = spans.iter().filter(|span| span.parent_span_id == traced.span_id).collect();
        // A short read has nothing to wait for.
        let names: Vec<_> = stages.iter().map(|span| span.name.as_str()).filter(|name| *name != "wait").collect();
        assert_eq!(names, ["identify", "parse", "plan", "run", "respond"]);
        for stage in &stages {
            assert_eq!(stage.trace_id, traced.trace_id);
            assert!(stage.start_time_unix_nano >= traced.start_time_unix_nano, "{stage:?}");
            assert!(stage.end_time_unix_nano <= traced.end_time_unix_nano + 1000, "{stage:?} in {traced:?}");
        }
        let starts = stages.windows(2).all(|pair| pair[0].start_time_unix_nano <= pair[1].start_time_unix_nano);
        assert!(starts, "{stages:#?}");
        assert!(!format!("{spans:?}").contains("planted"), "values are in no span");
    });
}

#[test]
fn a_receiver_that_is_away_disturbs_nobody() {
    let folder = folder();
    let mut program = serve(&folder, "http://user:p4ssword@127.0.0.1:1");
    runtime().block_on(async {
        for _ in 0..20 {
            let answer = reqwest::get(format!("{}/rest/v1/notes", program.url)).await.expect("it serves");
            assert_eq!(answer.status(), 200);
        }
    });
    program.logs.wait_for("a warning", |line| line.contains("traces cannot be sent").then_some(()));
    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
    let logs = program.logs.text();
    assert_eq!(logs.matches("traces cannot be sent").count(), 1, "{logs}");
    assert!(!logs.contains("p4ssword"), "{logs}");
}
