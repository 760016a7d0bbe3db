//! So many requests of each caller.

use std::io::{Read, Write};

use roadbed_auth::issue;
use serde_json::json;

use super::{body, get, header, serve, status};
use crate::process::PROCESS_SECRET;

const SETTINGS: &str = "[limits]\nrate = 3\nrate-seconds = 600\n[server]\ntrusted-proxies = [\"127.0.0.1/32\"]\n";
const NOTES: &str = "/rest/v1/notes";

#[test]
fn each_caller_has_its_own_number_of_requests() {
    let (_folder, program) = serve(SETTINGS);
    for address in ["", "\r\nX-Forwarded-For: 192.0.2.1", "\r\nX-Forwarded-For: 192.0.2.2, 192.0.2.3"] {
        for left in [2, 1, 0] {
            let answer = get(&program, NOTES, address);
            assert_eq!(status(&answer), 200);
            assert_eq!(header(&answer, "ratelimit-policy"), Some("\"caller\";q=3;w=600"));
            let told = header(&answer, "ratelimit").expect("it is told");
            assert!(told.starts_with(&format!("\"caller\";r={left};t=")), "{told}");
        }
        let answer = get(&program, NOTES, address);
        assert!(status(&answer) == 429 && body(&answer).contains("\"RB429\""), "{answer}");
        let retry = header(&answer, "retry-after").and_then(|after| after.parse::<u64>().ok()).unwrap_or_default();
        assert!((100..=200).contains(&retry), "a third of the time for one of three: {answer}");
    }
    assert_eq!(status(&get(&program, "/healthz", "")), 200);
    for user in [1, 2] {
        let claims = json!({ "role": "anon", "sub": format!("user {user}") });
        let token = issue(claims.as_object().expect("it is one"), PROCESS_SECRET.as_bytes()).expect("it can be signed");
        // From one address or several.
        let asked = (0..4).map(|n| {
            let lines = format!("\r\nAuthorization: Bearer {token}\r\nX-Forwarded-For: 192.0.2.10{n}");
            status(&get(&program, NOTES, &lines))
        });
        assert_eq!(asked.collect::<Vec<_>>(), [200, 200, 200, 429]);
    }
}

#[test]
fn wrong_tokens_are_counted_by_address() {
    let (_folder, program) = serve(SETTINGS);
    let asked = (0..4).map(|n| {
        let answer = get(&program, NOTES, &format!("\r\nAuthorization: Bearer a.b.{n}"));
        (status(&answer), header(&answer, "retry-after").is_some())
    });
    assert_eq!(asked.collect::<Vec<_>>(), [(401, false), (401, false), (401, false), (429, true)]);
    assert_eq!(status(&get(&program, NOTES, "")), 200, "and keep nobody out who has done nothing wrong");
}

#[test]
fn without_the_setting_nothing_is_counted() {
    let (_folder, program) = serve("");
    for _ in 0..50 {
        let answer = get(&program, NOTES, "");
        assert_eq!((status(&answer), header(&answer, "ratelimit")), (200, None));
    }
}

#[test]
fn each_caller_has_its_share_at_a_time() {
    let (_folder, program) = serve("[limits]\ncaller-requests = 2\n");
    // Requests whose bodies do not come are under way.
    let head = "POST /rest/v1/notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n";
    let begin = || {
        let mut stream = super::connect(&program);
        write!(stream, "{head}Content-Length: 2\r\n\r\n").expect("it reads");
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("it answers");
        (stream, String::from_utf8_lossy(&start).into_owned())
    };
    let mut open = vec![begin(), begin()];
    assert!(open.iter().all(|(_, start)| start == "HTTP/1.1 100"), "both may send: {open:?}");
    assert_eq!(begin().1, "HTTP/1.1 429");
    let (mut first, _) = open.remove(0);
    first.write_all(b"{}").expect("it reads");
    let mut rest = [0; " Continue\r\n\r\nHTTP/1.1 201".len()];
    first.read_exact(&mut rest).expect("it answers");
    assert!(rest.ends_with(b"HTTP/1.1 201"), "{rest:?}");
    assert_eq!(begin().1, "HTTP/1.1 100", "there is a place again");
}
