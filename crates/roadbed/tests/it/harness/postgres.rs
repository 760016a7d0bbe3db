//! The PostgreSQL server of this test run: the one that `ROADBED_TEST_POSTGRES` names, or one of our own.
//!
//! Our own is kept by a shell that waits for this process to end, in whichever way, then stops the server and removes
//! its folder.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::{say, variable};

pub(crate) struct Postgres {
    /// Of the database `postgres`, as a superuser.
    url: String,
    /// Its input is open as long as this process lives: the end of it tells the keeper to stop the server.
    _keeper: Option<Child>,
}

/// The server, started when it is first asked for; `None` where PostgreSQL is not installed.
pub(crate) fn server() -> Option<&'static Postgres> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    SERVER.get_or_init(|| variable("ROADBED_TEST_POSTGRES").map(given).or_else(start)).as_ref()
}

impl Postgres {
    /// The address of another database of the server.
    pub(crate) fn url_of(&self, database: &str) -> String {
        let (before, query) = match self.url.split_once('?') {
            Some((before, query)) => (before, format!("?{query}")),
            None => (self.url.as_str(), String::new()),
        };
        let authority = before.find("://").map_or(0, |at| at + 3);
        let server = before[authority..].find('/').map_or(before, |slash| &before[..authority + slash]);
        format!("{server}/{database}{query}")
    }

    /// Runs statements as the superuser, outside a transaction.
    pub(crate) async fn run(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await.expect("it runs");
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        drop(client);
        // The connection ends with its client; how is of no interest.
        let _ = connection.await;
    }
}

fn given(url: String) -> Postgres {
    Postgres { url, _keeper: None }
}

/// `$1` the programs' folder, `$2` the port.
const KEEPER: &str = r#"
trap '' INT
folder=$(mktemp -d "${TMPDIR:-/tmp}/roadbed-test-XXXXXX") || exit 1
"$1/initdb" -D "$folder/data" --locale=C.UTF-8 -E UTF8 -A trust -U postgres --no-sync >"$folder/log" 2>&1 ||
  { cat "$folder/log" >&2; rm -rf "$folder"; exit 1; }
"$1/postgres" -D "$folder/data" -p "$2" -k "$folder" -c listen_addresses=127.0.0.1 -c max_connections=300 \
  -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off >>"$folder/log" 2>&1 &
server=$!
tries=0
until grep -q '^ready' "$folder/data/postmaster.pid" 2>/dev/null; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
    cat "$folder/log" >&2; kill -9 "$server" 2>/dev/null; rm -rf "$folder"; exit 1
  fi
  sleep 0.1
done
echo ready
cat >/dev/null
kill -INT "$server"
wait "$server"
rm -rf "$folder"
"#;

fn start() -> Option<Postgres> {
    let programs = programs()?;
    let port = free_port();
    let mut keeper = as_ordinary_user();
    keeper.args(["sh", "-c", KEEPER, "postgres-keeper"]).arg(&programs).arg(port.to_string());
    keeper.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut keeper = keeper.spawn().expect("a shell can be started");
    let mut line = String::new();
    let told = keeper.stdout.take().map(BufReader::new).map(|mut output| output.read_line(&mut line));
    if told.is_none_or(|told| told.is_err()) || line.trim() != "ready" {
        // It has said why on its way out.
        let _ = keeper.wait();
        say(&format!("POSTGRESQL IN {} CANNOT BE STARTED", programs.display()));
        return None;
    }
    Some(Postgres { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), _keeper: Some(keeper) })
}

/// The folder of the newest PostgreSQL that has `initdb`.
pub(crate) fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    packaged.sort_by_key(|folder| {
        let version = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok());
        std::cmp::Reverse(version)
    });
    let path = variable("PATH").unwrap_or_default();
    let searched = std::env::split_paths(&path).collect::<Vec<_>>();
    packaged.into_iter().chain(searched).find(|folder| ["initdb", "postgres"].iter().all(|p| folder.join(p).is_file()))
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

/// A command line that runs what follows as somebody who is not root: PostgreSQL refuses to run as root.
pub(crate) fn as_ordinary_user() -> Command {
    let id = |arguments: &[&str]| Command::new("id").args(arguments).stderr(Stdio::null()).output().ok();
    let is_root = id(&["-u"]).is_some_and(|output| output.stdout.trim_ascii() == b"0");
    if !is_root {
        return Command::new("env");
    }
    let has_own = id(&["-u", "postgres"]).is_some_and(|output| output.status.success());
    let user = if has_own { "postgres" } else { "nobody" };
    let group = id(&["-gn", user]).map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={}", group.unwrap_or_default())).arg("--clear-groups");
    command
}
