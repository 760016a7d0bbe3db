//! The whole query string of a read.
#![no_main]

use axum::http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    roadbed_fuzz::ask(Method::GET, &format!("items?{}", roadbed_fuzz::escaped(text)), &[], b"");
});
