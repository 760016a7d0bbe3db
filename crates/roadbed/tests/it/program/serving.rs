//! The program while it serves: limits, logs, headers, new migrations, and its end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::Value as Json;

use super::{NOTES, applied, folder, write};
use crate::harness::runtime;
use crate::process::{PROCESS_SECRET, Program, as_argument, roadbed, run, run_well, until};

fn serve(settings: &str) -> (tempfile::TempDir, Program) {
    let folder = applied(NOTES);
    write(folder.path(), "roadbed.toml", settings);
    let program = Program::serve(folder.path(), &[]);
    (folder, program)
}

/// Status and body of a GET.
async fn get(program: &Program, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{}{path}", program.url)).await.expect("it serves");
    (answer.status().as_u16(), answer.text().await.expect("bodies end"))
}

/// What comes back for `text`, sent as it is.
fn exchange(program: &Program, parts: &[&[u8]]) -> String {
    let address = program.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("it listens");
    for part in parts {
        // A server that has heard enough may have closed.
        let _ = stream.write_all(part);
    }
    // Whoever says that it is the last request waits; the others go away in the middle.
    if !parts.concat().ends_with(b"Connection: close\r\n\r\n") {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_body_has_a_limit_and_so_has_a_url() {
    let (_folder, program) = serve("[limits]\nbody-bytes = 1000\nurl-bytes = 200\n");
    runtime().block_on(async {
        let post = async |bytes: usize| {
            let body = format!("{{\"text\":\"{}\"}}", "x".repeat(bytes - 11));
            assert_eq!(body.len(), bytes);
            let answer = Client::new().post(format!("{}/rest/v1/notes", program.url)).body(body);
            let answer = answer.header("Content-Type", "application/json").send().await.expect("it answers");
            (answer.status().as_u16(), answer.text().await.expect("bodies end"))
        };
        assert_eq!(post(1000).await, (201, String::new()));
        let (status, body) = post(1001).await;
        assert!(status == 413 && body.contains("\"code\""), "{status} {body}");
        let path = |bytes: usize| {
            let start = "/rest/v1/notes?text=eq.";
            format!("{start}{}", "x".repeat(bytes - start.len()))
        };
        assert_eq!(get(&program, &path(200)).await, (200, "[]".to_owned()));
        let (status, body) = get(&program, &path(201)).await;
        assert!(status == 414 && body.contains("200"), "{status} {body}");
        assert_eq!(get(&program, "/rest/v1/notes?select=id").await.0, 200, "others are served");
    });
}

/// Sends a request without closing the connection after it.
fn ask_on(stream: &mut TcpStream) {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
}

/// The first bytes of an answer, which come within `patience` or not at all.
fn begins(stream: &mut TcpStream, patience: Duration) -> std::io::Result<String> {
    stream.set_read_timeout(Some(patience)).expect("times can be set");
    let mut bytes = [0; 12];
    stream.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn headers_that_do_not_come_end_the_connection() {
    let (_folder, program) = serve("[limits]\nheader-seconds = 1\n");
    let address = program.url.trim_start_matches("http://");
    for part in ["", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(part.as_bytes()).expect("it reads");
        stream.set_read_timeout(Some(PATIENCE)).expect("times can be set");
        let mut answer = String::new();
        let ended = stream.read_to_string(&mut answer);
        assert!(ended.is_ok() && !answer.starts_with("HTTP/1.1 2"), "{part:?}: {ended:?} {answer}");
    }
    let mut next = TcpStream::connect(address).expect("it listens");
    ask_on(&mut next);
    assert_eq!(begins(&mut next, PATIENCE).expect("others are served"), "HTTP/1.1 200");
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let (_folder, program) = serve("[limits]\nconnections = 2\nheader-seconds = 600\n");
    let address = program.url.trim_start_matches("http://");
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).expect("it listens");
        ask_on(&mut stream);
        assert_eq!(begins(&mut stream, PATIENCE).expect("there is a place"), "HTTP/1.1 200");
        open.push(stream);
    }
    let mut third = TcpStream::connect(address).expect("the system holds it");
    ask_on(&mut third);
    let early = begins(&mut third, Duration::from_millis(300));
    assert!(early.is_err(), "there was no place, and yet it was answered: {early:?}");
    drop(open.pop());
    assert_eq!(begins(&mut third, PATIENCE).expect("there is a place now"), "HTTP/1.1 200");
}

#[test]
fn a_server_for_no_connections_is_refused() {
    let folder = applied(NOTES);
    write(folder.path(), "roadbed.toml", "[limits]\nconnections = 0\n");
    let output = run(&["serve", as_argument(folder.path()), "--listen", "127.0.0.1:0"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("connections"), "{text}");
}

#[test]
fn answers_have_a_most_number_of_rows() {
    let (_folder, program) = serve("[rest]\nmax-rows = 2\n");
    runtime().block_on(async {
        let rows = r#"[{"id":1},{"id":2},{"id":3}]"#;
        let post = Client::new().post(format!("{}/rest/v1/notes", program.url)).body(rows);
        assert_eq!(post.header("Content-Type", "application/json").send().await.expect("it serves").status(), 201);
        assert_eq!(get(&program, "/rest/v1/notes?select=id").await.1, r#"[{"id":1},{"id":2}]"#);
        assert_eq!(get(&program, "/rest/v1/notes?select=id&limit=3").await.1, r#"[{"id":1},{"id":2}]"#);
    });
}

#[test]
fn pages_are_served_beside_the_api_and_nothing_outside_them() {
    let folder = applied(NOTES);
    std::fs::create_dir(folder.path().join("public")).expect("there is room");
    write(folder.path(), "public/index.html", "<h1>notes</h1>");
    let program = Program::serve(folder.path(), &[]);
    runtime().block_on(async {
        assert_eq!(get(&program, "/").await, (200, "<h1>notes</h1>".to_owned()));
        for path in ["/nothing", "/roadbed.toml", "/.roadbed/data.sqlite", "/%2e%2e/migrations/0001_first.sql"] {
            let (status, body) = get(&program, path).await;
            let error: Json = serde_json::from_str(&body).unwrap_or_default();
            assert!(status == 404 && error["code"].is_string(), "{path}: {status} {body}");
        }
    });
    let answer =
        exchange(&program, &[b"GET /../migrations/0001_first.sql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]);
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[test]
fn browsers_may_ask_as_supabase_js_does() {
    let (_folder, program) = serve("");
    runtime().block_on(async {
        let wanted = "accept-profile,apikey,authorization,content-type,prefer,x-client-info";
        let preflight = Client::new()
            .request(Method::OPTIONS, format!("{}/rest/v1/notes", program.url))
            .header("Origin", "http://localhost:5173")
            .header("Access-Control-Request-Method", "PATCH")
            .header("Access-Control-Request-Headers", wanted);
        let answer = preflight.send().await.expect("it serves");
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(answer.status().is_success());
        assert_eq!(header("access-control-allow-origin"), "*");
        assert!(header("access-control-allow-methods").contains("PATCH"));
        for name in wanted.split(',') {
            assert!(header("access-control-allow-headers").contains(name), "{name}");
        }
    });
}

#[test]
fn logs_are_json_with_the_callers_id_and_without_secrets() {
    let (_folder, program) = serve("[log]\nlevel = \"trace\"\n");
    runtime().block_on(async {
        let asked = Client::new()
            .post(format!("{}/rest/v1/notes?text=eq.planted-filter", program.url))
            .header("Authorization", "Bearer planted-token")
            .header("apikey", "planted-key")
            .header("Cookie", "session=planted-cookie")
            .header("X-Request-Id", "my-id-1")
            .body("{\"text\":\"planted-body\"}");
        let answer = asked.send().await.expect("it serves");
        assert_eq!(answer.headers()["x-request-id"], "my-id-1");
        assert_eq!(answer.status(), 401);
        let insert = Client::new().post(format!("{}/rest/v1/notes", program.url)).body("{\"text\":\"planted-body\"}");
        let answer = insert.header("Content-Type", "application/json").header("X-Request-Id", "no good").send().await;
        assert_ne!(answer.expect("it serves").headers()["x-request-id"], "no good");
    });
    program.logs.wait_for("a line with the id", |line| line.contains("my-id-1").then_some(()));
    program.terminate();
    program.logs.wait_for("the last line", |line| line.contains("stopping").then_some(()));
    let logs = program.logs.text();
    for line in logs.lines() {
        serde_json::from_str::<Json>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    for secret in ["planted-", PROCESS_SECRET] {
        assert!(!logs.contains(secret), "`{secret}` is in the logs");
    }
}

#[test]
fn a_stop_signal_lets_running_requests_end() {
    let (_folder, mut program) = serve("");
    let address = program.url.trim_start_matches("http://").to_owned();
    let body = "{\"text\":\"late\"}";
    let mut stream = TcpStream::connect(&address).expect("it listens");
    let head = "POST /rest/v1/notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len()).expect("it reads");
    // The program asks for the body: the request runs.
    let mut proceed = [0; 25];
    stream.read_exact(&mut proceed).expect("it answers");
    assert!(proceed.starts_with(b"HTTP/1.1 100"));
    program.terminate();
    program.logs.wait_for("the line that says it stops", |line| line.contains("stopping").then_some(()));
    stream.write_all(body.as_bytes()).expect("it still reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(program.wait().code(), Some(0));
    assert!(TcpStream::connect(&address).is_err(), "nobody listens any more");
}

#[test]
fn a_taken_port_is_said_clearly() {
    let (folder, program) = serve("");
    let address = program.url.trim_start_matches("http://");
    let second = roadbed().args(["serve", as_argument(folder.path()), "--listen", address]).output();
    let second = second.expect("it can be started");
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1));
    assert!(text.contains(address) && text.contains("--listen"), "{text}");
}

#[test]
fn new_migrations_go_live_without_a_pause() {
    for watched in [true, false] {
        let folder = folder(NOTES);
        let program = if watched {
            Program::dev(folder.path(), &[])
        } else {
            run_well(&["migrate", "up", as_argument(folder.path())]);
            Program::serve(folder.path(), &[])
        };
        runtime().block_on(async {
            assert_eq!(get(&program, "/rest/v1/tags").await.0, 404);
            let sql = "create table tags (id int primary key); grant select on tags to anon;";
            write(folder.path(), "migrations/0002_tags.sql", sql);
            if !watched {
                run_well(&["migrate", "up", as_argument(folder.path())]);
            }
            until("the new table", async || {
                assert_eq!(get(&program, "/rest/v1/notes").await.0, 200, "the old one is served meanwhile");
                (get(&program, "/rest/v1/tags").await.0 == 200).then_some(())
            })
            .await;
        });
    }
}

#[test]
fn garbage_on_the_wire_is_answered_or_cut_off_and_others_are_served() {
    let (_folder, program) = serve("");
    let many_headers = (0..500).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    let endless = "a".repeat(1_000_000);
    let head = "POST /rest/v1/notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let requests = [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "GET".to_owned(),
        format!("GET /{endless} HTTP/1.1\r\n\r\n"),
        format!("GET /rest/v1/notes HTTP/1.1\r\nHost: x\r\n{many_headers}\r\n"),
        format!("GET /rest/v1/notes HTTP/1.1\r\nHost: x\r\nX: {endless}\r\n\r\n"),
        format!("{head}Content-Length: 10\r\n\r\n{{"),
        format!("{head}Content-Length: -1\r\n\r\n{{}}"),
        format!("{head}Content-Length: 99999999999999999999\r\n\r\n{{}}"),
        format!("{head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
        format!("{head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{{}}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"te"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{{}}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"),
        format!("{head}Transfer-Encoding: identity, chunked, chunked\r\n\r\n0\r\n\r\n"),
        "GET /rest/v1/notes HTTP/1.1\r\nHost: x\r\nX y: 1\r\n\r\n".to_owned(),
        "GET /rest/v1/notes HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n".to_owned(),
    ];
    for request in &requests {
        let answer = exchange(&program, &[request.as_bytes()]);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let sane = answer.is_empty() || status.starts_with('4') || status == "200";
        assert!(sane, "{:?} is answered with {answer}", &request[..request.len().min(200)]);
    }
    let bytes: [&[u8]; 2] = [
        b"GET /rest/v1/notes HTTP/1.1\r\nHost: x\r\nPrefer: \xff\xfe\r\nRange: \xff\r\n",
        b"Connection: close\r\n\r\n",
    ];
    assert!(exchange(&program, &bytes).starts_with("HTTP/1.1 200"));
    runtime().block_on(async {
        assert_eq!(get(&program, "/rest/v1/notes?select=id").await, (200, "[]".to_owned()), "nothing was written");
    });
}
