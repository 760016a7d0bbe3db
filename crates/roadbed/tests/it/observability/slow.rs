//! Slow statements: told with the engine's plan, with placeholders for values, and not again and again.

use reqwest::Client;
use serde_json::Value as Json;

use crate::harness::{EmptyDatabase, On, engines, runtime};
use crate::process::{Program, as_argument, run_well};

const SCHEMA: &str = "
    create table owners (id int primary key, name text);
    create table things (id int primary key, owner int references owners, name text);
    create index things_of_owner on things (owner);
    alter table things enable row level security;
    create policy own on things to anon using (name <> 'hidden') with check (true);
    grant select, insert, update on owners, things to anon;
";

fn check(on: On, database: Option<&str>) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::create_dir(folder.path().join("migrations")).expect("and for one in it");
    std::fs::write(folder.path().join("migrations/0001_things.sql"), SCHEMA).expect("and for a file");
    // Everything takes longer than a nanosecond.
    std::fs::write(folder.path().join("roadbed.toml"), "[log]\nslow-query = 0.000001\n").expect("and another");
    let flags = database.map_or(Vec::new(), |url| vec!["--database", url]);
    run_well(&[&["migrate", "up", as_argument(folder.path())][..], &flags].concat());
    let program = Program::serve(folder.path(), &flags);
    let send = |id: &str, request: reqwest::RequestBuilder| {
        let request = request.header("X-Request-Id", id).header("Content-Type", "application/json");
        let answer = runtime().block_on(request.send()).expect("it serves");
        assert!(answer.status().is_success(), "on {on}: {answer:?}");
    };
    let url = |path: &str| format!("{}/rest/v1{path}", program.url);
    let slow = |id: &str| {
        program.logs.wait_for(id, |line| {
            let line: Json = serde_json::from_str(line).ok()?;
            (line["message"] == "slow query" && line["id"] == id).then_some(line)
        })
    };
    let read = "/owners?select=name,things(name)&name=eq.planted-value&limit=17";
    send("read", Client::new().get(url(read)));
    let line = slow("read");
    let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("on {on}: no `{name}` in {line}")).to_owned();
    assert!(text("sql").contains("owners") && text("sql").contains("things"), "on {on}: {line}");
    // SQLite tells of tables by the names that they have in the statement.
    let has_plan = |line: &Json| match on {
        On::Postgres => line["plan"].as_str().is_some_and(|plan| plan.contains("owners")),
        On::Sqlite => line["plan"].as_str().is_some_and(|plan| plan.contains("SCAN") || plan.contains("SEARCH")),
    };
    assert!(has_plan(&line), "on {on}: {line}");
    assert_eq!((text("role"), line["level"].as_str()), ("anon".into(), Some("WARN")), "on {on}: {line}");
    assert!(line["ms"].is_number(), "{line}");
    // The same statement again, with other values, is not told; another one is.
    send("again", Client::new().get(url(&read.replace("planted", "another"))));
    send("wrote", Client::new().post(url("/owners")).body(r#"{"id":1,"name":"planted-value"}"#));
    let line = slow("wrote");
    let sql = line["sql"].as_str().unwrap_or_default().to_lowercase();
    assert!(sql.contains("insert into"), "on {on}: {line}");
    send("changed", Client::new().patch(url("/owners?name=eq.planted-value")).body(r#"{"name":"planted-two"}"#));
    let line = slow("changed");
    assert!(line["sql"].as_str().unwrap_or_default().to_lowercase().contains("update"), "on {on}: {line}");
    assert!(has_plan(&line), "on {on}: {line}");
    let batch = r#"[{"method":"GET","path":"/things?name=eq.planted-three"}]"#;
    send("batch", Client::new().post(url("/batch/v1")).body(batch));
    assert!(slow("batch")["sql"].as_str().is_some_and(|sql| sql.contains("things")), "on {on}");
    program.terminate();
    program.logs.wait_for("the last line", |line| line.contains("stopping").then_some(()));
    let logs = program.logs.text();
    assert!(!logs.contains("planted"), "on {on}: {logs}");
    let again = logs.lines().filter(|line| line.contains("slow query") && line.contains("\"again\"")).count();
    assert_eq!(again, 0, "on {on}: {logs}");
}

#[test]
fn slow_statements_are_told_with_their_plan_and_without_values() {
    check(On::Sqlite, None);
    if !engines("slow statements").contains(&On::Postgres) {
        return;
    }
    runtime().block_on(async {
        let database = EmptyDatabase::new().await;
        let url = database.url().to_owned();
        tokio::task::spawn_blocking(move || check(On::Postgres, Some(&url))).await.expect("they are told");
        database.end().await;
    });
}
