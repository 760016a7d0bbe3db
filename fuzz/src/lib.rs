//! A small database on SQLite that fuzzing asks over the program's own routes.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use http_body_util::BodyExt;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use roadbed::Server;
use roadbed::config::{Flags, load_with};
use roadbed_plan::engine::Migration;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// What tokens of the world are signed with.
pub const SECRET: &str = "the secret that all fuzzing signs with";

/// A table for each kind of value, with relations, a policy, and rows.
pub const SCHEMA: &str = include_str!("../schema.sql");

/// What a URL cannot hold as it is.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'\\')
    .add(b'^')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// As [`ESCAPED`], less what parts parameters.
const ESCAPED_VALUE: &AsciiSet = &ESCAPED.add(b'&').add(b'+').add(b'%').add(b'=').add(b'?');

struct World {
    runtime: Runtime,
    router: Router,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime needs nothing");
    let router = runtime.block_on(async {
        let flags = Flags { database: Some("sqlite::memory:".to_owned()), listen: None };
        let secret = ("ROADBED_JWT_SECRET".to_owned(), SECRET.to_owned());
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let settings = load_with(folder, &flags, &[secret]).expect("the settings are right");
        let engine = roadbed::connect(&settings).expect("memory can be opened");
        let schema = Migration { name: "schema".into(), path: "schema.sql".into(), sql: SCHEMA.into() };
        engine.migrate(&[schema]).await.expect("the schema is right");
        Server::new(settings, engine).await.expect("the schema can be read").router()
    });
    World { runtime, router }
});

/// A text as it may stand in a URL.
pub fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// A text as one parameter's value.
pub fn value(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED_VALUE).to_string()
}

/// Asks, and demands an answer that is nobody's fault but the caller's.
pub fn ask(method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) {
    let mut request = Request::builder().method(method).uri(format!("/rest/v1/{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !headers.iter().any(|(name, _)| *name == header::CONTENT_TYPE.as_str()) {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    // What is no URL or header never comes through the door.
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
    let world = &*WORLD;
    world.runtime.block_on(async {
        let Ok(response) = world.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("bodies are in memory").to_bytes();
        assert!(parts.status != 500, "{}", String::from_utf8_lossy(&body));
    });
}
