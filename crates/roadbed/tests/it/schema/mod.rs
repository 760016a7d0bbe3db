//! Plays the files of `tests/stories`: a database that grows by migrations, with rows and requests between them, gives
//! the same answers on every engine. `tests/stories/README.md` tells their form.
//!
//! `ROADBED_TEST_STORIES=views` plays only the stories with that in their path; `ROADBED_TEST_BLESS=1` writes
//! PostgreSQL's answers into the files.

mod files;
mod play;
mod refusals;
mod story;

use std::path::{Path, PathBuf};

use crate::harness::{On, engines, runtime, say, variable};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories")
}

fn files() -> Vec<PathBuf> {
    let wanted = variable("ROADBED_TEST_STORIES").unwrap_or_default();
    let entries = std::fs::read_dir(folder()).expect("the folder of stories can be read").flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "story"))
        .filter(|path| path.to_string_lossy().contains(&wanted))
        .collect();
    found.sort();
    found
}

#[test]
fn every_story_goes_as_written_on_postgres() {
    play_all(On::Postgres);
}

#[test]
fn every_story_goes_as_written_on_sqlite() {
    play_all(On::Sqlite);
}

fn play_all(on: On) {
    if !engines("the stories").contains(&on) {
        return;
    }
    let blessing = variable("ROADBED_TEST_BLESS").is_some();
    if blessing && on != On::Postgres {
        return say("stories are not played on sqlite: answers are being written");
    }
    let mut differences = Vec::new();
    let mut count = 0;
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("stories can be read");
        let file = story::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for story in file.iter().rev() {
            let played = runtime().block_on(play::play(on, story));
            count += played.len();
            for told in played.iter().rev().filter(|told| !told.holds()) {
                if blessing {
                    told.write(&mut lines);
                } else {
                    differences.push(told.show(&path, on));
                }
            }
        }
        if blessing {
            std::fs::write(&path, lines.join("\n") + "\n").expect("stories can be written");
        }
    }
    say(&format!("{on}: {count} answers in stories, {} differ", differences.len()));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
