//! Plays the files of `tests/cases` on every engine. `tests/cases/README.md` tells their form.
//!
//! `ROADBED_TEST_CASES=filters` plays only the files with that in their path. `ROADBED_TEST_BLESS=1` writes PostgreSQL's
//! answers into the files; without it, both engines must give the answers that are written.

mod bless;
mod parse;
mod play;
mod show;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::harness::{On, World, engines, runtime, say, variable};
use parse::CaseFile;
pub(crate) use play::matches;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// The case files, sorted by path.
pub(crate) fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder of cases can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "case") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The files to play, read. A file that is not in the form of a case file fails the test.
pub(crate) fn read_all() -> Vec<CaseFile> {
    let wanted = variable("ROADBED_TEST_CASES").unwrap_or_default();
    let chosen = files().into_iter().filter(|path| path.to_string_lossy().contains(&wanted));
    chosen.map(|path| parse::read(&path).unwrap_or_else(|error| panic!("{error}"))).collect()
}

#[test]
fn every_case_is_answered_as_written_on_postgres() {
    play_all(On::Postgres);
}

#[test]
fn every_case_is_answered_as_written_on_sqlite() {
    play_all(On::Sqlite);
}

fn play_all(on: On) {
    let files = read_all();
    let cases: usize = files.iter().map(|file| file.cases.len()).sum();
    if !engines("the cases").contains(&on) {
        return say(&format!("{cases} CASES NOT RUN ON {}", on.name().to_uppercase()));
    }
    let blessing = variable("ROADBED_TEST_BLESS").is_some();
    if blessing && on != On::Postgres {
        return say(&format!("{cases} cases not run on {on}: answers are being written"));
    }
    let files_played = files.len();
    let report = runtime().block_on(play_files(on, files, blessing));
    say(&format!(
        "{on}: {} cases of {cases} in {files_played} files were answered as written, {} differ, {} are not for it",
        report.held,
        report.differences.len(),
        report.skipped,
    ));
    let text = report.differences.join("\n");
    assert!(report.differences.is_empty(), "{} cases on {on} differ:\n\n{text}", report.differences.len());
}

#[derive(Default)]
struct Report {
    held: usize,
    skipped: usize,
    differences: Vec<String>,
}

async fn play_files(on: On, files: Vec<CaseFile>, blessing: bool) -> Report {
    let queue = Arc::new(Mutex::new(files.into_iter().rev().collect::<Vec<_>>()));
    let report = Arc::new(Mutex::new(Report::default()));
    let players: Vec<_> = (0..4)
        .map(|_| {
            let (queue, report) = (queue.clone(), report.clone());
            tokio::spawn(async move {
                loop {
                    let next = queue.lock().expect("no holder panics").pop();
                    let Some(file) = next else { break };
                    play_file(on, &file, blessing, &report).await;
                }
            })
        })
        .collect();
    for player in players {
        player.await.expect("players do not panic");
    }
    std::mem::take(&mut report.lock().expect("no holder panics"))
}

/// Reading cases share a world; each writing case has one of its own.
async fn play_file(on: On, file: &CaseFile, blessing: bool, report: &Mutex<Report>) {
    if file.cases.iter().all(|case| case.only.is_some_and(|only| only != on)) {
        // Its schema or settings may be none for this engine.
        report.lock().expect("no holder panics").skipped += file.cases.len();
        return;
    }
    let shared = match World::try_new(on, &file.setup).await {
        Ok(world) => world,
        Err(error) => {
            let text = format!("{}: cannot be set up on {on}: {error}\n", file.path.display());
            return report.lock().expect("no holder panics").differences.push(text);
        }
    };
    let mut rewrites = Vec::new();
    for case in &file.cases {
        if case.only.is_some_and(|only| only != on) {
            report.lock().expect("no holder panics").skipped += 1;
            continue;
        }
        let played = if case.writes() {
            let own = World::new(on, &file.setup).await;
            let played = play::play(&own, on, case).await;
            own.end().await;
            played
        } else {
            play::play(&shared, on, case).await
        };
        let mut report = report.lock().expect("no holder panics");
        match played.as_slice() {
            [] => report.held += 1,
            differences if blessing => rewrites.extend(differences.iter().map(bless::rewrite)),
            differences => report.differences.push(show::differences(file, case, on, differences)),
        }
    }
    shared.end().await;
    bless::apply(&file.path, rewrites);
}

/// The page of differences has a row for each case that hangs on the engine, and each case that it names is there.
#[test]
fn the_page_about_portability_names_what_differs_and_nothing_else() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/portability.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let proofs = page.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.rsplit(" | ").next());
    let named: BTreeSet<String> =
        proofs.flat_map(|proof| proof.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    let mut differing = BTreeSet::new();
    for path in files() {
        let file = parse::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let place = path.strip_prefix(folder()).expect("it is below the folder").with_extension("");
        let cases = file.cases.iter().filter(|case| case.hangs_on_the_engine());
        differing.extend(cases.map(|case| format!("{}: {}", place.display(), case.name)));
    }
    assert_eq!(named, differing, "left: docs/portability.md; right: the cases");
}
