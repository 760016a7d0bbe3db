//! The rules of the house that the compiler cannot hold.

use std::path::{Path, PathBuf};

use roadbed_plan::query::Operator;

use crate::cases;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file below `crates`, with its path from there and its text.
fn sources() -> Vec<(String, String)> {
    let crates = root().join("crates");
    let mut found = Vec::new();
    let mut folders = vec![crates.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources are there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&crates).expect("it is below").to_string_lossy().replace('\\', "/");
                found.push((name, std::fs::read_to_string(&path).expect("it is text")));
            }
        }
    }
    found.sort();
    found
}

/// The part of a source file before its tests.
fn program(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[test]
fn crates_use_only_those_below_them() {
    let allowed: [(&str, &[&str]); 6] = [
        ("plan", &[]),
        ("storage", &["plan"]),
        ("jobs", &["plan"]),
        ("api", &["jobs", "plan"]),
        ("auth", &["jobs", "plan"]),
        ("roadbed", &["api", "auth", "jobs", "plan", "storage"]),
    ];
    for entry in std::fs::read_dir(root().join("crates")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let manifest = std::fs::read_to_string(entry.path().join("Cargo.toml")).unwrap();
        let (_, below) = allowed.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("`{name}` has no place"));
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for line in dependencies.lines().filter_map(|line| line.strip_prefix("roadbed-")) {
            let used = line.split(['.', ' ', '=']).next().unwrap();
            assert!(below.contains(&used), "crates/{name} must not use `roadbed-{used}`");
        }
    }
}

#[test]
fn codes_of_the_rest_dialect_have_one_home() {
    let home = |name: &str| {
        name.starts_with("api/src/rest/error") || name == "roadbed/src/http/error_response.rs" || name.contains("test")
    };
    for (name, text) in sources().iter().filter(|(name, _)| !home(name)) {
        assert!(!program(text).contains("\"PGRST"), "{name} names a code of the REST dialect");
    }
}

#[test]
fn every_code_of_the_rest_dialect_has_a_case() {
    // A case has a database that answers and a server with a key.
    const BEYOND_CASES: &[&str] = &["PGRST000", "PGRST003", "PGRST300", "PGRSTX00"];
    let cases: String = cases::files().iter().map(|path| std::fs::read_to_string(path).expect("it is text")).collect();
    let home = |name: &str| name.starts_with("api/src/rest/error") || name == "roadbed/src/http/error_response.rs";
    for (name, text) in sources().iter().filter(|(name, _)| home(name)) {
        for code in program(text).split('"').filter(|word| word.starts_with("PGRST") && word.len() == 8) {
            let is_shown = cases.contains(&format!("\"code\":\"{code}\""));
            assert!(is_shown || BEYOND_CASES.contains(&code), "no case answers {code} of {name}");
        }
    }
}

#[test]
fn only_the_planner_reads_policies() {
    const READERS: &[&str] = &[
        "plan/src/planner/access.rs",
        "plan/src/planner/access_changes.rs",
        "plan/src/planner/authorize.rs",
        "plan/src/planner/explain/rows.rs",
        "roadbed/src/cli/access.rs",
    ];
    const MAKERS: &[&str] = &["plan/src/schema/", "storage/src/postgres/introspect/"];
    for (name, text) in sources() {
        let is_home = READERS.contains(&name.as_str()) || MAKERS.iter().any(|maker| name.starts_with(maker));
        let reads = program(&text).contains(".policies") && !name.contains("tests");
        assert!(is_home || !reads, "{name} reads policies");
    }
}

#[test]
fn only_assembling_names_an_engine() {
    let home =
        |name: &str| name.starts_with("storage/") || name == "roadbed/src/assemble.rs" || name.contains("tests/");
    for (name, text) in sources().iter().filter(|(name, _)| !home(name)) {
        assert!(!program(text).contains("roadbed_storage"), "{name} names `roadbed_storage`");
    }
}

#[test]
fn files_stay_readable() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 800, "{name} has {lines} lines; 800 is the most");
    }
}

#[test]
fn every_operator_has_a_case() {
    let requests: Vec<String> = cases::read_all()
        .iter()
        .flat_map(|file| &file.cases)
        .flat_map(|case| case.steps.iter().map(|step| step.ask.path.clone()))
        .collect();
    for operator in Operator::ALL {
        let wanted = format!("={}.", operator.name());
        assert!(requests.iter().any(|path| path.contains(&wanted)), "no case has `{wanted}`");
    }
}

#[test]
fn every_file_among_the_cases_is_played() {
    let played = cases::files();
    let mut folders = vec![cases::folder()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let is_known = played.contains(&path) || path.ends_with("README.md");
                assert!(is_known, "{} is neither a case file nor the README", path.display());
            }
        }
    }
}

#[test]
fn every_path_that_the_architecture_names_exists() {
    let Ok(text) = std::fs::read_to_string(root().join("ARCHITECTURE.md")) else { return };
    let quoted = text.split('`').skip(1).step_by(2);
    let is_path = |word: &&str| {
        ["crates/", "bin/", "bench/", "docs/", "examples/", "studio/", "xtask/"]
            .iter()
            .any(|start| word.starts_with(start))
            && !word.contains([' ', '*', '{', '<', '…'])
    };
    for path in quoted.filter(is_path) {
        assert!(root().join(path).exists(), "ARCHITECTURE.md names `{path}`, which does not exist");
    }
}
