//! `Prefer`, `Range` and `Accept`.
#![no_main]

use axum::http::Method;
use libfuzzer_sys::fuzz_target;
use roadbed_fuzz::ask;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default();
    let headers = [("prefer", next()), ("range", next()), ("accept", next())];
    ask(Method::GET, "items", &headers, b"");
    ask(Method::PATCH, "parents?id=eq.1", &headers, b"{\"name\": \"x\"}");
});
