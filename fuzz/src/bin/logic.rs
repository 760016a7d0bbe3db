//! Logic trees, and one operator after another on columns of every kind.
#![no_main]

use axum::http::Method;
use libfuzzer_sys::fuzz_target;
use roadbed_fuzz::{ask, value};

fuzz_target!(|text: &str| {
    ask(Method::GET, &format!("items?or={}", value(text)), &[], b"");
    let (column, test) = text.split_once('=').unwrap_or(("facts", text));
    ask(Method::GET, &format!("items?{}={}", value(column), value(test)), &[], b"");
});
