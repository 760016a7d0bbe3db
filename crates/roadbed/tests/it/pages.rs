//! Pages that say what the program says: `docs/settings.md` and `docs/sqlite.md`. `ROADBED_TEST_BLESS=1` writes them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use roadbed::config::{Flags, SETTINGS, load_with};
use roadbed_plan::engine::{Migration, MigrationError};

use crate::harness::{EmptyDatabase, On, engines, runtime, variable};

const BEFORE_SETTINGS: &str = "# Settings\n
Defaults, then `roadbed.toml` in the folder, then variables, then the flags `--database` and `--listen`: what comes later
wins. An unknown setting or a wrong value is refused at start, with its place and the nearest right name.\n
The sections `[rest]` and `[jwt]` take what PostgREST's configuration has, under its names less the `db-`.\n
`jwt.role-claim-key` may select with filters, wildcards, slices and functions (`$.roles[?search(@, '^app-')]`); the first text that
it leads to is the role. PostgREST's paths from before its version 16 are read as well (`.roles[?(@ ^== \"app-\")]`, with `==`,
`!=`, `^==`, `==^` and `*==`). A key is for one algorithm: the one that it names (HS, RS, PS with 256, 384 or 512; ES256, ES384;
EdDSA), else HS256, RS256, or that of its curve. Tokens that were verified are kept, by their hash, until other keys come; their
times are tested each time.\n
A pre-request function takes no arguments and runs as the caller. What it raises refuses the request; what it sets in
`response.status` and `response.headers` goes into the answer. SQLite has none, so the setting is refused at start there.\n
| setting | variable | default | meaning |
| --- | --- | --- | --- |
";

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// What the page must be; it is written where answers are being written.
fn assert_page(name: &str, expected: &str) {
    if variable("ROADBED_TEST_BLESS").is_some() {
        std::fs::write(page(name), expected).expect("the page can be written");
    }
    let written = std::fs::read_to_string(page(name)).unwrap_or_default();
    assert_eq!(written, expected, "write it with ROADBED_TEST_BLESS=1");
}

#[test]
fn the_page_of_settings_is_the_list() {
    let mut expected = BEFORE_SETTINGS.to_owned();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
        let (name, variable, meaning) = (setting.name, setting.variable(), setting.meaning);
        writeln!(expected, "| `{name}` | `{variable}` | {default} | {meaning} |").expect("a string takes all");
    }
    assert_page("settings.md", &expected);
}

/// The statements that `docs/sqlite.md` lists, and what they are applied after.
fn listed(page: &str) -> (&str, Vec<&str>) {
    let statements = page.lines().filter(|line| line.starts_with("| `")).map(|line| between(line, "| `", "` |"));
    (between(page, "```sql\n", "```"), statements.collect())
}

#[test]
fn what_the_page_about_sqlite_lists_is_refused_with_what_to_write_instead() {
    let text = std::fs::read_to_string(page("sqlite.md")).expect("the page is there");
    let (before, statements) = listed(&text);
    let mut accepted = Vec::new();
    let mut expected = text[..text.find("| `").expect("it lists something")].to_owned();
    for statement in statements {
        match runtime().block_on(apply("sqlite::memory:", before, statement)) {
            Ok(()) => accepted.push(statement),
            Err((message, help)) => {
                writeln!(expected, "| `{statement}` | {message} | {help} |").expect("a string takes all");
            }
        }
    }
    assert!(accepted.is_empty(), "SQLite accepts\n{}", accepted.join("\n"));
    assert_page("sqlite.md", &expected);
}

#[test]
fn what_the_page_about_sqlite_lists_is_accepted_by_postgres() {
    if !engines("the page about SQLite").contains(&On::Postgres) {
        return;
    }
    let text = std::fs::read_to_string(page("sqlite.md")).expect("the page is there");
    let (before, statements) = listed(&text);
    let mut refused = Vec::new();
    runtime().block_on(async {
        let database = EmptyDatabase::new().await;
        for statement in statements {
            database.clear().await;
            if let Err((message, _)) = apply(database.url(), before, statement).await {
                refused.push(format!("{statement}: {message}"));
            }
        }
        database.end().await;
    });
    assert!(refused.is_empty(), "PostgreSQL refuses\n{}", refused.join("\n"));
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).expect("the page has it");
    rest.split_once(end).expect("it ends").0
}

/// Applies `statement` after `before`; what it was refused with, and what to write instead.
async fn apply(url: &str, before: &str, statement: &str) -> Result<(), (String, String)> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let flags = Flags { database: Some(url.to_owned()), listen: None };
    let settings = load_with(folder.path(), &flags, &[]).expect("the defaults hold");
    let engine = roadbed::connect(&settings).expect("the database is there");
    let file = |name: &str, sql: &str| Migration { name: name.into(), path: name.into(), sql: sql.into() };
    let applied = engine.migrate(&[file("0001", before), file("0002", statement)]).await;
    engine.close().await;
    match applied {
        Ok(_) => Ok(()),
        Err(MigrationError::Sql(error)) => Err((error.message, error.help.unwrap_or_default())),
        Err(error) => Err((error.to_string(), String::new())),
    }
}
