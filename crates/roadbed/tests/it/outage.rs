//! PostgreSQL gone and back, and one connection shared by many callers.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use crate::harness::{Caller, as_ordinary_user, free_port, programs, runtime, say};
use crate::process::{PROCESS_SECRET, Program, as_argument, roadbed, run_well, until};

const SCHEMA: &str = "
    create table notes (id int primary key, owner uuid default auth.uid(), text text);
    alter table notes enable row level security;
    grant select, insert, delete on notes to authenticated;
    grant select on notes to anon;
    create policy own on notes to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
    create policy open on notes for select to anon using (text = 'open');
    create view slow as select pg_sleep(60)::text as slept;
    create view caller as select current_user::text as role, auth.uid() as uid, current_setting('search_path') as path,
      current_setting('request.jwt.claims', true) as claims, current_setting('transaction_read_only') as reads;
    grant select on slow, caller to anon, authenticated;
";

/// A PostgreSQL server that can be stopped and started again. It ends with this value.
struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn new() -> Option<Self> {
        let Some(programs) = programs() else {
            say("1 TEST NOT RUN ON POSTGRESQL, WHICH IS NOT INSTALLED: an outage");
            return None;
        };
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let opened = Command::new("chmod").arg("777").arg(folder.path()).status();
        assert!(opened.expect("there is `chmod`").success());
        let server = Self { programs, folder, port: free_port() };
        let data = server.data();
        let mut make = server.command("initdb");
        make.args(["-D", &data, "--locale=C.UTF-8", "-E", "UTF8", "-A", "trust", "-U", "postgres", "--no-sync"]);
        make.output_well();
        Some(server)
    }

    fn data(&self) -> String {
        format!("{}/data", self.folder.path().display())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = as_ordinary_user();
        command.arg(self.programs.join(program)).current_dir("/").stdin(Stdio::null());
        command
    }

    fn start(&self) {
        let options = format!("-p {} -k {} -c listen_addresses=127.0.0.1 -c fsync=off", self.port, self.data());
        let log = format!("{}/log", self.data());
        // The server outlives `pg_ctl` and must not hold our pipes.
        let mut command = self.command("pg_ctl");
        command.args(["-D", &self.data(), "-w", "-l", &log, "-o", &options, "start"]);
        let started = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(started.expect("there is `pg_ctl`").success());
    }

    fn stop(&self) {
        self.command("pg_ctl").args(["-D", &self.data(), "-w", "-m", "immediate", "stop"]).output_well();
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been stopped.
        let _ = self.command("pg_ctl").args(["-D", &self.data(), "-m", "immediate", "stop"]).output();
    }
}

trait OutputWell {
    fn output_well(&mut self);
}

impl OutputWell for Command {
    fn output_well(&mut self) {
        let output = self.output().expect("it can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A folder with the schema, and settings for one connection.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::create_dir(folder.path().join("migrations")).expect("and for one in it");
    std::fs::write(folder.path().join("migrations/0001_notes.sql"), SCHEMA).expect("and for a file");
    let settings = "[database]\npool-size = 1\nstatement-timeout = 1\nacquire-timeout = 5\n";
    std::fs::write(folder.path().join("roadbed.toml"), settings).expect("and another");
    folder
}

struct Answer {
    status: u16,
    retry_after: Option<String>,
    body: String,
}

async fn ask(program: &Program, method: Method, path: &str, user: Option<u64>, body: &str) -> Answer {
    let mut request = Client::new().request(method, format!("{}{path}", program.url)).body(body.to_owned());
    request = request.header("Content-Type", "application/json");
    if let Some(user) = user {
        let Caller::User(id) = Caller::user(user) else { unreachable!("it is a user") };
        let claims = json!({ "role": "authenticated", "sub": id });
        let claims: Map<String, Json> = claims.as_object().cloned().expect("it is an object");
        let token = roadbed_auth::issue(&claims, PROCESS_SECRET.as_bytes()).expect("claims can be signed");
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.expect("the program always answers");
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = answer.status().as_u16();
    Answer { status, retry_after, body: answer.text().await.expect("bodies end") }
}

async fn get(program: &Program, path: &str) -> Answer {
    ask(program, Method::GET, path, None, "").await
}

async fn assert_away(program: &Program) {
    let answer = get(program, "/rest/v1/notes").await;
    let error: Json = serde_json::from_str(&answer.body).expect("errors are JSON");
    assert_eq!((answer.status, error["code"].as_str()), (503, Some("PGRST000")), "{}", answer.body);
    assert_eq!(answer.retry_after.as_deref().map(str::parse::<u32>).map(|parsed| parsed.is_ok()), Some(true));
    assert_eq!(get(program, "/readyz").await.status, 503);
    assert_eq!(get(program, "/healthz").await.status, 200);
}

async fn comes_back(program: &Program) {
    until("an answer from the database", async || (get(program, "/rest/v1/notes").await.status == 200).then_some(()))
        .await;
    assert_eq!(get(program, "/readyz").await.status, 200);
}

#[test]
fn callers_are_told_that_the_database_is_away_until_it_is_back() {
    let Some(server) = Server::new() else { return };
    server.start();
    let folder = folder();
    run_well(&["migrate", "up", as_argument(folder.path()), "--database", &server.url()]);
    let program = Program::serve(folder.path(), &["--database", &server.url()]);
    runtime().block_on(async {
        assert_eq!(get(&program, "/rest/v1/notes").await.status, 200);
        for _ in 0..2 {
            server.stop();
            assert_away(&program).await;
            server.start();
            comes_back(&program).await;
        }
        server.stop();
    });
    drop(program);
    // It starts while the database is away, says so, and serves when it comes.
    let mut program = Program::begin(roadbed().args([
        "serve",
        as_argument(folder.path()),
        "--listen",
        "127.0.0.1:0",
        "--database",
        &server.url(),
    ]));
    program.url = program.address_in("waiting for the database");
    runtime().block_on(async {
        assert_away(&program).await;
        server.start();
        comes_back(&program).await;
    });
    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn nothing_of_one_caller_is_left_for_the_next_on_the_same_connection() {
    let Some(server) = Server::new() else { return };
    server.start();
    let folder = folder();
    run_well(&["migrate", "up", as_argument(folder.path()), "--database", &server.url()]);
    let program = Program::serve(folder.path(), &["--database", &server.url()]);
    runtime().block_on(async {
        let insert = |id: u64| format!("{{\"id\":{id},\"text\":\"of {id}\"}}");
        for user in [1, 2] {
            let answer = ask(&program, Method::POST, "/rest/v1/notes", Some(user), &insert(user)).await;
            assert_eq!(answer.status, 201, "{}", answer.body);
        }
        for round in 0..3 {
            disturb(&program, round).await;
            check_callers(&program).await;
        }
    });
}

/// Requests that end badly, each in its own way, in a different order in each round.
async fn disturb(program: &Program, round: usize) {
    let duplicate = "{\"id\":1,\"text\":\"again\"}";
    let foreign = "{\"id\":9,\"owner\":\"00000000-0000-0000-0000-000000000002\"}";
    for step in 0..6 {
        let answer = match (step + round) % 6 {
            0 => ask(program, Method::POST, "/rest/v1/notes", Some(1), duplicate).await,
            1 => ask(program, Method::POST, "/rest/v1/notes", Some(1), foreign).await,
            2 => ask(program, Method::GET, "/rest/v1/notes?text=match.(", Some(1), "").await,
            3 => ask(program, Method::DELETE, "/rest/v1/notes?id=gt.0", None, "").await,
            4 => {
                let answer = ask(program, Method::GET, "/rest/v1/slow", Some(1), "").await;
                assert!(answer.body.contains("57014") && answer.status == 504, "{} {}", answer.status, answer.body);
                answer
            }
            _ => {
                drop_in_the_middle(program).await;
                continue;
            }
        };
        let status = StatusCode::from_u16(answer.status).expect("it is one");
        assert!(status.is_client_error() || answer.status == 504, "{} {}", answer.status, answer.body);
    }
}

/// A caller who asks for something slow and goes away.
async fn drop_in_the_middle(program: &Program) {
    use std::io::Write;
    let address = program.url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    write!(stream, "GET /rest/v1/slow HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
}

async fn check_callers(program: &Program) {
    for user in [Some(1), None, Some(2), None] {
        let answer = ask(program, Method::GET, "/rest/v1/caller", user, "").await;
        let rows: Json = serde_json::from_str(&answer.body).unwrap_or_default();
        let claims = rows[0]["claims"].as_str().unwrap_or_default();
        let id = user.map(|user| format!("00000000-0000-0000-0000-{user:012}"));
        let role = if user.is_some() { "authenticated" } else { "anon" };
        assert_eq!(rows[0]["uid"].as_str(), id.as_deref(), "{}", answer.body);
        assert!(claims.contains(role) && claims.contains(id.as_deref().unwrap_or("{")), "{}", answer.body);
        assert_eq!(rows[0]["reads"], "on", "{}", answer.body);
        assert_eq!(rows[0]["path"], "\"public\"", "{}", answer.body);
        let answer = ask(program, Method::GET, "/rest/v1/notes?select=text", user, "").await;
        let seen = user.map(|user| format!("[{{\"text\":\"of {user}\"}}]"));
        assert_eq!(answer.body, seen.as_deref().unwrap_or("[]"));
    }
}
