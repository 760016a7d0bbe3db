//! What each command prints, and how it ends.

use std::process::Command;

use serde_json::{Value as Json, json};

use super::{NOTES, applied, folder, write};
use crate::harness::runtime;
use crate::process::{Program, as_argument, roadbed, run, run_well};

/// Exit code and standard error of a command.
fn failure(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_fresh_folder_serves_and_its_printed_line_works() {
    let place = tempfile::tempdir().expect("there is room for a folder");
    let shop = place.path().join("shop");
    let made = run_well(&["init", as_argument(&shop)]);
    assert!(made.contains("roadbed dev"), "{made}");
    assert_eq!(failure(&["init", as_argument(&shop)]).0, Some(1), "nothing is overwritten");
    let program = Program::dev(&shop, &[]);
    let line = program
        .output
        .wait_for("a line with curl", |line| line.trim().starts_with("curl ").then(|| line.trim().to_owned()));
    let answer = Command::new("sh").args(["-c", &format!("{line} --silent --show-error")]).output();
    let rows: Json = serde_json::from_slice(&answer.expect("there is curl").stdout).expect("the line brings rows");
    assert_eq!(rows[0]["title"], "Welcome");
}

#[test]
fn every_command_shows_an_example() {
    let all = run_well(&["--help"]);
    for command in [
        "init",
        "dev",
        "serve",
        "migrate",
        "db",
        "keys",
        "access",
        "openapi",
        "postman",
        "types",
        "doctor",
        "completions",
    ] {
        assert!(all.contains(command), "`{command}` is not listed:\n{all}");
        let help = run_well(&[command, "--help"]);
        assert!(help.contains("Example: roadbed "), "`{command}` has no example:\n{help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(run_well(&["completions", shell]).contains("migrate"), "{shell}");
    }
}

#[test]
fn a_wrong_call_ends_with_2_and_a_failure_with_1() {
    assert_eq!(failure(&["sevre"]).0, Some(2));
    assert_eq!(failure(&["keys", "--jsno"]).0, Some(2));
    let (code, text) = failure(&["migrate", "up", "/no/such/folder"]);
    assert!(code == Some(1) && text.contains("/no/such/folder") && text.contains("roadbed init"), "{text}");
}

#[test]
fn migrations_are_made_applied_listed_and_kept() {
    let folder = applied(NOTES);
    let path = as_argument(folder.path());
    let state = || serde_json::from_str::<Json>(&run_well(&["migrate", "status", path, "--json"])).expect("it is JSON");
    let made = run_well(&["migrate", "new", "Add tags!", path]);
    assert!(made.trim().ends_with("migrations/0002_add_tags.sql"), "{made}");
    let entry = |name: &str, state: &str| json!({ "name": name, "state": state });
    assert_eq!(state(), json!([entry("0001_first", "applied"), entry("0002_add_tags", "new")]));
    assert_eq!(run_well(&["migrate", "up", path]).trim(), "applied 0002_add_tags");
    assert_eq!(run_well(&["migrate", "up", path]).trim(), "nothing is new");
    write(folder.path(), "migrations/0001_first.sql", "create table other (id int);");
    assert_eq!(state()[0], entry("0001_first", "changed"));
    let (code, text) = failure(&["migrate", "up", path]);
    assert!(code == Some(1) && text.contains("0001_first.sql") && text.contains("changed"), "{text}");
}

#[test]
fn a_wrong_migration_is_shown_with_its_line_and_changes_nothing() {
    let sql = "create table good (id int primary key);\ncreate table bad (\n  id int primary key,\n  place point\n);\n";
    let folder = folder(sql);
    let path = as_argument(folder.path());
    let (code, text) = failure(&["migrate", "up", path]);
    assert_eq!(code, Some(1), "{text}");
    for shown in ["0001_first.sql", ":4:", "place point", "help"] {
        assert!(text.contains(shown), "`{shown}` is not in:\n{text}");
    }
    write(folder.path(), "migrations/0001_first.sql", "create table good (id int primary key);\nslect 1;\n");
    let (_, text) = failure(&["migrate", "up", path]);
    assert!(text.contains("syntax error at or near") && text.contains(":2:"), "{text}");
    let status = run_well(&["migrate", "status", path]);
    assert!(status.starts_with("new "), "{status}");
}

#[test]
fn a_wrong_setting_is_refused_with_its_place_and_the_nearest() {
    let folder = folder(NOTES);
    write(folder.path(), "roadbed.toml", "[server]\nlisen = \"127.0.0.1:1\"\n");
    let (code, text) = failure(&["serve", as_argument(folder.path())]);
    assert!(code == Some(1) && text.contains("roadbed.toml") && text.contains("server.listen"), "{text}");
    write(folder.path(), "roadbed.toml", "");
    let output = roadbed().args(["serve", as_argument(folder.path())]).env("ROADBED_SERVER_LISEN", "x").output();
    let text = String::from_utf8_lossy(&output.expect("it can be started").stderr).into_owned();
    assert!(text.contains("ROADBED_SERVER_LISTEN"), "{text}");
}

#[test]
fn seeds_load_whole_and_a_reset_starts_over() {
    let folder = applied(NOTES);
    let path = as_argument(folder.path());
    assert_eq!(failure(&["db", "seed", path]).0, Some(1), "there is no seed");
    write(folder.path(), "seed.sql", "insert into notes (text) values ('a');\ninsert into nots (text) values ('b');\n");
    let (code, text) = failure(&["db", "seed", path]);
    assert!(code == Some(1) && text.contains("seed.sql") && text.contains("nots"), "{text}");
    write(folder.path(), "seed.sql", "insert into notes (text) values ('a');\n");
    run_well(&["db", "seed", path]);
    assert_eq!(failure(&["db", "reset", path]).0, Some(1), "nobody said yes");
    assert!(run_well(&["db", "reset", path, "--yes"]).contains("seed loaded"));
    let program = Program::serve(folder.path(), &[]);
    let text = runtime().block_on(async {
        let answer = reqwest::get(format!("{}/rest/v1/notes?select=text", program.url)).await;
        answer.expect("it serves").text().await.expect("bodies end")
    });
    assert_eq!(text, r#"[{"text":"a"}]"#);
}

#[test]
fn keys_and_rights_are_printed_for_programs() {
    let folder = applied(NOTES);
    let path = as_argument(folder.path());
    let keys: Json = serde_json::from_str(&run_well(&["keys", path, "--json"])).expect("it is JSON");
    for name in ["anon", "service_role", "publishable", "secret", "url"] {
        assert!(keys[name].is_string(), "{keys}");
    }
    let rights: Json = serde_json::from_str(&run_well(&["access", "show", path, "--json"])).expect("it is JSON");
    let anon: Vec<&Json> =
        rights.as_array().expect("a list").iter().filter(|row| row["role"] == "anon").map(|row| &row["verb"]).collect();
    assert_eq!(anon, ["select", "insert"]);
    let shown = run_well(&["access", "show", path, "--role", "anon"]);
    assert!(shown.contains("public.notes") && shown.contains("select"), "{shown}");
}

/// More than once, because programs that open a new file together meet in many ways.
#[test]
fn programs_that_migrate_at_once_apply_each_migration_once() {
    for _ in 0..10 {
        let folder = folder(NOTES);
        let path = as_argument(folder.path());
        let start = |_| {
            roadbed().args(["migrate", "up", path]).stdout(std::process::Stdio::piped()).spawn().expect("it starts")
        };
        let running: Vec<_> = (0..6).map(start).collect();
        let printed: Vec<String> = running.into_iter().map(printed_at_success).collect();
        assert_eq!(printed.iter().filter(|line| *line == "applied 0001_first").count(), 1, "{printed:?}");
        assert_eq!(printed.iter().filter(|line| *line == "nothing is new").count(), 5, "{printed:?}");
    }
}

fn printed_at_success(process: std::process::Child) -> String {
    let output = process.wait_with_output().expect("it ends");
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
