//! Bodies as CSV.
#![no_main]

use axum::http::Method;
use libfuzzer_sys::fuzz_target;
use roadbed_fuzz::ask;

fuzz_target!(|bytes: &[u8]| {
    let headers =
        [("content-type", "text/csv"), ("prefer", "return=representation,tx=rollback"), ("accept", "text/csv")];
    ask(Method::POST, "items", &headers, bytes);
});
