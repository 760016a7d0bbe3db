//! What other programs make of what `roadbed types`, `roadbed openapi` and `roadbed postman` write.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value as Json, json};

use super::{SHOP, keys, python};
use crate::harness::say;
use crate::process::{Program, as_argument, roadbed, run, run_well};

/// A folder whose database has the shop.
fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    std::fs::create_dir(folder.path().join("migrations")).expect("and for one in it");
    std::fs::write(folder.path().join("migrations/0001_shop.sql"), SHOP).expect("and for a file");
    run_well(&["migrate", "up", as_argument(folder.path())]);
    folder
}

/// The packages of `tests/clients/types`. Kept from run to run.
fn packages() -> Option<PathBuf> {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/types");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("types");
    std::fs::create_dir_all(&place).expect("there is room for a folder");
    let lock = std::fs::read(client.join("package-lock.json")).expect("it is there");
    let installed = place.join("installed.json");
    for file in ["package.json", "package-lock.json", "script.ts"] {
        std::fs::copy(client.join(file), place.join(file)).expect("both can be reached");
    }
    if std::fs::read(&installed).is_ok_and(|found| found == lock) {
        return Some(place);
    }
    let npm = Command::new("npm")
        .args(["ci", "--silent", "--no-audit", "--no-fund", "--prefer-offline"])
        .current_dir(&place)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    if !npm.status.success() {
        return None;
    }
    std::fs::write(installed, lock).ok()?;
    Some(place)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn tsc_accepts_a_program_that_uses_the_types_with_supabase_js() {
    let Some(place) = packages() else {
        return say("1 TEST NOT RUN: NPM CANNOT INSTALL TYPESCRIPT HERE, SO NO COMPILER READ THE TYPES");
    };
    let folder = shop();
    let types = run_well(&["types", "typescript", as_argument(folder.path())]);
    std::fs::write(place.join("database.ts"), types).expect("there is room for a file");
    let options = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext"];
    let mut tsc = Command::new("node");
    tsc.arg("node_modules/typescript/bin/tsc").args(options).arg("script.ts").current_dir(&place);
    let output = tsc.output().expect("npm comes with it");
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn types_are_those_of_the_role() {
    let folder = shop();
    let path = as_argument(folder.path());
    let all = run_well(&["types", "typescript", path]);
    let anon = run_well(&["types", "typescript", path, "--role", "anon"]);
    assert!(all.contains("secret: string | null") && all.contains("hidden: {"), "{all}");
    assert!(!anon.contains("secret") && !anon.contains("hidden"), "{anon}");
    assert!(!run_well(&["types", "python", path, "--role", "anon"]).contains("secret"));
    let output = run(&["types", "typescript", path, "--role", "nobody"]);
    assert!(!output.status.success() && said(&output).contains("nobody"), "{}", said(&output));
}

#[test]
fn python_takes_its_types_and_mypy_finds_what_is_wrong() {
    let folder = shop();
    let place = tempfile::tempdir().expect("there is room for a folder");
    let types = run_well(&["types", "python", as_argument(folder.path())]);
    std::fs::write(place.path().join("database.py"), types).expect("there is room for a file");
    let program = include_str!("../../described/program.py");
    std::fs::write(place.path().join("program.py"), program).expect("and another");
    let Some(python) = python("mypy", "types.txt") else {
        return say("1 TEST NOT RUN: PIP CANNOT INSTALL MYPY HERE, SO NOBODY CHECKED THE TYPES OF PYTHON");
    };
    let run = |arguments: &[&str]| {
        Command::new(&python).args(arguments).current_dir(place.path()).output().expect("it was installed")
    };
    let ran = run(&["program.py"]);
    assert!(ran.status.success(), "{}", said(&ran));
    let checked = run(&["-m", "mypy", "--strict", "--no-error-summary", "program.py"]);
    let wrong: Vec<usize> = said(&checked)
        .lines()
        .filter_map(|line| line.strip_prefix("program.py:")?.split_once(": error")?.0.parse().ok())
        .collect();
    let expected: Vec<usize> =
        (1..).zip(program.lines()).filter(|(_, line)| line.contains("# wrong")).map(|(number, _)| number).collect();
    assert_eq!(wrong, expected, "{}", said(&checked));
}

#[test]
fn newman_runs_the_collection_against_a_fresh_server() {
    let Some(place) = packages() else {
        return say("1 TEST NOT RUN: NPM CANNOT INSTALL NEWMAN HERE, SO NOBODY RAN THE COLLECTION");
    };
    let todo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/todo");
    let chinook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/chinook");
    let shop = shop();
    for (folder, role, inserted) in
        [(&*todo, "authenticated", 2), (&*todo, "anon", 1), (&*chinook, "anon", 0), (shop.path(), "authenticated", 3)]
    {
        let data = tempfile::tempdir().expect("there is room for a folder");
        let database = format!("sqlite:{}/data.sqlite", as_argument(data.path()));
        let folder = as_argument(folder);
        let dev = ["dev", folder, "--listen", "127.0.0.1:0", "--database", &database];
        let program = Program::start(roadbed().args(dev));
        let address = program.url.trim_start_matches("http://");
        let told = run_well(&[
            "postman",
            folder,
            "--role",
            role,
            "--output",
            as_argument(data.path()),
            "--database",
            &database,
            "--listen",
            address,
        ]);
        assert_eq!(told.lines().count(), 2, "{told}");
        let report = data.path().join("report.json");
        let file = |name: &str| data.path().join(format!("roadbed.postman_{name}.json"));
        let mut newman = Command::new("node");
        newman.arg(place.join("node_modules/newman/bin/newman.js")).arg("run").arg(file("collection"));
        newman
            .arg("-e")
            .arg(file("environment"))
            .args(["--reporters", "cli,json", "--reporter-json-export"])
            .arg(&report);
        let output = newman.current_dir(&place).stdin(Stdio::null()).output().expect("npm comes with it");
        assert!(output.status.success(), "{folder} as {role}: {}", said(&output));
        let report: Json =
            serde_json::from_slice(&std::fs::read(&report).expect("it was written")).expect("it is JSON");
        let run = report["run"]["executions"].as_array().expect("a list");
        let created = run.iter().filter(|execution| execution["response"]["code"] == 201).count();
        assert_eq!(created, inserted, "{folder} as {role}: {}", said(&output));
        let deleted = run.iter().filter(|execution| execution["request"]["method"] == "DELETE");
        assert!(deleted.clone().all(|execution| execution["response"]["code"] == 204), "{}", said(&output));
        assert!(deleted.count() >= inserted);
    }
}

#[test]
fn the_command_writes_the_document_that_is_served() {
    let folder = shop();
    let path = as_argument(folder.path());
    let read = |arguments: &[&str]| serde_json::from_str::<Json>(&run_well(arguments)).expect("it is JSON");
    let anon = read(&["openapi", path, "--role", "anon", "--json"]);
    assert_eq!(keys(&anon["paths"]["/orders"]), ["get", "post"]);
    let all = read(&["openapi", path]);
    assert!(all["paths"].get("/hidden").is_some() && anon["paths"].get("/hidden").is_none());
    let program = Program::serve(folder.path(), &[]);
    let served = crate::harness::runtime().block_on(async {
        let answer = reqwest::get(format!("{}/openapi.json", program.url)).await.expect("it serves");
        answer.json::<Json>().await.expect("it is JSON")
    });
    assert_eq!(served, anon);
    let both = read(&["postman", path, "--json"]);
    assert_eq!(keys(&both), ["collection", "environment"]);
    assert_eq!(both["environment"]["values"][1]["type"], json!("secret"));
    let output = run(&["openapi", path, "--schema", "nowhere"]);
    assert!(!output.status.success() && said(&output).contains("nowhere"), "{}", said(&output));
}
