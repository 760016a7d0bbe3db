//! `roadbed doctor`: what it finds, what it advises, and its exit code.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value as Json;

use crate::harness::{EmptyDatabase, On, engines, runtime};
use crate::process::{Program, as_argument, roadbed, run_well};

const SCHEMA: &str = "create table t (id int primary key);";
const ANYWHERE: &str = "[server]\nlisten = \"127.0.0.1:0\"\n";

fn folder(settings: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::create_dir(folder.path().join("migrations")).expect("and for one in it");
    write(folder.path(), "migrations/0001_t.sql", SCHEMA);
    write(folder.path(), "roadbed.toml", settings);
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("files can be written");
}

fn let_all_read(file: &Path, mode: u32) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("the file is ours");
}

/// The exit code, and what was found.
fn doctor(folder: &Path, more: &[&str], environment: &[(&str, &str)]) -> (i32, Vec<Json>) {
    let mut command = roadbed();
    command.args(["doctor", as_argument(folder), "--json"]).args(more).envs(environment.iter().copied());
    let output = command.output().expect("the program can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let findings = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {output:?}"));
    (output.status.code().expect("it ends by itself"), findings)
}

/// The finding about `check` in `state`, and that the exit code fits.
#[track_caller]
fn found(result: &(i32, Vec<Json>), check: &str, state: &str, words: &str) {
    let (code, findings) = result;
    let has =
        |finding: &&Json| finding["check"] == check && finding["state"] == state && finding.to_string().contains(words);
    let finding = findings.iter().find(has).unwrap_or_else(|| panic!("no {check} {state} {words}: {findings:#?}"));
    assert_eq!(finding["advice"].is_string(), state != "good", "{finding}");
    let is_bad = findings.iter().any(|finding| finding["state"] == "bad");
    assert_eq!(*code, i32::from(is_bad), "{findings:#?}");
}

#[test]
fn nothing_is_bad_about_a_folder_that_is_well() {
    let folder = folder(ANYWHERE);
    let fresh = doctor(folder.path(), &[], &[]);
    found(&fresh, "database", "doubtful", "roadbed migrate up");
    assert!(!folder.path().join(".roadbed").exists(), "looking changes nothing");
    run_well(&["migrate", "up", as_argument(folder.path())]);
    let file = folder.path().join(".roadbed/data.sqlite");
    let_all_read(&file, 0o600);
    let well = doctor(folder.path(), &[], &[]);
    for (check, words) in [
        ("settings", "read"),
        ("keys", "read"),
        ("permissions", "owner"),
        ("disk", "free"),
        ("ports", "127.0.0.1:0"),
        ("database", "SQLite 3."),
        ("migrations", "all 1"),
    ] {
        found(&well, check, "good", words);
    }
    assert_eq!(well.0, 0);
    let output = roadbed().args(["doctor", as_argument(folder.path())]).output().expect("it can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("good  database") && output.status.success(), "{text}");
}

#[test]
fn wrong_settings_are_found() {
    let wrong = folder("[rest]\nmaxrows = 5\n");
    found(&doctor(wrong.path(), &[], &[]), "settings", "bad", "rest.max-rows");
    let wrong = folder(&format!("{ANYWHERE}[rest]\ntx-end = \"never\"\n"));
    found(&doctor(wrong.path(), &[], &[]), "settings", "bad", "rest.tx-end");
    let long = folder(&format!("{ANYWHERE}[database]\nstatement-timeout = 100\n"));
    found(&doctor(long.path(), &[], &[]), "settings", "doubtful", "limits.request-seconds");
}

#[test]
fn keys_that_cannot_be_used_are_found() {
    let folder = folder(ANYWHERE);
    let with = |name: &str, value: &str| doctor(folder.path(), &[], &[(name, value)]);
    found(&with("ROADBED_JWT_SECRET", "short"), "keys", "bad", "openssl rand");
    found(&with("ROADBED_JWT_KEY_FILE", "nowhere.pem"), "keys", "bad", "nowhere.pem");
    write(folder.path(), "empty.pem", "nothing");
    found(&with("ROADBED_JWT_KEY_FILE", "empty.pem"), "keys", "bad", "PEM public key");
    let unreachable = with("ROADBED_JWT_JWKS_URL", "http://user:p4ssword@127.0.0.1:1/keys");
    found(&unreachable, "keys", "bad", "jwt.jwks-url");
    assert!(!format!("{unreachable:?}").contains("p4ssword"), "{unreachable:?}");
    let mut command = roadbed();
    command.env_remove("ROADBED_JWT_SECRET").args(["doctor", as_argument(folder.path()), "--json"]);
    let output = command.output().expect("it can be started");
    let findings: Vec<Json> = serde_json::from_slice(&output.stdout).expect("it is JSON");
    found(&(output.status.code().expect("it ends"), findings), "keys", "doubtful", "ROADBED_JWT_SECRET");
}

#[test]
fn secrets_that_everybody_can_read_are_found() {
    let folder = folder(&format!("{ANYWHERE}[jwt]\nsecret = \"0123456789012345678901234567890123456789\"\n"));
    let file = folder.path().join("roadbed.toml");
    let_all_read(folder.path(), 0o755);
    let_all_read(&file, 0o644);
    found(&doctor(folder.path(), &[], &[]), "permissions", "bad", "chmod 600");
    let_all_read(&file, 0o646);
    found(&doctor(folder.path(), &[], &[]), "permissions", "bad", "change");
    let_all_read(&file, 0o600);
    found(&doctor(folder.path(), &[], &[]), "permissions", "good", "");
    let_all_read(&file, 0o644);
    let_all_read(folder.path(), 0o700);
    found(&doctor(folder.path(), &[], &[]), "permissions", "good", "");
}

#[test]
fn a_taken_port_is_found_unless_roadbed_has_it() {
    let folder = folder("");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let address = taken.local_addr().expect("it is bound").to_string();
    found(&doctor(folder.path(), &["--listen", &address], &[]), "ports", "bad", "another port");
    found(&doctor(folder.path(), &["--listen", "192.0.2.1:80"], &[]), "ports", "bad", "of this machine");
    let metrics = [("ROADBED_TELEMETRY_METRICS", address.as_str())];
    found(&doctor(folder.path(), &["--listen", "127.0.0.1:0"], &metrics), "ports", "bad", "telemetry.metrics");
    let program = Program::dev(folder.path(), &[]);
    let address = program.url.trim_start_matches("http://");
    found(&doctor(folder.path(), &["--listen", address], &[]), "ports", "good", "already");
}

#[test]
fn migrations_that_wait_or_were_changed_are_found() {
    let folder = folder(ANYWHERE);
    run_well(&["migrate", "up", as_argument(folder.path())]);
    write(folder.path(), "migrations/0002_u.sql", "create table u (id int primary key);");
    found(&doctor(folder.path(), &[], &[]), "migrations", "doubtful", "0002_u");
    write(folder.path(), "migrations/0001_t.sql", "create table t (id bigint primary key);");
    found(&doctor(folder.path(), &[], &[]), "migrations", "bad", "put the file back as it was");
    std::fs::remove_file(folder.path().join("migrations/0001_t.sql")).expect("it was there");
    found(&doctor(folder.path(), &[], &[]), "migrations", "bad", "put the file back");
}

#[test]
fn a_database_that_cannot_be_used_is_found() {
    let folder = folder(ANYWHERE);
    for (url, words) in [
        ("mysql://user:p4ssword@127.0.0.1/x", "database.url"),
        ("postgres://user:p4ssword@127.0.0.1:1/x", "cannot be reached"),
    ] {
        let result = doctor(folder.path(), &["--database", url], &[]);
        found(&result, "database", "bad", words);
        assert!(!format!("{result:?}").contains("p4ssword"), "{result:?}");
    }
}

#[test]
fn rights_that_a_login_of_postgresql_does_not_have_are_found() {
    if !engines("doctor on PostgreSQL").contains(&On::Postgres) {
        return;
    }
    runtime().block_on(async {
        let database = EmptyDatabase::new().await;
        let url = database.url().to_owned();
        let name = url.rsplit('/').next().unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
        let login = format!("{name}_login");
        let making = format!(
            "create role {login} login; create role {name}_other nologin; revoke create on database {name} from public"
        );
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("it runs");
        tokio::spawn(connection);
        client.batch_execute(&making).await.expect("the tests' user may");
        let checked = tokio::task::spawn_blocking(move || {
            let folder = folder(ANYWHERE);
            write(folder.path(), "migrations/0002_e.sql", "create extension if not exists no_such_extension;");
            let as_owner = doctor(folder.path(), &["--database", &url], &[]);
            found(&as_owner, "login", "doubtful", "superuser");
            found(&as_owner, "clock", "good", "agrees");
            found(&as_owner, "extensions", "bad", "no_such_extension");
            found(&as_owner, "migrations", "doubtful", "0001_t");
            let (before, after) = url.split_once("postgres@").expect("the tests' user is this");
            let as_login = format!("{before}{login}@{after}");
            let settings = [
                ("ROADBED_REST_ANON_ROLE", format!("{name}_other")),
                ("ROADBED_DATABASE_POOL_SIZE", "100000".to_owned()),
            ];
            let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let poor = doctor(folder.path(), &["--database", &as_login], &settings);
            found(&poor, "login", "doubtful", "grant create on database");
            found(&poor, "roles", "bad", &format!("grant \\\"{name}_other\\\" to"));
            found(&poor, "connections", "doubtful", "max_connections");
            let nobody = [("ROADBED_REST_ANON_ROLE", "no_such_role_anywhere")];
            let missing = doctor(folder.path(), &["--database", &as_login], &nobody);
            found(&missing, "roles", "bad", "there is no role `no_such_role_anywhere`");
            format!("drop role {login}; drop role {name}_other")
        });
        let dropping = checked.await.expect("all is found");
        drop(client);
        database.end_and_run(&dropping).await;
    });
}
