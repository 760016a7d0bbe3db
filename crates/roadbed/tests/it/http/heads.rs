//! Heads: what they may weigh, what they may claim, and what every answer's says to browsers.

use super::{exchange, header, serve, status, write};
use crate::process::Program;

/// A request whose headers have so many bytes, as each line counts: name, colon, blank, value, line end.
fn with_headers_of(program: &Program, bytes: usize) -> String {
    let fixed = "Host: x\r\n".len() + "Connection: close\r\n".len() + "X: \r\n".len();
    exchange(program, &format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(bytes - fixed)), "")
}

#[test]
fn headers_have_a_limit() {
    let (_folder, program) = serve("[limits]\nheader-bytes = 1000\n");
    assert_eq!(status(&with_headers_of(&program, 1000)), 200);
    let answer = with_headers_of(&program, 1001);
    assert_eq!(status(&answer), 431, "{answer}");
    assert!(answer.contains("\"RB431\"") && answer.contains("1001") && answer.contains("1000"), "{answer}");
    // What passes all bounds is not even read to its end: who still sends may not hear why.
    assert!([0, 431].contains(&status(&with_headers_of(&program, 2_000_000))));
    assert_eq!(status(&with_headers_of(&program, 1000)), 200);
}

#[test]
fn browsers_are_told_what_they_may_do() {
    let folder = super::folder("");
    write(folder.path(), "public/index.html", "<h1>notes</h1>");
    let program = Program::serve(folder.path(), &[]);
    for path in ["/", "/rest/v1/notes", "/rest/v1/nothing", "/nothing", "/healthz"] {
        let answer = exchange(&program, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https"), "");
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header(&answer, "content-security-policy"), Some("frame-ancestors 'none'"), "{path}");
        assert_eq!(header(&answer, "referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(header(&answer, "strict-transport-security"), None, "{path}: nothing here is encrypted");
    }
}

#[test]
fn a_trusted_proxy_is_believed_and_nobody_else() {
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https";
    let settings = "[server]\ntrusted-proxies = [\"127.0.0.0/8\"]\nhsts-seconds = 5\nframe-ancestors = \"\"\n";
    let (_folder, program) = serve(settings);
    let answer = exchange(&program, request, "");
    assert_eq!(header(&answer, "strict-transport-security"), Some("max-age=5"), "{answer}");
    assert_eq!(header(&answer, "content-security-policy"), None, "{answer}");
    let (_folder, program) = serve("[server]\ntrusted-proxies = [\"10.0.0.0/8\"]\n");
    assert_eq!(header(&exchange(&program, request, ""), "strict-transport-security"), None);
}

#[test]
fn what_is_no_network_is_refused() {
    let folder = super::folder("[server]\ntrusted-proxies = [\"10.0.0.0/99\"]\n");
    let output = crate::process::run(&["serve", crate::process::as_argument(folder.path())]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("server.trusted-proxies"), "{text}");
}
