//! One server in the place of another, on a socket that both have from a supervisor: no request is lost.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Client;

use super::{PATIENCE, folder};
use crate::harness::{EmptyDatabase, On, engines, runtime};
use crate::process::{Program, as_argument, roadbed, run_well, until};

/// How often the server is replaced.
const TIMES: u64 = 20;

/// Answers that every server gives before it is replaced.
const BETWEEN: u64 = 60;

/// Starts a server as systemd does: the socket is its descriptor 3, and variables say so.
fn start(folder: &Path, socket: &TcpListener, database: Option<&str>) -> Program {
    let mut command = Command::new("sh");
    command.env_clear().envs(roadbed().get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(url) = database {
        command.env("ROADBED_DATABASE_URL", url);
    }
    let script = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null";
    command.args(["-c", script, env!("CARGO_BIN_EXE_roadbed"), "serve", as_argument(folder)]);
    let passed: OwnedFd = socket.try_clone().expect("sockets can be shared").into();
    Program::start(command.stdin(Stdio::from(passed)))
}

/// What the callers have seen.
#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    answered: AtomicU64,
    written: AtomicU64,
}

impl Seen {
    fn saw(&self, status: u16, is_write: bool) {
        assert_eq!(status, if is_write { 201 } else { 200 });
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.written.fetch_add(u64::from(is_write), Ordering::Relaxed);
    }
}

/// Reads and writes in turn, over connections that stay open or new ones.
async fn call(url: String, client: Client, seen: Arc<Seen>) {
    while !seen.is_over.load(Ordering::Relaxed) {
        let read = client.get(format!("{url}/rest/v1/notes?limit=1")).send().await.expect("a read is answered");
        let status = read.status().as_u16();
        read.bytes().await.expect("and to its end");
        seen.saw(status, false);
        let write = client.post(format!("{url}/rest/v1/notes")).header("content-type", "application/json");
        let write = write.body("{\"text\":\"x\"}").send().await.expect("a write is answered");
        seen.saw(write.status().as_u16(), true);
    }
}

/// Writes over HTTP/2. A request that was not sent because the server had said that it goes is sent to the next.
async fn call_by_http2(url: String, seen: Arc<Seen>) {
    let host = url.trim_start_matches("http://").to_owned();
    while !seen.is_over.load(Ordering::Relaxed) {
        let stream = tokio::net::TcpStream::connect(&host).await.expect("it listens");
        let spoken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = spoken.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        while !seen.is_over.load(Ordering::Relaxed) && sender.ready().await.is_ok() {
            let request = hyper::Request::post(format!("{url}/rest/v1/notes"));
            let request = request.header("content-type", "application/json").body(Full::new(Bytes::from("{}")));
            match sender.try_send_request(request.expect("it is well-formed")).await {
                Ok(answer) => seen.saw(answer.status().as_u16(), true),
                Err(mut error) => assert!(error.take_message().is_some(), "a request was lost: {}", error.error()),
            }
        }
    }
}

#[test]
fn a_server_is_replaced_under_load_and_no_request_is_lost() {
    for on in engines("a server is replaced under load and no request is lost") {
        let database = (on == On::Postgres).then(|| runtime().block_on(EmptyDatabase::new()));
        let url = database.as_ref().map(EmptyDatabase::url);
        replace_under_load(on, url);
        if let Some(database) = database {
            runtime().block_on(database.end());
        }
    }
}

fn replace_under_load(on: On, database: Option<&str>) {
    let folder = folder("");
    if let Some(url) = database {
        run_well(&["migrate", "up", as_argument(folder.path()), "--database", url]);
    }
    let socket = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let url = format!("http://{}", socket.local_addr().expect("it has one"));
    let mut server = start(folder.path(), &socket, database);
    assert_eq!(server.url, url, "it serves on what it was given");
    runtime().block_on(async {
        let seen = Arc::new(Seen::default());
        let mut callers = Vec::new();
        for _ in 0..3 {
            for idle in [0, 1] {
                let client = Client::builder().pool_max_idle_per_host(idle).timeout(PATIENCE);
                let client = client.build().expect("it has all it needs");
                callers.push(tokio::spawn(call(url.clone(), client, seen.clone())));
            }
        }
        callers.push(tokio::spawn(call_by_http2(url.clone(), seen.clone())));
        for _ in 0..TIMES {
            let before = seen.answered.load(Ordering::Relaxed);
            let enough = async || (seen.answered.load(Ordering::Relaxed) >= before + BETWEEN).then_some(());
            until("more answers", enough).await;
            let next = tokio::task::block_in_place(|| start(folder.path(), &socket, database));
            server.terminate();
            assert_eq!(tokio::task::block_in_place(|| server.wait()).code(), Some(0));
            server = next;
        }
        seen.is_over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap_or_else(|error| panic!("on {on}: {error}"));
        }
        let rows = Client::new().head(format!("{url}/rest/v1/notes")).header("prefer", "count=exact").send().await;
        let range = rows.expect("it answers").headers()["content-range"].to_str().expect("it is text").to_owned();
        let written = seen.written.load(Ordering::Relaxed);
        assert!(range.ends_with(&format!("/{written}")), "on {on}: {written} were written, and there are {range}");
    });
}
