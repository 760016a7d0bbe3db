//! `roadbed migrate lint`, and the page that lists what it finds.

use std::collections::BTreeSet;
use std::path::Path;

use roadbed_plan::schema::lint::{LINTS, Level};
use serde_json::Value as Json;

use super::{folder, write};
use crate::process::{as_argument, run};

/// Exit code, standard output and standard error of `migrate lint`.
fn lint(folder: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let output = run(&[&["migrate", "lint", as_argument(folder)], more].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The names of what is found in these migrations.
fn found(migrations: &[&str]) -> Vec<String> {
    let place = folder(migrations[0]);
    for (number, text) in migrations.iter().enumerate().skip(1) {
        write(place.path(), &format!("migrations/000{}_next.sql", number + 1), text);
    }
    let (_, printed, errors) = lint(place.path(), &["--json"]);
    let printed: Json = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}{errors}"));
    let findings = printed["findings"].as_array().expect("a list");
    findings.iter().map(|finding| finding["lint"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn each_example_of_the_page_shows_its_lint_alone() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lint.md")).unwrap();
    let mut shown = BTreeSet::new();
    for section in page.split("\n### ").skip(1) {
        let name = section.lines().next().unwrap_or_default();
        let example = section.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next());
        let example = example.unwrap_or_else(|| panic!("`{name}` has no example"));
        let migrations: Vec<&str> = example.split("-- later\n").collect();
        assert_eq!(found(&migrations), [name], "{example}");
        shown.insert(name.to_owned());
        let allowed = migrations.iter().map(|text| allow_in(text, name)).collect::<Vec<_>>();
        let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        assert_eq!(found(&allowed), [""; 0], "a comment allows it:\n{}", allowed.join("-- later\n"));
    }
    let listed = LINTS.iter().map(|lint| lint.name.to_owned()).collect();
    assert_eq!(shown, listed, "the page lists every lint");
    let errors = page.split("\n## Warnings").next().unwrap_or_default();
    for lint in LINTS {
        assert_eq!(errors.contains(&format!("### {}\n", lint.name)), lint.level == Level::Error, "{}", lint.name);
    }
}

/// The migration with a comment above each of its statements.
fn allow_in(migration: &str, name: &str) -> String {
    migration.lines().map(|line| format!("-- roadbed: allow {name}\n{line}\n")).collect()
}

#[test]
fn findings_have_a_place_and_decide_the_exit_code() {
    let place = folder("create table notes (\n  id int primary key\n);\n");
    let clean = lint(place.path(), &["--strict"]);
    assert_eq!((clean.0, clean.1.trim()), (Some(0), "0 errors, 0 warnings"), "{}", clean.2);
    write(place.path(), "migrations/0002_index.sql", "-- an index\ncreate index on notes (id);\n");
    assert_eq!(lint(place.path(), &[]).0, Some(0));
    let (code, printed, shown) = lint(place.path(), &["--strict"]);
    assert_eq!((code, printed.trim()), (Some(1), "0 errors, 1 warnings"), "{shown}");
    for part in ["0002_index.sql", ":2:", "create index on notes", "index-not-concurrently", "help"] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
    write(place.path(), "migrations/0003_drop.sql", "drop table notes;\n");
    assert_eq!(lint(place.path(), &[]).0, Some(1));
    assert_eq!(lint(place.path(), &["--from", "0004"]).0, Some(0), "what is done is done");
    write(place.path(), "migrations/0003_drop.sql", "drop tabel notes;\n");
    let (code, _, shown) = lint(place.path(), &[]);
    assert!(code == Some(2) && shown.contains("syntax error"), "{code:?} {shown}");
}

#[test]
fn what_was_mended_later_is_not_told() {
    let open = "create table notes (id int primary key); grant select on notes to anon;";
    assert_eq!(found(&[open, "alter table notes enable row level security;"]), [""; 0]);
    let definer = "create function one() returns int language sql security definer as $$ select 1 $$;";
    assert_eq!(found(&[definer, "alter function one() set search_path = '';"]), [""; 0]);
    assert_eq!(
        found(&[
            "create function one() returns int language sql security definer set search_path = '' as $$ select 1 $$;"
        ]),
        [""; 0]
    );
}

#[test]
fn what_only_postgresql_runs_is_passed_over_and_named() {
    let place = folder("create table places (id int primary key, at point);\ncreate table notes (id int);\n");
    let (code, printed, _) = lint(place.path(), &[]);
    assert!(code == Some(0) && printed.contains("0001_first.sql:1"), "{printed}");
}

#[test]
fn membership_and_grants_to_public_reach_callers_too() {
    let through = "create role reader; alter role authenticated inherit; grant reader to authenticated; create table notes (id int); grant select on notes to reader;";
    assert_eq!(found(&[through]), ["table-without-row-security"]);
    let public = "create table notes (id int); grant select on notes to public;";
    assert_eq!(found(&[public]), ["table-without-row-security", "grant-to-public"]);
    assert_eq!(found(&["create table notes (id int); grant all on notes to service_role;"]), [""; 0]);
}
