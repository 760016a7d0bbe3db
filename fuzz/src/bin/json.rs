//! Bodies as JSON.
#![no_main]

use axum::http::Method;
use libfuzzer_sys::fuzz_target;
use roadbed_fuzz::ask;

fuzz_target!(|bytes: &[u8]| {
    ask(Method::POST, "items", &[("prefer", "return=representation")], bytes);
    ask(Method::PATCH, "items?id=eq.1", &[("prefer", "return=representation")], bytes);
    ask(Method::DELETE, "items?id=gt.1", &[], b"");
});
