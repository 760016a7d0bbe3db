//! Tokens: bytes as they come, and signed claims.
#![no_main]

use axum::http::Method;
use libfuzzer_sys::fuzz_target;
use roadbed_fuzz::{SECRET, ask};

fuzz_target!(|text: &str| {
    ask(Method::GET, "secrets", &[("authorization", &format!("Bearer {text}"))], b"");
    if let Ok(claims) = serde_json::from_str(text) {
        let token = roadbed_auth::issue(&claims, SECRET.as_bytes()).expect("claims can be signed");
        ask(Method::GET, "secrets", &[("authorization", &format!("Bearer {token}"))], b"");
    }
});
