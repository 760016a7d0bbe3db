//! `select=` and `order=`.
#![no_main]

use axum::http::Method;
use libfuzzer_sys::fuzz_target;
use roadbed_fuzz::{ask, value};

fuzz_target!(|text: &str| {
    let (select, order) = text.split_once('\n').unwrap_or((text, "id"));
    ask(Method::GET, &format!("items?select={}&order={}", value(select), value(order)), &[], b"");
});
