//! Clients as people have them, installed from their registry and driven against the program.
//!
//! A folder of `tests/clients` has a script, the schema that it asks, and `transcript.json`: what every step gives, the
//! same on each engine. `ROADBED_TEST_BLESS=1` writes PostgreSQL's answers; read what it wrote.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use roadbed_auth::{ApiKeys, issue};
use serde_json::{Map, Value as Json};

use crate::harness::{EmptyDatabase, On, engines, runtime, say, variable};
use crate::process::{PROCESS_SECRET, Program, as_argument, roadbed};

#[test]
fn postgrest_js_gets_what_it_asks_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/postgrest-js");
    let Some(installed) = install(&folder) else {
        return say("1 TEST NOT RUN: NPM CANNOT INSTALL POSTGREST-JS HERE, SO NO CLIENT ASKED THE PROGRAM");
    };
    for on in engines("postgrest-js") {
        let database = (on == On::Postgres).then(|| runtime().block_on(EmptyDatabase::new()));
        let place = tempfile::tempdir().expect("there is room for a folder");
        let file = format!("sqlite:{}/data.sqlite", as_argument(place.path()));
        let url = database.as_ref().map_or(file.as_str(), EmptyDatabase::url);
        let arguments = ["dev", as_argument(&folder), "--listen", "127.0.0.1:0", "--database", url];
        let program = Program::start(roadbed().args(arguments));
        let steps = drive(&installed, &program.url);
        drop(program);
        if let Some(database) = database {
            runtime().block_on(database.end());
        }
        compare(&folder.join("transcript.json"), &steps, on);
    }
}

/// A folder with the script beside the packages that its lock file names. Kept from run to run.
fn install(client: &Path) -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(client.file_name()?);
    std::fs::create_dir_all(&place).expect("there is room for a folder");
    for file in ["package.json", "package-lock.json", "script.mjs"] {
        std::fs::copy(client.join(file), place.join(file)).expect("both can be reached");
    }
    let npm = Command::new("npm")
        .args(["ci", "--silent", "--no-audit", "--no-fund", "--prefer-offline"])
        .current_dir(&place)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    npm.status.success().then_some(place)
}

/// What the script's steps give.
fn drive(installed: &Path, url: &str) -> Vec<Json> {
    let keys = ApiKeys::derived_from(PROCESS_SECRET.as_bytes());
    let user = [("role", "authenticated"), ("sub", "00000000-0000-0000-0000-000000000001")];
    let claims: Map<String, Json> = user.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let token = issue(&claims, PROCESS_SECRET.as_bytes()).expect("a map of claims can be signed");
    let mut node = Command::new("node");
    let node =
        node.arg("script.mjs").args([url, keys.publishable(), &token]).current_dir(installed).stdin(Stdio::null());
    let output = node.output().expect("npm comes with it");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the script failed: {errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}

fn compare(transcript: &Path, steps: &[Json], on: On) {
    if variable("ROADBED_TEST_BLESS").is_some() && on == On::Postgres {
        let lines: Vec<String> = steps.iter().map(Json::to_string).collect();
        std::fs::write(transcript, format!("[\n{}\n]\n", lines.join(",\n"))).expect("it can be written");
    }
    let written = std::fs::read_to_string(transcript).expect("the transcript is there");
    let written: Vec<Json> = serde_json::from_str(&written).expect("the transcript is a list of steps");
    let wrong: Vec<String> = written
        .iter()
        .zip(steps)
        .filter(|(written, step)| written != step)
        .map(|(written, step)| format!("expected {written}\n   found {step}"))
        .collect();
    let (expected, found) = (written.len(), steps.len());
    assert!(wrong.is_empty() && expected == found, "{found} of {expected} steps on {on}:\n{}", wrong.join("\n"));
}
