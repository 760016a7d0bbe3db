//! What SQLite cannot carry over is refused with file, line, a caret under the construct and what to write instead: all
//! of it stands in `tests/refusals`. `ROADBED_TEST_BLESS=1` writes the answers.

use std::path::Path;

use roadbed_plan::engine::{Migration, MigrationError, SqlError};

use crate::harness::{On, Setup, World, each_engine, runtime, variable};

/// What every refused statement may speak of.
const BEFORE: &str =
    "create table posts (id int primary key, title text, at timestamptz default now(), tags text[], data jsonb);
create table notes (id int primary key, n int check (n < 1000));
insert into notes values (1, 1);";

fn shown(error: &SqlError) -> String {
    let (line, column) = error.position();
    let text = error.source_text.lines().nth(line - 1).unwrap_or_default();
    let width = error.source_text[error.offset..].chars().take(error.length).take_while(|c| *c != '\n').count().max(1);
    let state = error.sqlstate.as_deref().unwrap_or("no code");
    let help = error.help.as_deref().map(|help| format!("  help: {help}\n")).unwrap_or_default();
    let blank = " ".repeat(column - 1);
    format!(
        "  {}:{line}:{column}: {} ({state})\n    {text}\n    {blank}{}\n{help}",
        error.path,
        error.message,
        "^".repeat(width)
    )
}

async fn refusal(sql: &str) -> String {
    let world = World::new(On::Sqlite, &Setup::new(BEFORE)).await;
    let file = |name: &str, sql: &str| Migration { name: name.into(), path: format!("{name}.sql"), sql: sql.into() };
    let mut before = file("schema", BEFORE);
    before.path = "schema".into();
    let told = match world.migrate(&[before, file("t", sql)]).await {
        Ok(_) => "  (is carried over)\n".to_owned(),
        Err(MigrationError::Sql(error)) => shown(&error),
        Err(other) => format!("  {other}\n"),
    };
    world.end().await;
    told
}

#[test]
fn what_sqlite_refuses_is_told_with_its_place_and_what_to_write_instead() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals");
    let path = folder.join("sqlite.txt");
    let text = std::fs::read_to_string(&path).expect("the refusals can be read");
    let (about, statements) = text.split_once("\n\n").expect("a sentence says what the file is about");
    let mut found = format!("{about}\n");
    for block in statements.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let statement: Vec<&str> = block.lines().take_while(|line| !line.starts_with("  ")).collect();
        let statement = statement.join("\n");
        found.push_str(&format!("\n{statement}\n{}", runtime().block_on(refusal(&statement))));
    }
    if variable("ROADBED_TEST_BLESS").is_some() {
        std::fs::write(&path, found).expect("the refusals can be written");
    } else {
        assert!(text == found, "tests/refusals/sqlite.txt is not what is told:\n{found}");
    }
}

/// The migrations of `tests/supabase` that begin with `-- accepted` load unchanged.
#[test]
fn migrations_as_users_of_supabase_write_them_load_or_are_refused_with_advice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/supabase");
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("it is there").flatten().map(|file| file.path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "sql")) {
        let sql = std::fs::read_to_string(path).expect("it can be read");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if sql.starts_with("-- accepted") {
            each_engine(&name, async |on| World::new(on, &Setup::new(before_supabase(on) + &sql)).await.end().await);
            continue;
        }
        let told = runtime().block_on(refusal(&sql));
        let written = path.with_extension("txt");
        if variable("ROADBED_TEST_BLESS").is_some() {
            std::fs::write(&written, &told).expect("it can be written");
        }
        let expected = std::fs::read_to_string(&written).unwrap_or_default();
        assert!(expected == told && told.contains("help:"), "{name}:\n{told}");
    }
}

/// What Supabase's own databases have.
fn before_supabase(on: On) -> String {
    match on {
        On::Postgres => "create schema extensions;".to_owned(),
        On::Sqlite => String::new(),
    }
}
